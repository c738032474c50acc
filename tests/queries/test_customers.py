"""Looking back, as a library."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from projector import Projector
from projector.errors import BadInstant, CustomerNotFound, PositionUnknown
from projector.queries.customers import NOW, PointInTime
from projector.store.database import Database
from tests.support.given import append_and_project, created, entered

_EAST = timezone(timedelta(hours=5, minutes=45))


@pytest.mark.parametrize(
    "when",
    [
        pytest.param(datetime(2024, 1, 1), id="naive"),  # noqa: DTZ001
        pytest.param(datetime.min.replace(tzinfo=_EAST), id="before the year 1 in UTC"),
        pytest.param(datetime.max.replace(tzinfo=timezone(-timedelta(hours=8))), id="after 9999"),
    ],
)
def test_a_datetime_that_is_no_instant_is_refused(database: Database, when: datetime) -> None:
    append_and_project(database, created("cust_1", at="2024-01-01T00:00:00Z"))
    with pytest.raises(BadInstant):
        PointInTime(as_of=when)
    with pytest.raises(BadInstant):
        Projector(database).customer("cust_1", as_of=when)


def test_an_instant_may_have_any_offset(database: Database) -> None:
    append_and_project(database, entered("cust_1", "seg_1", at="2024-01-01T00:00:00Z"))
    at = datetime(2024, 1, 1, tzinfo=UTC).astimezone(_EAST)
    assert Projector(database).customer("cust_1", as_of=at).segments
    with pytest.raises(CustomerNotFound):
        Projector(database).customer("cust_1", as_of=at - timedelta(microseconds=1))


@pytest.mark.parametrize("at_position", [-1, 2, 2**70])
def test_a_position_that_is_not_in_the_log_is_refused(database: Database, at_position: int) -> None:
    append_and_project(database, created("cust_1", at="2024-01-01T00:00:00Z"))
    with pytest.raises(PositionUnknown):
        Projector(database).customer("cust_1", at_position=at_position)


def test_a_moment_is_described_in_words() -> None:
    assert (str(NOW), NOW.is_now) == ("", True)
    then = PointInTime(as_of=datetime(2024, 1, 1, tzinfo=UTC), at_position=0)
    assert str(then) == " as of 2024-01-01T00:00:00.000Z at position 0"
    assert not then.is_now
