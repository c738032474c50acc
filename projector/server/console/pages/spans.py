"""The spans of days that charts show, and the data for their cross-hair."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date

from attrs import frozen

from projector.queries.sizes import DAYS_MAX
from projector.server.console.charts.size_periods import Period
from projector.server.console.page import Visit

#: The number of days that facts such as "entered in 30 days" are about.
FACT_DAYS = 30

#: The spans by their parameter: the text of the link, and the number of days; None for all.
_SPANS: dict[str, tuple[str, int | None]] = {
    "30d": ("30 days", 30),
    "3m": ("3 months", 91),
    "1y": ("1 year", 365),
    "all": ("All", None),
}

_DEFAULT = "1y"


@frozen(kw_only=True)
class SpanLink:
    """A link to a page with another span."""

    text: str
    span: str
    is_current: bool


@frozen(kw_only=True)
class Span:
    """The days that were asked for, up to today in UTC."""

    name: str
    today: date
    days: int

    @property
    def links(self) -> list[SpanLink]:
        """Links to all spans."""
        return [
            SpanLink(text=text, span=name, is_current=name == self.name)
            for name, (text, _) in _SPANS.items()
        ]


def chosen_span(visit: Visit, first: date | None) -> Span:
    """Return the span that was asked for; all days are those since the first one."""
    name = visit.parameter("span") or _DEFAULT
    if name not in _SPANS:
        name = _DEFAULT
    today = visit.now.astimezone(UTC).date()
    days = _SPANS[name][1]
    if days is None:
        known = 1 if first is None else (today - first).days + 1
        days = max(FACT_DAYS, min(known, DAYS_MAX))
    return Span(name=name, today=today, days=days)


def cross_hair(points: Sequence[Period], values: dict[str, Sequence[int]], href: str) -> str:
    """Return the value of `data-points`, for console.js.

    `values` has a number for each point by the word that follows it; a day is appended to `href`.
    """
    step = (points[-1].last - points[0].last).days // (len(points) - 1) if len(points) > 1 else 1
    found = {
        "last": points[-1].last.isoformat(),
        "step": step,
        "names": list(values),
        "values": [list(each) for each in values.values()],
        "href": href,
    }
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False)
