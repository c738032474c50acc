"""A bit of everything, which two projects tell, for the answers of two doors to be compared."""

from tests.support.given import Delivery, created, entered, joined, left
from tests.support.stories import ALEX, UPS_AND_DOWNS

_SECOND = [{**each, "project_id": "proj_2"} for each in UPS_AND_DOWNS]

#: The one who has two ids in two projects, one who is in doubt, one who was in and out late, and
#: many who are in one segment.
STORY: list[Delivery] = [
    *ALEX,
    *_SECOND,
    created("cust_2", at="2024-01-05T00:00:00Z", source_id="b-tst", name="Robin \N{SNOWMAN}"),
    joined("cust_2", "", at="2024-01-06T00:00:00Z"),
    entered("cust_2", "seg_1", at="2024-03-01T10:00:00Z"),
    left("cust_2", "seg_1", at="2024-02-01T10:00:00Z"),
    *(entered(f"cust_m{number:02}", "seg_m", at="2024-04-01T00:00:00Z") for number in range(25)),
    *(joined(f"cust_m{number:02}", "ltr_m", at="2024-04-01T00:00:00Z") for number in range(25)),
    left("cust_m03", "seg_m", at="2024-05-01T00:00:00Z"),
]

#: How many of them are put into each door: the webhooks and /events.
HALF = len(STORY) // 2
