"""Draws a customer's lanes over time as SVG: one per campaign, one per segment. PURE.

Lengths along the time are in per cent, so that the chart fits any width while its texts keep their
size. Colours and patterns come from classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import frozen
from markupsafe import Markup

from projector.server.console.charts.svg import element, percent
from projector.server.console.charts.time_axis import TimeAxis
from projector.server.console.zones import Zone

#: Heights in pixels: above the lanes, of a lane, of its name, of a bar, below the lanes.
_TOP, _LANE, _NAME, _BAR, _BOTTOM = 26, 50, 20, 24, 26

#: The shares of the width from which on a bar has a text, and is a link, which has to be wide
#: enough for a finger also on a phone; and the least share of a bar, so that it can be seen.
_TEXT_SHARE, _LINK_SHARE, _LEAST_SHARE = 0.04, 0.08, 0.004

#: The share of the width that a short text covers on a phone.
_HIDDEN_SHARE = 0.15

#: The share of a bar of unknown beginning.
_UNKNOWN_SHARE = 0.025

_NAME_CHARACTERS_MAX = 80


@frozen(kw_only=True)
class Bar:
    """A period in a lane."""

    #: None if the beginning is unknown, and if the period lasts.
    begin: datetime | None
    end: datetime | None
    #: The class of its colour: of a tier, or `segment`.
    colour: str
    #: The name on it, if it is wide enough; empty for none.
    text: str
    #: What it is, in a sentence.
    title: str
    #: Where it leads.
    href: str


@frozen(kw_only=True)
class Mark:
    """A delivery that was lost."""

    at: datetime
    title: str


@frozen(kw_only=True)
class Lane:
    """A campaign or a segment."""

    name: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...] = ()
    #: The spans in which it is not certain: from, and until, or None if it lasts.
    doubts: tuple[tuple[datetime, datetime | None], ...] = ()


def lanes_chart(
    lanes: Sequence[Lane],
    *,
    zone: Zone,
    now: datetime,
    chosen: datetime | None,
    name: str,
    description: str,
) -> Markup:
    """Return the chart, from the first thing in it to now; `chosen` is the day with the line."""
    axis = _axis(lanes, zone, now, chosen)
    bottom = _TOP + _LANE * len(lanes)
    children = [
        element("title", name, id="lanes-title"),
        element("desc", description, id="lanes-desc"),
        _hatching(),
        *_grid(axis, bottom),
    ]
    for index, lane in enumerate(lanes):
        children += _lane(axis, lane, _TOP + _LANE * index)
    children += _line(axis, zone, now, chosen, bottom)
    # The names in the end, with a halo: the line of the chosen day may run through them.
    for index, lane in enumerate(lanes):
        y = str(_TOP + _LANE * index + 14)
        children.append(element("text", _shortened(lane.name), x="0", y=y, class_="name"))
    return element(
        "svg",
        *children,
        class_="chart lanes",
        width="100%",
        height=str(bottom + _BOTTOM),
        role="group",
        aria_labelledby="lanes-title",
        aria_describedby="lanes-desc",
    )


def _axis(lanes: Sequence[Lane], zone: Zone, now: datetime, chosen: datetime | None) -> TimeAxis:
    instants = [now] if chosen is None else [now, chosen]
    for lane in lanes:
        instants += [each.at for each in lane.marks]
        instants += [at for bar in lane.bars for at in (bar.begin, bar.end) if at is not None]
    return TimeAxis.over(instants, zone)


def _grid(axis: TimeAxis, bottom: int) -> Iterator[Markup]:
    for tick in axis.ticks():
        x = percent(tick.share)
        yield element("line", x1=x, x2=x, y1=str(_TOP), y2=str(bottom), class_="grid")
        yield element(
            "text",
            tick.text,
            x=x,
            y=str(bottom + 18),
            text_anchor=_anchor(tick.share),
            class_="strong" if tick.is_strong else None,
        )


def _lane(axis: TimeAxis, lane: Lane, top: int) -> Iterator[Markup]:
    for bar in lane.bars:
        yield _bar(axis, bar, top + _NAME, [axis.share(each.at) for each in lane.marks])
    for begin, end in lane.doubts:
        x, width = _span(axis, begin, end)
        yield element(
            "rect",
            element("title", "Not certain: a delivery was lost"),
            x=percent(x),
            y=str(top + _NAME),
            width=percent(width),
            height=str(_BAR),
            fill="url(#hatching)",
            class_="doubt",
        )
    for mark in lane.marks:
        yield _mark(axis, mark, top + _NAME + _BAR // 2)


def _bar(axis: TimeAxis, bar: Bar, y: int, marks: Sequence[float]) -> Markup:
    x, width = _span(axis, bar.begin, bar.end)
    is_unknown = bar.begin is None
    children = [
        element("title", bar.title),
        element(
            "rect",
            x=percent(x),
            y=str(y),
            width=percent(width),
            height=str(_BAR),
            rx="4",
            class_=f"bar {bar.colour} unknown" if is_unknown else f"bar {bar.colour}",
        ),
    ]
    if bar.text and width >= _TEXT_SHARE:
        # An inner SVG clips the text at the end of the bar. It begins behind a mark that would hide
        # its beginning.
        hiding = [each - x for each in marks if x <= each < x + _HIDDEN_SHARE]
        text = element(
            "text",
            _shortened(bar.text),
            x=percent(max(hiding) / width) if hiding else "0",
            dx="14" if hiding else "8",
            y="17",
            class_=f"on-{bar.colour}",
        )
        children.append(
            element(
                "svg",
                text,
                x=percent(x),
                y=str(y),
                width=percent(width),
                height=str(_BAR),
                aria_hidden="true",
            )
        )
    if width < _LINK_SHARE:
        return element("g", *children)
    # Its title is its name.
    return element("a", *children, href=bar.href)


def _span(axis: TimeAxis, begin: datetime | None, end: datetime | None) -> tuple[float, float]:
    """Return where a span begins, and its width, as shares of the whole."""
    right = 1.0 if end is None else axis.share(end)
    left = max(0.0, right - _UNKNOWN_SHARE) if begin is None else axis.share(begin)
    return min(left, 1 - _LEAST_SHARE), max(right - left, _LEAST_SHARE)


def _mark(axis: TimeAxis, mark: Mark, y: int) -> Markup:
    # The coordinates within the inner SVG are pixels around its middle.
    diamond = element("path", d="M0 -9 9 0 0 9 -9 0Z", class_="gap")
    exclamation = element("path", d="M0 -4.5V1M0 3.2v.6", class_="exclamation")
    return element(
        "svg",
        element("title", mark.title),
        diamond,
        exclamation,
        x=percent(axis.share(mark.at)),
        y=str(y),
        overflow="visible",
        role="img",
        aria_label=mark.title,
    )


def _line(
    axis: TimeAxis, zone: Zone, now: datetime, chosen: datetime | None, bottom: int
) -> Iterator[Markup]:
    at = now if chosen is None else chosen
    share = axis.share(at)
    x = percent(share)
    text = "today" if chosen is None else zone.short_day_text(at)
    yield element("line", x1=x, x2=x, y1=str(_TOP - 8), y2=str(bottom), class_="mark")
    yield element("text", text, x=x, y="13", text_anchor=_anchor(share), class_="accent")


def _hatching() -> Markup:
    line = element("path", d="M0 0V7", class_="hatching")
    pattern = element(
        "pattern",
        line,
        id="hatching",
        width="7",
        height="7",
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
    return element("defs", pattern)


def _anchor(share: float) -> str:
    if share > 0.94:
        return "end"
    return "start" if share < 0.06 else "middle"


def _shortened(name: str) -> str:
    if len(name) <= _NAME_CHARACTERS_MAX:
        return name
    return f"{name[: _NAME_CHARACTERS_MAX - 1]}…"
