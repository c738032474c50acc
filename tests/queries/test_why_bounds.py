"""An explanation holds all events of a customer, and may have a bound."""

import pytest

from projector.errors import StreamTooLong
from projector.queries.why.explain import WhyQuery, WhySegment, why
from projector.store.database import Database
from tests.support.given import append_and_project, entered

_DAYS = 3


def test_why_of_a_customer_with_too_many_events_is_refused(database: Database) -> None:
    days = [entered("cust_1", "seg_1", at=f"2024-03-0{day + 1}T10:00:00Z") for day in range(_DAYS)]
    append_and_project(database, *days, entered("cust_2", "seg_1", at="2024-03-01T10:00:00Z"))
    question = WhyQuery(identifier="cust_1", segment_id="seg_1")
    found = why(database, question, events_max=_DAYS)
    assert isinstance(found, WhySegment)
    assert len(found.steps) == _DAYS
    with pytest.raises(StreamTooLong, match="more than 2 events"):
        why(database, question, events_max=_DAYS - 1)
