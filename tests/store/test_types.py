"""An instant is text of one width on SQLite, whatever zone it is told in."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.store.types import all_to_sqlite, to_sqlite

NEPAL, WARSAW = timezone(timedelta(hours=5, minutes=45)), ZoneInfo("Europe/Warsaw")

#: As far from the first and the last day as any zone is from UTC.
_instants = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - the zone is drawn apart
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001 - as above
    timezones=st.just(UTC) | st.timezones() | st.just(NEPAL),
)


@given(values=st.lists(st.none() | _instants | _instants.map(lambda at: at.replace(microsecond=0))))
def test_an_instant_is_written_in_utc_with_six_decimals(values: list[datetime | None]) -> None:
    expected = [
        value and value.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"
        for value in values
    ]
    assert [to_sqlite(value) for value in values] == expected
    assert all_to_sqlite(values) == expected


@pytest.mark.parametrize(("fold", "text"), [(0, "00:30:00.000000Z"), (1, "01:30:00.000000Z")])
def test_the_repeated_hour_of_a_time_change_is_stored_unambiguously(fold: int, text: str) -> None:
    twice = datetime(2024, 10, 27, 2, 30, tzinfo=WARSAW, fold=fold)
    assert to_sqlite(twice) == all_to_sqlite([twice])[0] == f"2024-10-27T{text}"
