"""Charts of sizes: drawn the same each time, whatever the names are."""

from datetime import date, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.queries.sizes import DaySize
from projector.server.console.charts import size_charts, size_periods
from projector.server.console.charts.size_charts import Band
from projector.server.console.charts.size_periods import POINTS_MAX

_FIRST = date(2026, 1, 1)


def _days(*members: int) -> list[DaySize]:
    return [
        DaySize(day=_FIRST + timedelta(days=n), members=size, entered=n, left=1)
        for n, size in enumerate(members)
    ]


def test_an_area_is_drawn_in_shares_of_the_width() -> None:
    days = _days(0, 2, 4)
    svg = size_charts.area(
        size_periods.points(days),
        [Band(name="members", class_="area", values=[0, 2, 4])],
        size_periods.periods(days)[1],
        title="Members",
        description="Few.",
        chosen=_FIRST + timedelta(days=1),
    )
    root = ElementTree.fromstring(svg)  # noqa: S314 - it is drawn here
    area, line = root.findall("svg/path")
    assert area.get("d") == (
        "M0.0,1000.0 500.0,500.0 1000.0,0.0 1000.0,1000.0 500.0,1000.0 0.0,1000.0 Z"
    )
    assert line.get("d") == "M0.0,1000.0 500.0,500.0 1000.0,0.0"
    assert [each.text for each in root.findall("text")] == ["1", "2", "3", "4", "1 Jan", "3 Jan"]
    [mark] = root.findall("line[@class='mark']")
    assert mark.get("x1") == mark.get("x2") == "50%"
    bars = [(each.get("class"), each.get("x")) for each in root.findall("rect")]
    assert bars == [
        ("down", "3.333%"),
        ("up", "36.667%"),
        ("down", "36.667%"),
        ("up", "70%"),
        ("down", "70%"),
    ]
    assert (root.findtext("title"), root.findtext("desc")) == ("Members", "Few.")


def test_bands_are_stacked_on_one_another() -> None:
    bands = [Band(name=name, class_=name, values=[1, 1]) for name in ("tier-1", "tier-5")]
    svg = size_charts.area(size_periods.points(_days(1, 1)), bands, [], title="t", description="d")
    paths = ElementTree.fromstring(svg).findall("svg/path")  # noqa: S314
    assert [(each.get("class"), each.get("d")) for each in paths] == [
        ("band tier-1", "M0.0,500.0 1000.0,500.0 1000.0,1000.0 0.0,1000.0 Z"),
        ("band tier-5", "M0.0,0.0 1000.0,0.0 1000.0,500.0 0.0,500.0 Z"),
    ]


def test_a_sparkline_is_as_high_as_its_values_differ() -> None:
    root = ElementTree.fromstring(size_charts.sparkline([3, 3, 5]))  # noqa: S314
    assert root[0].get("points") == "0.0,26.0 50.0,26.0 100.0,2.0"
    assert "26.0 100.0,26.0" in size_charts.sparkline([7, 7])


@given(
    values=st.lists(st.integers(0, 10**9), min_size=1, max_size=60),
    first=st.dates(max_value=date(9999, 1, 1)),
    name=st.sampled_from(["<script>", '"><svg onload=x>', "\u202eada", "😀" * 200, "]]>", ""]),
)
def test_no_size_and_no_name_breaks_a_chart(values: list[int], first: date, name: str) -> None:
    days = [
        DaySize(day=first + timedelta(days=n), members=size, entered=size, left=n)
        for n, size in enumerate(values)
    ]
    points = size_periods.points(days)
    band = Band(name=name, class_="area", values=[each.members for each in points])
    changes = size_periods.periods(days)[1]
    svg = size_charts.area(points, [band], changes, title=name, description=name, chosen=first)
    for drawn in (svg, size_charts.sparkline(values), size_charts.share_bar(1, 0, "tier-1")):
        root = ElementTree.fromstring(drawn)  # noqa: S314
        attributes = [name for each in root.iter() for name in each.attrib]
        assert not [each for each in attributes if each == "style" or each.startswith("on")]
        assert "nan" not in drawn
    assert ElementTree.fromstring(svg).findtext("title") == name  # noqa: S314


@pytest.mark.parametrize(
    ("count", "unit", "periods"),
    [(1, "day", 1), (31, "day", 31), (32, "week", 5), (800, "month", 27)],
)
def test_days_are_gathered_without_a_loss(count: int, unit: str, periods: int) -> None:
    days = _days(*range(count))
    name, found = size_periods.periods(days)
    assert (name, len(found)) == (unit, periods)
    points = size_periods.points(days)
    assert len(points) <= POINTS_MAX
    for some in (found, points):
        assert (some[0].first, some[-1].last) == (days[0].day, days[-1].day)
        assert some[-1].members == days[-1].members
        assert sum(each.entered for each in some) == sum(each.entered for each in days)
        assert sum(each.left for each in some) == count
    steps = {(b.last - a.last).days for a, b in pairwise(points)}
    assert len(steps) <= 1
