"""Compares what the source said of a customer with our state as of that instant. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from attrs import frozen

from projector.envelope import CustomerKey
from projector.facts.events import iso_date
from projector.projections import loyalty_tier, segment_membership
from projector.reconcile.sightings import AbsenceSeen, Place, SegmentsSeen, TierSeen

#: The reason of what arrived meanwhile: nothing is wrong any more.
LATE = "late"

#: How a segment's membership is shown.
IN, OUT = "in", "out"


class Kind(StrEnum):
    """The kind of a difference."""

    MISSING_ENTRY = "missing_entry"
    MISSING_LEAVE = "missing_leave"
    MISSING_TIER = "missing_tier"
    WRONG_TIER = "wrong_tier"
    EXTRA_TIER = "extra_tier"
    EXPIRY = "expiry"
    NAME = "name"
    ABSENT = "absent"


@frozen(kw_only=True)
class LostEvent:
    """The event that should have come, as the activity has it."""

    id: str
    type: str
    occurred_at: datetime


@frozen(kw_only=True)
class Difference:
    """A difference between our state and what the source said, as of one instant."""

    customer_id: str
    project_id: str
    kind: Kind
    segment_id: str | None = None
    campaign_id: str | None = None
    ours: str | None
    theirs: str | None
    as_of: datetime
    #: Why they differ: see `reasons`; empty as long as it was not asked.
    reason: str = ""
    lost_event: LostEvent | None = None
    #: `activity`, `observation`, or None.
    repaired_by: str | None = None

    @property
    def place(self) -> Place:
        """The row that differs."""
        return Place(self.segment_id, self.campaign_id)

    @property
    def is_open(self) -> bool:
        """Whether it is still there: it was neither repaired nor did it arrive meanwhile."""
        return self.repaired_by is None and self.reason != LATE

    @property
    def is_of_state(self) -> bool:
        """Whether it is about more than a name, whose change no event announces."""
        return self.kind is not Kind.NAME


@frozen
class Rows:
    """Our rows of a customer as of an instant, by segment and by campaign."""

    segments: Mapping[str, segment_membership.Row]
    tiers: Mapping[str, loyalty_tier.Row]


def compare_segments(key: CustomerKey, rows: Rows, seen: SegmentsSeen) -> Iterator[Difference]:
    """Yield the differences of segments, by id."""
    ours = rows.segments
    ids = ours.keys() | seen.segments.keys() if seen.scope is None else seen.scope
    for segment_id in sorted(ids):
        row = ours.get(segment_id)
        is_in, was_in = segment_id in seen.segments, row is not None and row.is_member
        kind, mine, theirs = None, IN if was_in else OUT, IN if is_in else OUT
        if is_in != was_in:
            kind = Kind.MISSING_ENTRY if is_in else Kind.MISSING_LEAVE
        elif is_in and row is not None:
            name = seen.segments[segment_id]
            if name not in (None, row.segment_name):
                kind, mine, theirs = Kind.NAME, str(row.segment_name or ""), str(name)
        if kind is not None:
            yield Difference(
                **key._asdict(),
                kind=kind,
                segment_id=segment_id,
                ours=mine,
                theirs=theirs,
                as_of=seen.instants.t0,
            )


def compare_tier(key: CustomerKey, rows: Rows, seen: TierSeen) -> Difference | None:
    """Return the difference of a campaign's tier; None if there is none."""
    row = rows.tiers.get(seen.campaign_id)
    mine, theirs = None if row is None else row.tier_id, seen.tier_id
    kind = None
    if mine != theirs:
        kind = Kind.MISSING_TIER if mine is None else Kind.WRONG_TIER
        kind = Kind.EXTRA_TIER if theirs is None else kind
    elif row is not None and seen.tier is not None:
        kind, mine, theirs = _compare_labels(row, seen)
    if kind is None:
        return None
    return Difference(
        **key._asdict(),
        kind=kind,
        campaign_id=seen.campaign_id,
        ours=mine,
        theirs=theirs,
        as_of=seen.instants.t0,
    )


def _compare_labels(
    row: loyalty_tier.Row, seen: TierSeen
) -> tuple[Kind | None, str | None, str | None]:
    """Compare the last day and the name of the tier that the customer is on."""
    told = seen.tier or {}
    day = expires_on(told)
    if day is not None and day != str(row.expires_on):
        return Kind.EXPIRY, None if row.expires_on is None else str(row.expires_on), day
    name = told.get("name")
    if isinstance(name, str) and name != row.tier_name:
        return Kind.NAME, row.tier_name or "", name
    return None, None, None


def expires_on(tier: Mapping[str, object]) -> str | None:
    """Return the last day of a tier object as ISO text; None if it shows none that can be read."""
    expiration = tier.get("expiration")
    text = expiration.get("expiration_date") if isinstance(expiration, Mapping) else None
    try:
        day = iso_date(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if day is None else str(day)


def compare_absence(key: CustomerKey, rows: Rows, seen: AbsenceSeen) -> Difference | None:
    """Return the difference that a customer who does not exist is a member of something."""
    held = sorted(each.segment_id for each in rows.segments.values() if each.is_member)
    held += sorted(each.campaign_id for each in rows.tiers.values() if each.tier_id is not None)
    if not held:
        return None
    return Difference(
        **key._asdict(),
        kind=Kind.ABSENT,
        ours=", ".join(held),
        theirs=None,
        as_of=seen.instants.t0,
    )
