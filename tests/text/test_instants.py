"""Instants: what is one, in which zone it is kept, and how it is written."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from projector.errors import BadInstant
from projector.text.instants import NaiveInstant, check_instant, parse, shorten, to_text, to_utc

_NEPAL = timezone(timedelta(hours=5, minutes=45))


@pytest.fixture(autouse=True)
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The zone of the machine is another one, and does not matter."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "EAST-10")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-04T10:00:00Z", datetime(2024, 3, 4, 10, tzinfo=UTC)),
        ("2024-03-04T10:00:00+05:45", datetime(2024, 3, 4, 4, 15, tzinfo=UTC)),
        ("2024-03-04T10:00:00.1234567Z", datetime(2024, 3, 4, 10, 0, 0, 123457, tzinfo=UTC)),
    ],
)
def test_a_time_with_an_offset_is_read_into_utc(text: str, expected: datetime) -> None:
    assert parse(text) == expected
    assert parse(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2016-12-31T23:59:60Z",
        "2016-12-31T23:59:60.999999999Z",
        "2016-12-31t23:59:60z",
        "2016-12-31 23:59:60+00:00",
        "2017-01-01T05:44:60+05:45",
        "2016-12-31T15:59:60-0800",
    ],
)
def test_a_leap_second_is_the_last_microsecond_before_it(text: str) -> None:
    """It is 23:59:60 in UTC, in whatever offset it is written."""
    assert parse(text) == datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert to_text(parse(text)) == "2016-12-31T23:59:59.999999Z"


def test_a_leap_second_may_be_on_any_day_and_is_after_every_other_instant_of_it() -> None:
    assert parse("2031-06-30T23:59:60Z").date().isoformat() == "2031-06-30"
    assert parse("9999-12-31T23:59:60Z").year == 9999
    assert parse("2016-12-31T23:59:59.999998Z") < parse("2016-12-31T23:59:60Z")
    assert parse("2016-12-31T23:59:60Z") < parse("2017-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "text",
    [
        "2016-12-31T23:58:60Z",
        "2016-12-31T12:59:60Z",
        "2016-12-31T23:59:60+01:00",
        "2016-12-31T23:59:61Z",
        "2016-12-32T23:59:60Z",
        "2016-12-31T23:59:60.Z",
        "2016-12-31T23:59:60,5Z",
        "2016-12-31T23:59:60Z ",
        "9999-12-31T23:59:60-23:00",
    ],
)
def test_the_second_60_of_another_minute_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not an RFC 3339 time"):
        parse(text)


def test_a_leap_second_without_an_offset_is_refused_for_that() -> None:
    with pytest.raises(NaiveInstant):
        parse("2016-12-31T23:59:60")


def test_the_error_for_an_invalid_time_quotes_its_first_characters() -> None:
    with pytest.raises(ValueError, match=r"^'yesterday' is not an RFC 3339 time$"):
        parse("yesterday")
    with pytest.raises(ValueError, match=rf"^'{'x' * 59}…' is not"):
        parse("x" * 100)
    with pytest.raises(NaiveInstant, match=r"^'2024-03-04T10:00:00' has no offset from UTC$"):
        parse("2024-03-04T10:00:00")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"])
def test_a_time_that_utc_has_no_year_for_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=rf"^{text.replace('+', '[+]')} lies outside the years"):
        parse(text)


def test_a_text_of_the_length_that_there_is_room_for_is_not_shortened() -> None:
    assert shorten("x" * 60) == "x" * 60
    assert shorten("x" * 61) == "x" * 59 + "…"
    assert shorten("abc", 2) == "a…"


def test_an_instant_that_is_in_utc_stays_the_very_same() -> None:
    instant = datetime(2024, 3, 4, tzinfo=UTC)
    assert to_utc(instant) is instant


def test_no_instant_needs_no_check_and_one_of_any_offset_stands_it() -> None:
    check_instant(None)
    check_instant(datetime(2024, 3, 4, tzinfo=UTC))
    check_instant(datetime(2024, 3, 4, tzinfo=_NEPAL))


def test_an_invalid_instant_is_refused_with_the_reason() -> None:
    with pytest.raises(BadInstant) as refused:
        check_instant(datetime(2024, 3, 4))  # noqa: DTZ001 - that is the point
    assert str(refused.value) == (
        "Invalid timestamp '2024-03-04 00:00:00': it has no offset from UTC"
    )
    with pytest.raises(BadInstant) as refused:
        check_instant(datetime(1, 1, 1, tzinfo=_NEPAL))
    assert str(refused.value) == (
        "Invalid timestamp '0001-01-01 00:00:00+05:45':"
        " 0001-01-01T00:00:00+05:45 lies outside the years 1 to 9999 in UTC"
    )


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [
        (0, "2024-03-04T04:15:00.000Z"),
        (1, "2024-03-04T04:15:00.000001Z"),
        (999, "2024-03-04T04:15:00.000999Z"),
        (1000, "2024-03-04T04:15:00.001Z"),
        (1001, "2024-03-04T04:15:00.001001Z"),
    ],
)
def test_six_decimals_are_written_where_three_do_not_tell_it(microsecond: int, text: str) -> None:
    assert to_text(datetime(2024, 3, 4, 10, 0, 0, microsecond, tzinfo=_NEPAL)) == text
