"""Sizes of segments and tiers over time: at the end of each day, in UTC.

The size of a group on a day is the number of its members as of the end of that day, given all
events known today: late events and rebuilds correct the past. Memberships of unknown beginning are
in no size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from attrs import frozen

from projector.errors import BadNumber, GroupNotFound
from projector.projections.groups import SEGMENT, TIER, Group
from projector.queries.campaigns import list_campaigns
from projector.queries.members import list_segments
from projector.store import size_series
from projector.store.database import Database
from projector.store.group_sizes import UNKNOWN
from projector.store.predicates import is_storable_text
from projector.store.size_series import SizeChange

#: The number of days unless others are asked for, and the greatest one.
DAYS = 90
DAYS_MAX = 3_660


@frozen(kw_only=True)
class DaySize:
    """A group at the end of a day in UTC, and the memberships that began and ended on it."""

    day: date
    members: int
    entered: int
    left: int


@frozen(kw_only=True)
class SegmentSizes:
    """The size of a segment over time."""

    segment_id: str
    from_: date
    to: date
    #: The memberships whose beginning no event told, which are in no size.
    unknown: int
    days: tuple[DaySize, ...]


@frozen(kw_only=True)
class TierSeries:
    """The size of a tier over time."""

    tier_id: str
    name: str | None
    #: The memberships whose beginning no event told, which are in no size.
    unknown: int
    days: tuple[DaySize, ...]


@frozen(kw_only=True)
class TierSizes:
    """The sizes of a campaign's tiers over time, by the least number of points, then by id."""

    campaign_id: str
    from_: date
    to: date
    tiers: tuple[TierSeries, ...]


@frozen(kw_only=True)
class SegmentTrend:
    """The size of a segment at the end of each of some days, and its changes over all of them."""

    project_id: str
    segment_id: str
    name: str | None
    members: tuple[int, ...]
    entered: int
    left: int


@frozen(kw_only=True)
class SegmentTrends:
    """The sizes of all segments over time, by project and id."""

    from_: date
    to: date
    segments: tuple[SegmentTrend, ...]


def segment_sizes(
    database: Database,
    segment_id: str,
    *,
    project_id: str | None = None,
    to_day: date | None = None,
    days: int = DAYS,
) -> SegmentSizes:
    """Return the size of a segment at the end of each day, of the last 90 days unless given.

    Of several projects with the id, unless one is given, the sum. Raises GroupNotFound for a
    segment that no customer ever was in, and BadNumber for no days or more than DAYS_MAX.
    """
    span = _days(to_day, days)
    found = _changes(database, SEGMENT, project_id, group_id=segment_id)
    if not found:
        raise GroupNotFound(kind=SEGMENT.kind, identifier=segment_id)
    return SegmentSizes(
        segment_id=segment_id,
        from_=span[0],
        to=span[-1],
        unknown=_unknown(found),
        days=_series(found, span),
    )


def tier_sizes(
    database: Database,
    campaign_id: str,
    *,
    project_id: str | None = None,
    to_day: date | None = None,
    days: int = DAYS,
) -> TierSizes:
    """Return the sizes of a campaign's tiers at the end of each day, as `segment_sizes` does."""
    span = _days(to_day, days)
    found = _changes(database, TIER, project_id, campaign_id=campaign_id)
    if not found:
        raise GroupNotFound(kind="campaign", identifier=campaign_id)
    names: dict[str, str | None] = {}
    for campaign in list_campaigns(database, project_id=project_id):
        if campaign.campaign_id == campaign_id:
            names |= {each.tier_id: each.name for each in campaign.tiers}
    by_tier: dict[str, list[SizeChange]] = {each: [] for each in names}
    for change in found:
        by_tier.setdefault(change.group_id, []).append(change)
    return TierSizes(
        campaign_id=campaign_id,
        from_=span[0],
        to=span[-1],
        tiers=tuple(
            TierSeries(
                tier_id=tier_id,
                name=names.get(tier_id),
                unknown=_unknown(changes),
                days=_series(changes, span),
            )
            for tier_id, changes in by_tier.items()
        ),
    )


