"""Sums the feeds up by type, as the page Health lists them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from attrs import frozen
from markupsafe import Markup

from projector.queries.feed_verdicts import Verdict
from projector.queries.feeds import Feed
from projector.server.console.charts.feed_charts import bars

#: The states, of which the first one that a feed of a type has is that of the type.
_STATES = {
    Verdict.SILENT: ("warn", "silent"),
    Verdict.COMES: ("good", "comes"),
    Verdict.LEARNING: ("plain", "too new to tell"),
    Verdict.RARE: ("plain", "too rare to tell"),
    Verdict.FILES: ("plain", "from files"),
    Verdict.ENDED: ("plain", "stopped"),
}
_NEVER = ("plain", "never came")


@frozen(kw_only=True)
class TypeRow:
    """All deliveries of one type."""

    #: The type without `customer.`, which nearly all have.
    title: Markup
    #: The class of the state's pill, and its text.
    pill: str
    state: str
    #: Null if none ever came.
    last_at: datetime | None
    a_day: float
    chart: Markup | None
    in_log: int


def type_rows(feeds: Sequence[Feed], types: Iterable[str]) -> list[TypeRow]:
    """Return a row for each of `types`, and for others of which something came."""
    by_type: dict[str, list[Feed]] = {each: [] for each in types}
    for feed in feeds:
        by_type.setdefault(feed.type, []).append(feed)
    return [_row(type_, found) for type_, found in by_type.items()]


def _row(type_: str, feeds: Sequence[Feed]) -> TypeRow:
    verdicts = {each.verdict for each in feeds}
    verdict = next((each for each in _STATES if each in verdicts), None)
    pill, state = _NEVER if verdict is None else _STATES[verdict]
    days = [sum(counts) for counts in zip(*(each.days for each in feeds), strict=True)]
    silent_from = None
    if verdict is Verdict.SILENT:
        # Other senders may bring the type still: the mark is that of the silent one.
        silent = [each for each in feeds if each.verdict is Verdict.SILENT]
        silent_from = min(_after_last(each.days) for each in silent)
    return TypeRow(
        title=_title(type_),
        pill=pill,
        state=state,
        last_at=max((each.last_at for each in feeds), default=None),
        a_day=sum(each.a_day for each in feeds),
        chart=bars(days, silent_from=silent_from) if days else None,
        in_log=sum(each.in_log for each in feeds),
    )


def _title(type_: str) -> Markup:
    """Return the type, which a line may break behind its dots."""
    if type_ == "other":
        return Markup("other types")
    return Markup(".<wbr>").join(type_.removeprefix("customer.").split("."))


def _after_last(days: Sequence[int]) -> int:
    """Return the day after the last one with a delivery, or today."""
    last = max((at for at, count in enumerate(days) if count), default=-1)
    return min(last + 1, len(days) - 1)
