"""When it happened: an instant that can be placed, to the microsecond, or a reason."""

from datetime import UTC, datetime
from typing import Any

import pytest

from projector.envelope import DeliveryDefaults
from tests.support.shapes import HAPPENED_AT, distribution, event_part, filed, rejected

_NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        pytest.param("2024-01-01T00:00:00Z", _NEW_YEAR, id="whole seconds"),
        pytest.param("2024-01-01T00:00:00z", _NEW_YEAR, id="small z"),
        pytest.param("2024-01-01t00:00:00Z", _NEW_YEAR, id="small t"),
        pytest.param("2024-01-01 00:00:00Z", _NEW_YEAR, id="a blank for the T"),
        pytest.param("2024-01-01T05:45:00+05:45", _NEW_YEAR, id="east"),
        pytest.param("2023-12-31T12:00:00-12:00", _NEW_YEAR, id="west"),
        pytest.param("2024-01-01T00:00:00-00:00", _NEW_YEAR, id="minus zero"),
        pytest.param("2024-01-01T23:59:00+23:59", _NEW_YEAR, id="the farthest offset"),
        pytest.param("2024-01-01T00:00:00.1Z", _NEW_YEAR.replace(microsecond=100_000), id="tenth"),
        pytest.param(
            "2024-01-01T00:00:00.123456Z", _NEW_YEAR.replace(microsecond=123_456), id="micro"
        ),
        pytest.param(
            "2024-01-01T00:00:00.1234564Z", _NEW_YEAR.replace(microsecond=123_456), id="down"
        ),
        pytest.param(
            "2024-01-01T00:00:00.123456789Z", _NEW_YEAR.replace(microsecond=123_457), id="nano"
        ),
        pytest.param("2023-12-31T23:59:59.9999999Z", _NEW_YEAR, id="rounded into the next year"),
        pytest.param("2024-02-29T00:00:00Z", _NEW_YEAR.replace(month=2, day=29), id="leap day"),
        pytest.param("0001-01-01T00:00:00Z", datetime.min.replace(tzinfo=UTC), id="the first"),
        pytest.param(
            "9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC), id="the last"
        ),
    ],
)
def test_an_instant_is_placed_in_utc(text: str, instant: datetime) -> None:
    item = filed(distribution(event=event_part(created_at=text)))
    assert item.occurred_at == instant
    assert item.occurred_at.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("2016-12-31T23:58:60Z", id="a leap second in another minute"),
        pytest.param("2016-12-31T23:59:60-01:00", id="a leap second in another zone"),
        pytest.param("2016-12-31T23:59:61Z", id="two leap seconds"),
        pytest.param("2024-01-01T24:00:00Z", id="hour 24"),
        pytest.param("2023-02-29T00:00:00Z", id="no leap year"),
        pytest.param("2024-13-01T00:00:00Z", id="month 13"),
        pytest.param("0000-01-01T00:00:00Z", id="year 0"),
        pytest.param("10000-01-01T00:00:00Z", id="year 10000"),
        pytest.param("-0001-01-01T00:00:00Z", id="a year before the first"),
        pytest.param("0001-01-01T00:00:00+01:00", id="before the first instant in UTC"),
        pytest.param("9999-12-31T23:59:59-01:00", id="after the last instant in UTC"),
        pytest.param("9999-12-31T23:59:59.9999999Z", id="rounded beyond the last instant"),
        pytest.param("2024-01-01T00:00:00+24:00", id="an offset of a day"),
        pytest.param("2024-01-01", id="a date"),
        pytest.param("2024-01-01T00:00Z", id="no seconds"),
        pytest.param("2024-01-01T00:00:00,5Z", id="a comma"),
        pytest.param("2024-01-01T00:00:00Z ", id="a blank behind"),
        pytest.param("٢٠٢٤-01-01T00:00:00Z", id="digits of another script"),
        pytest.param("1704067200", id="seconds as text"),
        pytest.param("yesterday", id="a word"),
        pytest.param("\x00", id="NUL"),
        pytest.param("9" * 1_000_000, id="a megabyte"),
        pytest.param(1704067200, id="seconds"),
        pytest.param(17040672000.5, id="fractions of seconds"),
        pytest.param(True, id="true"),
        pytest.param(["2024-01-01T00:00:00Z"], id="an array"),
        pytest.param({"at": 1}, id="an object"),
    ],
)
def test_an_invalid_instant_is_rejected(value: Any) -> None:
    item = rejected(distribution(event=event_part(created_at=value)))
    assert item.reason == "bad_time"
    assert len(item.detail) < 200


@pytest.mark.parametrize("text", ["2024-01-01T00:00:00", "2024-01-01 00:00:00.123456"])
def test_a_time_without_an_offset_is_refused_for_that(text: str) -> None:
    item = rejected(distribution(event=event_part(created_at=text)))
    assert item.reason == "naive_time"
    assert "offset" in item.detail


def test_a_time_that_is_wrong_is_not_replaced_by_the_callers() -> None:
    delivery = distribution(event=event_part(created_at="yesterday"))
    assert rejected(delivery, DeliveryDefaults(occurred_at=HAPPENED_AT)).reason == "bad_time"


@pytest.mark.parametrize("value", ["", None])
def test_a_time_that_is_not_given_is_missing(value: Any) -> None:
    assert rejected(distribution(event=event_part(created_at=value))).reason == "missing_time"
