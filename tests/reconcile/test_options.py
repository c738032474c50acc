"""The options of a comparison: durations, shares, segments."""

from datetime import timedelta

import pytest

from projector.errors import BadDuration, BadShare
from projector.reconcile.options import Segments, parse_duration, parse_segments, parse_share


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("10 min", 600),
        ("1.5h", 5400),
        ("20ms", 0.02),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "m", "-1s", "1d", "1e3", "1,5h", "nan", "9" * 400 + "x"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadDuration):
        parse_duration(text)


def test_an_endless_duration_does_not_overflow() -> None:
    assert parse_duration("9" * 300 + "h") > timedelta(days=365)


def test_shares_need_their_sign() -> None:
    assert (parse_share("1%"), parse_share(" 0.5 % "), parse_share("100%")) == (1.0, 0.5, 100.0)
    for text in ("1", "%", "-1%", "1%%", "1,5%"):
        with pytest.raises(BadShare):
            parse_share(text)


def test_segments_are_a_kind_or_ids() -> None:
    assert parse_segments("all") is Segments.ALL
    assert parse_segments("active") is Segments.ACTIVE
    assert parse_segments("seg_1, seg_2,") == ("seg_1", "seg_2")
