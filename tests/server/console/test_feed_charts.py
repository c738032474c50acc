"""A feed's chart, and lengths of time in words."""

import pytest

from projector.server.console.charts.feed_charts import bars
from projector.server.console.words.durations import age_text, duration_text


def test_a_bar_for_each_day_and_a_mark_for_a_silence() -> None:
    assert str(bars([0, 24, 6, 0, 0], silent_from=3)) == (
        '<svg class="chart spark" viewBox="0 0 25 28" preserveAspectRatio="none" role="img" '
        'aria-label="30 in 5 days, at most 24 on one day; none in the last 2 days">'
        '<path d="M0 24.5h25" class="axis"/>'
        '<path d="M5 24v-24h4v24zM10 24v-6h4v6z" class="up"/>'
        '<rect y="24" height="4" class="silence" x="15" width="10"/></svg>'
    )


def test_what_is_few_beside_much_can_be_seen_and_nothing_is_none() -> None:
    assert "v-1h4" in bars([1, 10_000])
    assert 'class="up"' not in bars([0, 0])
    assert "None in 2 days" in bars([0, 0])
    assert "None in 0 days" in bars([])


@pytest.mark.parametrize(
    ("seconds", "duration", "age"),
    [
        (0.2, "1 s", "less than a minute"),
        (59, "59 s", "less than a minute"),
        (61, "61 s", "1 min"),
        (99.4, "99 s", "2 min"),
        (101, "2 min", "2 min"),
        (5_990, "100 min", "100 min"),
        (6_100, "2 hours", "2 hours"),
        (172_000, "48 hours", "48 hours"),
        (173_000, "2 days", "2 days"),
        (90_000_000, "1,042 days", "1,042 days"),
    ],
)
def test_lengths_of_time_in_words(seconds: float, duration: str, age: str) -> None:
    assert (duration_text(seconds), age_text(seconds)) == (duration, age)
