"""Days and times in one time zone."""

from datetime import UTC, date, datetime

import pytest

from projector.server.console.zones import Zone, is_zone, names, parse_day


@pytest.mark.parametrize(
    ("zone", "day", "begins", "ends"),
    [
        ("UTC", date(2026, 3, 1), "2026-03-01T00:00:00+00:00", "2026-03-01T23:59:59.999999+00:00"),
        # A day of 23 hours, and one of 25.
        (
            "Europe/Warsaw",
            date(2026, 3, 29),
            "2026-03-28T23:00:00+00:00",
            "2026-03-29T21:59:59.999999+00:00",
        ),
        (
            "Europe/Warsaw",
            date(2026, 10, 25),
            "2026-10-24T22:00:00+00:00",
            "2026-10-25T22:59:59.999999+00:00",
        ),
        # The clock goes from 24:00 to 1:00 there: the day has no midnight.
        (
            "America/Santiago",
            date(2026, 9, 6),
            "2026-09-06T04:00:00+00:00",
            "2026-09-07T02:59:59.999999+00:00",
        ),
        (
            "Asia/Kathmandu",
            date(2026, 1, 1),
            "2025-12-31T18:15:00+00:00",
            "2026-01-01T18:14:59.999999+00:00",
        ),
        # The ends of the calendar; Tokyo went by the sun then.
        ("Asia/Tokyo", date.min, "0001-01-01T00:00:00+00:00", "0001-01-01T14:41:00.999999+00:00"),
        (
            "America/New_York",
            date.max,
            "9999-12-31T05:00:00+00:00",
            "9999-12-31T23:59:59.999999+00:00",
        ),
    ],
)
def test_a_day_begins_and_ends_in_its_zone(zone: str, day: date, begins: str, ends: str) -> None:
    there = Zone(zone)
    assert there.beginning_of(day).isoformat() == begins
    assert there.end_of(day).isoformat() == ends
    if day not in (date.min, date.max):
        assert there.day_of(there.beginning_of(day)) == there.day_of(there.end_of(day)) == day


def test_an_instant_is_written_in_its_zone_and_marked_in_utc() -> None:
    at = datetime(2026, 2, 28, 23, 5, tzinfo=UTC)
    warsaw = Zone("Europe/Warsaw")
    assert warsaw.time_text(at) == "1 Mar 2026, 00:05"
    assert warsaw.day_text(at) == "1 March 2026"
    assert warsaw.time(at) == '<time datetime="2026-02-28T23:05:00.000Z">1 Mar 2026, 00:05</time>'
    assert warsaw.day(at) == '<time datetime="2026-02-28T23:05:00.000Z">1 Mar 2026</time>'
    assert warsaw.day_text(date(2026, 3, 1)) == "1 March 2026"


def test_instants_at_the_ends_of_the_calendar_are_written() -> None:
    assert Zone("America/New_York").time_text(datetime.min.replace(tzinfo=UTC)).endswith("00:00")
    assert Zone("Asia/Tokyo").time_text(datetime.max.replace(tzinfo=UTC)).endswith("23:59")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "UTC\0"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    assert not is_zone(name)
    with pytest.raises(KeyError):
        Zone(name)


def test_the_zones_to_choose_from_are_those_that_are_accepted() -> None:
    assert len(names()) > 300
    for name in names():
        assert Zone(name).name == name


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-01", date(2026, 3, 1)),
        ("2024-02-29", date(2024, 2, 29)),
        (None, None),
        ("", None),
        ("2026-02-29", None),
        ("20260301", None),
        ("2026-W09-7", None),
        ("1 March 2026", None),
    ],
)
def test_a_day_is_read_or_is_none(text: str | None, day: date | None) -> None:
    assert parse_day(text) == day
