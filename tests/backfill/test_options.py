"""What a backfill may be asked for, and what it says that it costs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from projector.backfill.cost import duration_text, estimate, list_requests, sentence
from projector.backfill.options import (
    BackfillOptions,
    KnownCustomers,
    ListedCustomers,
    NamedCustomers,
    SuspiciousCustomers,
    check,
    check_choice,
)
from projector.errors import BadIdentifier, BadInstant, BadNumber, NotOne, ProjectorError

_NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"per_minute": 0.5}, BadNumber),
        ({"per_minute": float("nan")}, BadNumber),
        ({"per_minute": float("inf")}, BadNumber),
        ({"reserve_percent": 100}, BadNumber),
        ({"reserve_percent": -1}, BadNumber),
        ({"requests_max": 0}, BadNumber),
        ({"workers": 0}, BadNumber),
        ({"workers": 65}, BadNumber),
        ({"since": _NOW + timedelta(seconds=1)}, BadInstant),
        ({"since": datetime(2024, 1, 1)}, BadInstant),  # noqa: DTZ001 - the mistake
        ({"unread_since": _NOW + timedelta(seconds=1)}, BadInstant),
        ({"types": ("x" * 201,)}, BadIdentifier),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, Any], error: type[ProjectorError]
) -> None:
    with pytest.raises(error):
        check(BackfillOptions(**options), now=_NOW)


def test_one_choice_of_customers_is_made() -> None:
    check(BackfillOptions(since=_NOW, unread_since=_NOW), now=_NOW)
    assert check_choice([]) == SuspiciousCustomers()
    assert check_choice([KnownCustomers()]) == KnownCustomers()
    with pytest.raises(NotOne):
        check_choice([KnownCustomers(), ListedCustomers()])
    for wrong in (NamedCustomers(("",)), NamedCustomers(("a\0",)), ListedCustomers("x" * 201)):
        with pytest.raises(BadIdentifier):
            check_choice([wrong])


def test_readings_of_some_events_are_kept_apart_from_those_of_all() -> None:
    assert [each.text for each in BackfillOptions().scopes] == [""]
    some = BackfillOptions(types=("a", "b"), since=_NOW).scopes
    assert [each.text for each in some] == [
        "type=a since=2026-03-01T00:00:00.000Z",
        "type=b since=2026-03-01T00:00:00.000Z",
    ]


def test_who_was_read_within_a_day_is_fresh_unless_said_otherwise() -> None:
    assert BackfillOptions().fresh_since(_NOW) == _NOW - timedelta(days=1)
    long_ago = _NOW - timedelta(days=99)
    assert BackfillOptions(unread_since=long_ago).fresh_since(_NOW) == long_ago
    assert BackfillOptions(again=True, unread_since=long_ago).fresh_since(_NOW) is None


def test_the_cost_is_said_in_words() -> None:
    def words(customers: int | None, *, more: int = 0, **options: Any) -> str:
        given = BackfillOptions(**options)
        found = estimate(customers, fresh=0, options=given, more_requests=more)
        return sentence(found, given.per_minute)

    assert words(1_000_000) == (
        "1,000,000 customers: 1,000,000 requests or more, 11 d 14 h at 60 a minute. "
        "The budget is 10,000."
    )
    assert words(1, types=("a", "b"), more=1, per_minute=0.5, requests_max=5) == (
        "1 customer: 3 requests or more, 6 min at 0.5 a minute. The budget is 5."
    )
    assert words(0) == "0 customers: no request is needed."
    assert words(None) == (
        "Only Voucherify knows how many customers these are. The budget is 10,000."
    )
    assert [list_requests(count) for count in (0, 1, 100, 101)] == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "2 min"),
        (3600, "1 h"),
        (3661, "1 h 2 min"),
        (86_400, "1 d"),
        (86_399, "24 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
