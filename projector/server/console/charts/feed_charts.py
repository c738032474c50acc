"""Draws the deliveries of a feed as a bar a day. PURE."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from projector.server.console.charts.svg import element

#: A day's width with the space behind it, and the height of the highest bar and of the chart. The
#: drawing is stretched to the width that the page gives it: it has no text.
_STEP, _BAR, _HIGHEST, _HEIGHT = 5, 4, 24, 28


def bars(days: Sequence[int], *, silent_from: int | None = None) -> Markup:
    """Return a chart of deliveries a day; a thick line marks a silence from a day on."""
    width = _STEP * len(days)
    most = max(days, default=0)
    drawn = "".join(_bar(at, count, most) for at, count in enumerate(days) if count)
    parts = [element("path", d=f"M0 {_HIGHEST}.5h{width}", class_="axis")]
    if drawn:
        parts.append(element("path", d=drawn, class_="up"))
    if silent_from is not None:
        mark = {"x": silent_from * _STEP, "width": width - silent_from * _STEP}
        parts.append(element("rect", y=_HIGHEST, height=4, class_="silence", **mark))
    return element(
        "svg",
        *parts,
        class_="chart spark",
        viewBox=f"0 0 {width} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=_told(days, most, silent_from),
    )


def _bar(at: int, count: int, most: int) -> str:
    height = max(round(_HIGHEST * count / most), 1)
    return f"M{at * _STEP} {_HIGHEST}v-{height}h{_BAR}v{height}z"


def _told(days: Sequence[int], most: int, silent_from: int | None) -> str:
    if not most:
        return f"None in {len(days)} days"
    told = f"{sum(days):,} in {len(days)} days, at most {most:,} on one day"
    if silent_from is None:
        return told
    silent = len(days) - silent_from
    return f"{told}; none in the last {'day' if silent == 1 else f'{silent} days'}"
