"""What happens to a customer, for several modules of tests."""

from tests.support.given import created, downgraded, entered, joined, left, tier, upgraded

#: Of two segments and a tier; an entry was lost.
ALEX = [
    created(
        "cust_1",
        at="2024-01-01T00:00:00Z",
        source_id="a-tst",
        name="Alex Test",
        email=None,
        metadata={"x": 1},
    ),
    entered("cust_1", "seg_2", at="2024-03-01T10:00:00Z"),
    entered("cust_1", "seg_1", at="2024-03-01T10:00:00.000250Z"),
    entered("cust_1", "seg_3", at="2024-03-02T10:00:00Z"),
    left("cust_1", "seg_3", at="2024-03-03T10:00:00Z"),
    joined("cust_1", tier("ltr_1", 151, 250), at="2024-03-14T09:29:32.501Z"),
    left("cust_1", "seg_9", at="2024-03-15T00:00:00.000001Z"),
]

#: Up a tier and down again, into a segment and out of it, and out of one that was never entered.
UPS_AND_DOWNS = [
    created("cust_1", at="2024-01-01T00:00:00Z", source_id="shop"),
    joined("cust_1", tier("ltr_1", 0, 99, name="Silver"), at="2024-02-01T10:00:00Z", id="joined"),
    upgraded(
        "cust_1",
        "ltr_1",
        tier("ltr_2", name="Gold", expiration={"expiration_date": "2024-06-30"}),
        at="2024-03-01T10:00:00Z",
        id="up",
    ),
    downgraded(
        "cust_1", "ltr_2", tier("ltr_1", name="Silver"), at="2024-07-01T10:00:00.250Z", id="down"
    ),
    entered("cust_1", "seg_1", at="2024-01-02T00:00:00Z", id="in"),
    left("cust_1", "seg_1", at="2024-01-03T00:00:00Z", id="out"),
    left("cust_1", "seg_2", at="2024-01-03T00:00:00Z", id="unseen"),
]