def segment_trends(
    database: Database,
    *,
    project_id: str | None = None,
    to_day: date | None = None,
    days: int = DAYS,
) -> SegmentTrends:
    """Return the sizes of all segments at the end of each day, as `segment_sizes` does."""
    span = _days(to_day, days)
    trends = []
    if is_storable_text(project_id):
        with database.reading_tables() as connection:
            before, changes = size_series.since(
                connection, SEGMENT.history, project_id=project_id, first=span[0]
            )
        sizes = {(each.project_id, each.group_id): each.members for each in before}
        by_segment: dict[tuple[str, str], list[SizeChange]] = {}
        for change in changes:
            by_segment.setdefault((change.project_id, change.group_id), []).append(change)
        for each in list_segments(database, project_id=project_id):
            key = each.project_id, each.segment_id
            series = _series(by_segment.get(key, []), span, before=sizes.get(key, 0))
            trends.append(
                SegmentTrend(
                    project_id=each.project_id,
                    segment_id=each.segment_id,
                    name=each.name,
                    members=tuple(day.members for day in series),
                    entered=sum(day.entered for day in series),
                    left=sum(day.left for day in series),
                )
            )
    return SegmentTrends(from_=span[0], to=span[-1], segments=tuple(trends))


@frozen(kw_only=True)
class SizeBounds:
    """The days in UTC between which the size of a group, or of a campaign's tiers, changed."""

    first: date | None
    #: The last one on which a customer left.
    last_left: date | None


def size_bounds(database: Database, group: Group, project_id: str, **of: str) -> SizeBounds:
    """Return the bounds of a group, named by `group_id`, or of a campaign by `campaign_id`."""
    known = [each for each in _changes(database, group, project_id, **of) if each.day != UNKNOWN]
    return SizeBounds(
        first=min((each.day for each in known), default=None),
        last_left=max((each.day for each in known if each.exits), default=None),
    )


def _changes(
    database: Database, group: Group, project_id: str | None, **of: str
) -> list[SizeChange]:
    if not all(map(is_storable_text, (project_id, *of.values()))):
        return []
    with database.reading_tables() as connection:
        if project_id is None:
            found = size_series.in_all_projects(connection, group.history, **of)
        else:
            found = size_series.of_groups(connection, group.history, project_id=project_id, **of)
    # A late event may have moved all that was counted on a day to another one.
    return [each for each in found if each.entries or each.exits]


def _days(to_day: date | None, number: int) -> list[date]:
    """Return some days up to one, or fewer if time begins before; raise BadNumber."""
    if not 1 <= number <= DAYS_MAX:
        raise BadNumber(name="The number of days", value=number, range=f"1 to {DAYS_MAX:,}")
    last = (to_day or datetime.now(UTC).date()).toordinal()
    # The first day of all is that of the memberships of unknown beginning.
    first = max(UNKNOWN.toordinal() + 1, last - number + 1)
    return [date.fromordinal(n) for n in range(first, max(first, last) + 1)]


def _series(
    changes: Iterable[SizeChange], days: Sequence[date], *, before: int = 0
) -> tuple[DaySize, ...]:
    """Return the size on each of some days, from that before them and from all changes."""
    members, entered, left = before, Counter[date](), Counter[date]()
    for each in changes:
        if each.day < days[0]:
            # A membership of unknown beginning has ended: the sum of its entry and exit is zero.
            members += each.entries - each.exits
        else:
            entered[each.day] += each.entries
            left[each.day] += each.exits
    series = []
    for day in days:
        members += entered[day] - left[day]
        series.append(DaySize(day=day, members=members, entered=entered[day], left=left[day]))
    return tuple(series)


def _unknown(changes: Iterable[SizeChange]) -> int:
    return sum(each.entries for each in changes if each.day == UNKNOWN)
