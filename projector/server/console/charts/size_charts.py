"""Draws sizes over time as SVG: areas, bars of what changed, and sparklines. PURE.

Places along the time are shares of the width, so that a text keeps its size at any width. A line,
which cannot be drawn in shares, is in an SVG of its own that is stretched.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from attrs import frozen
from markupsafe import Markup

from projector.server.console.charts.size_periods import Period
from projector.server.console.charts.svg import element, percent

#: The places of the parts from the top, in pixels.
_TOP, _PLOT, _BARS_TOP, _BARS = 14, 200, 232, 46

#: The greatest number of labels of months, and how many months may lie between two.
_LABELS_MAX = 7
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 600, 2_400, 12_000, 120_000)

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@frozen(kw_only=True)
class Band:
    """A part of a stacked area: a group, its class, and its size at each point."""

    name: str
    class_: str
    values: Sequence[int]


def area(
    points: Sequence[Period],
    bands: Sequence[Band],
    changes: Sequence[Period],
    *,
    title: str,
    description: str,
    chosen: date | None = None,
) -> Markup:
    """Return a chart of sizes at some points, of bands that are stacked from the bottom.

    Below it is a bar for each of the `changes`: up for entries, down for exits; none if it is
    empty. A line marks the day `chosen`.
    """
    first, last = points[0].last, points[-1].last
    top = max(sum(values) for values in zip(*(each.values for each in bands), strict=True))
    ticks = _ticks(top)
    height = (_BARS_TOP + _BARS if changes else _TOP + _PLOT) + 26
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        *_grid(ticks),
        _stretched(_bands(bands, ticks[-1], with_line=len(bands) == 1)),
        element("line", x1="0", x2="100%", y1=_TOP + _PLOT, y2=_TOP + _PLOT, class_="axis"),
        *_bars(changes, first, last),
        *_months(first, last, height - 6),
        *_mark(chosen, first, last, height - 24),
        element(
            "line", x1="0", x2="0", y1=_TOP, y2=height - 24, class_="hair", data_hair="", hidden=""
        ),
        class_="chart sizes",
        role="img",
        height=height,
        width="100%",
    )


def sparkline(values: Sequence[int]) -> Markup:
    """Return the course of a size as a small line, which says nothing that is not beside it."""
    low, high = min(values), max(values)
    line = " ".join(
        f"{_share(n, len(values)) * 100:.1f},{26 - 24 * _ratio(value - low, high - low):.1f}"
        for n, value in enumerate(values)
    )
    return element(
        "svg",
        element("polyline", points=line, class_="line"),
        class_="chart spark",
        viewBox="0 0 100 28",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def share_bar(value: int, most: int, class_: str) -> Markup:
    """Return a bar that is as long as a share of the longest one."""
    return element(
        "svg",
        element(
            "rect",
            x="0.5",
            y="0.5",
            width=percent(0.99 * _ratio(value, most)),
            height="17",
            rx="3",
            class_=f"bar {class_}",
        ),
        class_="chart share",
        height="18",
        width="100%",
        aria_hidden="true",
    )


def _grid(ticks: Sequence[int]) -> list[Markup]:
    found = []
    for tick in ticks[1:]:
        y = _TOP + _PLOT * (1 - tick / ticks[-1])
        found.append(element("line", x1="0", x2="100%", y1=y, y2=y, class_="grid"))
        found.append(element("text", f"{tick:,}", x="0", y=y - 4))
    return found


def _stretched(children: Sequence[Markup]) -> Markup:
    return element(
        "svg",
        *children,
        x="0",
        y=_TOP,
        width="100%",
        height=_PLOT,
        viewBox="0 0 1000 1000",
        preserveAspectRatio="none",
    )


def _bands(bands: Sequence[Band], most: int, *, with_line: bool) -> list[Markup]:
    """Return a closed path for each band, the lowest first; a single one gets a line on top."""
    paths = []
    below = [0] * len(bands[0].values)
    for band in bands:
        above = [low + value for low, value in zip(below, band.values, strict=True)]
        upper, lower = _places(above, most), _places(below, most)
        outline = " ".join([f"M{upper[0]}", *upper[1:], *reversed(lower), "Z"])
        paths.append(element("path", d=outline, class_=f"band {band.class_}"))
        if with_line:
            paths.append(element("path", d=" ".join([f"M{upper[0]}", *upper[1:]]), class_="line"))
        below = above
    return paths


def _places(values: Sequence[int], most: int) -> list[str]:
    """Return points of a path of 1,000 by 1,000; a single value is a line over the whole width."""
    if len(values) == 1:
        values = [*values, *values]
    return [
        f"{1000 * _share(n, len(values)):.1f},{1000 * (1 - value / most):.1f}"
        for n, value in enumerate(values)
    ]


def _bars(changes: Sequence[Period], first: date, last: date) -> list[Markup]:
    if not changes:
        return []
    most = max(max(each.entered, each.left) for each in changes) or 1
    middle, half = _BARS_TOP + _BARS / 2, _BARS / 2
    days = (last - first).days + 1
    found = []
    for each in changes:
        x, width = (each.first - first).days / days, ((each.last - each.first).days + 1) / days
        for value, class_ in ((each.entered, "up"), (each.left, "down")):
            if value:
                height = max(2.0, (half - 1) * value / most)
                y = middle - 1 - height if class_ == "up" else middle + 1
                place = {"x": percent(x + 0.1 * width), "width": percent(0.8 * width)}
                found.append(element("rect", **place, y=y, height=height, class_=class_))
    return found


def _months(first: date, last: date, y: int) -> list[Markup]:
    """Return labels of the beginnings of months, a year in place of a January."""
    days = max(1, (last - first).days)
    month = first.year * 12 + first.month - 1 + (first.day > 1)
    end = last.year * 12 + last.month - 1
    step = next(each for each in _MONTH_STEPS if (end - month) / each < _LABELS_MAX)
    if end < month or days < 40:
        return [
            element("text", f"{day.day} {_MONTHS[day.month - 1]}", x=x, y=y, text_anchor=anchor)
            for day, x, anchor in ((first, "0", "start"), (last, "100%", "end"))
        ]
    labels = []
    for number in range(month, end + 1):
        year, index = divmod(number, 12)
        x = (date(year, index + 1, 1) - first).days / days
        if number % step == 0 and 0.03 <= x <= 0.97:
            text = str(year) if index == 0 else _MONTHS[index]
            class_ = "strong" if index == 0 else None
            labels.append(
                element("text", text, x=percent(x), y=y, text_anchor="middle", class_=class_)
            )
    return labels


def _mark(chosen: date | None, first: date, last: date, bottom: int) -> list[Markup]:
    if chosen is None or not first <= chosen <= last:
        return []
    x = percent(_ratio((chosen - first).days, (last - first).days))
    return [element("line", x1=x, x2=x, y1=_TOP, y2=bottom, class_="mark")]


def _ticks(most: int) -> list[int]:
    """Return round numbers from 0 to at least the greatest value, at most five."""
    step = 1
    while step * 4 < most:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return list(range(0, max(step, -(-most // step) * step) + 1, step))


def _share(index: int, count: int) -> float:
    return index / (count - 1) if count > 1 else 0.0


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
