"""The page of the growth and its chart, from figures that are made up."""

from pathlib import Path

from tests.benchmarks import growth_report
from tests.benchmarks.growth import Cost

_TENTHS = (20.0, *[25.0] * 8, 30.0)


def costs(events: int, *works: str) -> list[Cost]:
    return [
        Cost("sqlite", work, events, 30.0, 20.0, 150.0, _TENTHS if work == "append" else ())
        for work in works
    ]


def test_the_page_says_how_the_longest_log_grew_and_what_its_rebuild_took(tmp_path: Path) -> None:
    """A rebuild of 5,000,000 events at 20 µs each takes 100 s."""
    taken = [
        *costs(1_000_000, "append", "catch-up", "rebuild", "read"),
        *costs(5_000_000, "append", "rebuild", "read"),
    ]

    growth_report.write(tmp_path, "2 cores", taken, [])

    text = (tmp_path / "growth.md").read_text()
    assert "## A log of 5,000,000 events" in text
    [line] = [each for each in text.splitlines() if "×" in each]
    assert line == (
        "| sqlite | 20.0 µs an event | 30.0 µs | 1.50 × | 150 MB | 100 s | 50,000 events/s "
        "| 150 MB |"
    )
    chart = (tmp_path / "growth.svg").read_text()
    assert all(f">{work}</text>" in chart for work in ("append", "catch-up", "rebuild"))
