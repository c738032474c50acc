"""Makes the lanes of a customer from the periods and the losses of the story. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from attrs import frozen

from projector.projections.groups import GroupKind
from projector.queries.story.events import Loss
from projector.queries.story.results import Timeline
from projector.queries.why.case import Target
from projector.server.console.charts.lanes import Bar, Lane, Mark
from projector.server.console.words.parts import Names
from projector.server.console.zones import Zone

#: The most lanes of segments: those in which something happened last.
SEGMENTS_MAX = 15

#: The most bars in all lanes together, so that the page stays small, and the number that each lane
#: may have in any case. The newest ones are drawn.
BARS_MAX, BARS_MIN = 100, 6

#: The most rows of the table.
ROWS_MAX = 40

_LOST = "A delivery was lost, as was seen on"


@frozen(kw_only=True)
class Period:
    """A bar as a row of a table."""

    lane: str
    name: str
    begin: datetime | None
    end: datetime | None
    href: str


@frozen(kw_only=True)
class Lanes:
    """The lanes, and the same as a table."""

    lanes: tuple[Lane, ...]
    #: The newest first.
    periods: tuple[Period, ...]
    #: Whether a period has no bar, or no row.
    is_cut: bool
    #: The number of segments without a lane.
    left_out: int


@frozen(kw_only=True)
class LaneMaker:
    """Makes the lanes of one customer."""

    names: Names
    tier_classes: Mapping[tuple[str, str], str]
    zone: Zone
    #: Returns the path of the explanation of a segment or a tier on a day; None for today.
    why: Callable[[Target, date | None], str]

    def make(self, timeline: Timeline) -> Lanes:
        """Return the lanes: campaigns first, then segments, each by the first beginning."""
        campaigns = _by_row(timeline.tiers, "campaign_id")
        segments = _by_row(timeline.segments, "segment_id")
        losses = _losses_by_row(timeline.losses)
        series = [*campaigns.values(), *segments.values()]
        kept = sorted(segments, key=lambda each: _newest(segments[each]), reverse=True)
        shown = [*_in_order(campaigns), *_in_order({k: segments[k] for k in kept[:SEGMENTS_MAX]})]
        bars_max = max(BARS_MIN, BARS_MAX // max(1, len(shown)))
        lanes = []
        periods: list[Period] = []
        for kind, row_id, rows in [
            *((GroupKind.TIER, each, campaigns[each]) for each in shown if each in campaigns),
            *((GroupKind.SEGMENT, each, segments[each]) for each in shown if each in segments),
        ]:
            lane = self._lane(kind, row_id, rows[-bars_max:], losses.get((kind, row_id), []))
            lanes.append(lane)
            periods += _periods(lane)
        periods.sort(key=lambda each: each.begin or each.end or _NEVER, reverse=True)
        return Lanes(
            lanes=tuple(lanes),
            periods=tuple(periods[:ROWS_MAX]),
            is_cut=len(periods) > ROWS_MAX or any(len(rows) > bars_max for rows in series),
            left_out=max(0, len(segments) - SEGMENTS_MAX),
        )

    def _lane(
        self, kind: GroupKind, row_id: str, rows: Sequence[Any], losses: Sequence[Loss]
    ) -> Lane:
        if kind is GroupKind.TIER:
            name = self.names.campaign(row_id, rows[-1].campaign_name) or row_id
        else:
            name = rows[-1].segment_name or self.names.segments.get(row_id) or row_id
        begin = rows[0].valid_from or rows[0].valid_to
        recent = [each for each in losses if begin is None or each.occurred_at >= begin]
        return Lane(
            name=name,
            bars=tuple(self._bar(kind, row_id, row, name) for row in rows),
            marks=tuple(
                Mark(at=each.occurred_at, title=f"{_LOST} {self.zone.day_text(each.occurred_at)}")
                for each in recent[-len(rows) :]
            ),
            doubts=tuple(
                (each.occurred_at, each.certain_again_at) for each in recent if each.uncertain
            )[-len(rows) :],
        )

    def _bar(self, kind: GroupKind, row_id: str, row: Any, lane: str) -> Bar:
        if kind is GroupKind.TIER:
            target = Target(kind=kind, campaign_id=row_id, group_id=row.tier_id)
            text = self.names.tier(row_id, row.tier_id, row.tier_name)
            colour = self.tier_classes.get((row_id, row.tier_id), "tier-3")
        else:
            target = Target(kind=kind, group_id=row_id)
            text, colour = "", "segment"
        return Bar(
            begin=row.valid_from,
            end=row.valid_to,
            colour=colour,
            text=text,
            title=f"{text or lane}, {self._span(row)}",
            href=self.why(target, self._day_within(row)),
        )

    def _span(self, row: Any) -> str:
        begin = row.valid_from and self.zone.day_text(row.valid_from)
        end = row.valid_to and self.zone.day_text(row.valid_to)
        if end is None:
            return f"since {begin}"
        return f"until {end}; the beginning is not known" if begin is None else f"{begin} to {end}"

    def _day_within(self, row: Any) -> date | None:
        """Return the last day at whose end a period lasted, or its only day; None for today."""
        if row.valid_to is None:
            return None
        last = self.zone.day_of(row.valid_to)
        if row.valid_from is None or self.zone.day_of(row.valid_from) < last:
            return last - timedelta(days=1) if last > date.min else last
        return last


_NEVER = datetime.min.replace(tzinfo=UTC)


def _periods(lane: Lane) -> list[Period]:
    return [
        Period(
            lane=lane.name, name=bar.text or lane.name, begin=bar.begin, end=bar.end, href=bar.href
        )
        for bar in lane.bars
    ]


def _by_row(rows: Sequence[Any], name: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(getattr(row, name), []).append(row)
    return found


def _losses_by_row(losses: Sequence[Loss]) -> dict[tuple[GroupKind, str], list[Loss]]:
    found: dict[tuple[GroupKind, str], list[Loss]] = {}
    for each in losses:
        found.setdefault((each.kind, each.row_id), []).append(each)
    return found


def _newest(rows: Sequence[Any]) -> datetime:
    last = rows[-1]
    found: datetime = last.valid_to or last.valid_from or _NEVER
    return found


def _in_order(rows: Mapping[str, Sequence[Any]]) -> list[str]:
    def first(row_id: str) -> datetime:
        row = rows[row_id][0]
        found: datetime = row.valid_from or row.valid_to or _NEVER
        return found

    return sorted(rows, key=first)
