"""The headers that limit requests: each kind, and a clock here that is wrong."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.voucherify.limits import Limits, read_limits

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_EPOCH = int(_NOW.timestamp())


def _http(seconds: float) -> str:
    return format_datetime(_NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": _http(90)}, 90),
        ({"retry-after": _http(-90)}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"x-rate-limit-retry": str(_EPOCH + 40)}, 40),
        ({"x-rate-limit-retry": str((_EPOCH + 40) * 1000)}, 40),
        ({"x-rate-limit-retry": str(_EPOCH - 40)}, 0),
        ({"x-rate-limit-retry": "40"}, 40),
        ({"x-rate-limit-retry": "-1"}, None),
        ({"x-rate-limit-retry": "tomorrow"}, None),
        ({"retry-after": "7", "x-rate-limit-retry": str(_EPOCH + 40)}, 7),
        ({"retry-after": "", "x-rate-limit-retry": str(_EPOCH + 40)}, 40),
    ],
)
def test_each_kind_of_header_says_how_long_to_wait(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert read_limits(headers, now=_NOW).wait_seconds == seconds


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_off_waits_no_other_time(hours: int) -> None:
    now = _NOW + timedelta(hours=hours)
    for headers in ({"x-rate-limit-retry": str(_EPOCH + 40)}, {"retry-after": _http(40)}):
        assert read_limits({**headers, "date": _http(0)}, now=now).wait_seconds == 40


def test_the_reserve_is_a_share_of_the_limit() -> None:
    def limits(limit: str, remaining: str) -> Limits:
        headers = {"x-rate-limit-limit": limit, "x-rate-limit-remaining": remaining}
        return read_limits(headers, now=_NOW)

    assert limits("100", "29").is_within_reserve(30)
    assert not limits("100", "30").is_within_reserve(30)
    assert not limits("100", "0").is_within_reserve(0)
    for unknown in (limits("", "5"), limits("100", ""), limits("0", "0"), limits("x", "y")):
        assert not unknown.is_within_reserve(30)


def test_the_quota_of_the_billing_cycle_is_recognised() -> None:
    for type_, is_of_cycle in (("api_calls_cycle", True), (" API_CALLS_CYCLE", True), ("x", False)):
        limits = read_limits({"x-rate-limit-type": type_}, now=_NOW)
        assert limits.is_of_cycle == is_of_cycle


@given(
    st.dictionaries(
        st.sampled_from(
            ["date", "retry-after", "x-rate-limit-retry", "x-rate-limit-limit", "x-rate-limit-type"]
        ),
        st.text() | st.integers().map(str) | st.floats().map(str),
    )
)
def test_no_header_breaks_it_or_makes_it_wait_backwards(headers: dict[str, str]) -> None:
    limits = read_limits(headers, now=_NOW)
    assert limits.wait_seconds is None or limits.wait_seconds >= 0
