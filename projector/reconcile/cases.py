"""Holds what the source said of a customer against our side, and finds what may be filed of it."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from projector.reconcile.comparison import (
    Difference,
    compare_absence,
    compare_segments,
    compare_tier,
)
from projector.reconcile.frame import Frame
from projector.reconcile.observation import Instants
from projector.reconcile.options import ReconcileOptions, Record
from projector.reconcile.ours import OurSide
from projector.reconcile.sightings import Place, Sighting


@frozen(kw_only=True)
class Case:
    """A customer, compared: the differences, and what must not be filed yet."""

    seen: Sighting
    differences: tuple[Difference, ...] = ()
    #: Places that changed about when they were looked at: what was seen may be older or newer.
    blocked: frozenset[Place] = frozenset()
    #: The blocked ones of which something would be filed, so that they are to be looked at again.
    unsettled: frozenset[Place] = frozenset()
    #: The segments in which we have a row of the customer.
    ours: frozenset[str] = frozenset()

    @property
    def customer_id(self) -> str:
        """The id of the customer."""
        return self.seen.key.customer_id

    @property
    def settled(self) -> tuple[Difference, ...]:
        """The differences that are certain, and those that there were."""
        return tuple(
            each
            for each in self.differences
            if not each.is_open or each.place not in self.unsettled
        )

    @property
    def is_usable(self) -> bool:
        """Whether the source said anything of the customer."""
        seen = self.seen
        return bool(seen.absence or seen.segments or seen.tiers)


def evaluate(side: OurSide, seen: Sighting, frame: Frame, options: ReconcileOptions) -> Case:
    """Compare what was seen of a customer with our side as of then."""
    case = Case(seen=seen)
    if seen.absence is not None:
        rows = side.rows(case.customer_id, seen.absence.instants)
        found = compare_absence(seen.key, rows, seen.absence)
        differences = [] if found is None else [found]
        case = _with(case, side, seen.absence.instants, [Place()], differences, options)
    if seen.segments is not None:
        rows = side.rows(case.customer_id, seen.segments.instants)
        # A row that began within the window is not there as of its beginning.
        around = side.events_around(case.customer_id, seen.segments.instants)
        begun = {each.place.segment_id for each in around if each.place.segment_id is not None}
        ours = frozenset(rows.segments) | begun
        scope = seen.segments.scope
        if scope is None:
            scope = frame.scope(options.segments, ours)
        looked_at = evolve(seen.segments, scope=scope)
        ids = ours | frozenset(looked_at.segments) if scope is None else scope
        unsynced = frozenset(Place(segment_id=each) for each in frame.unsynced)
        case = _with(
            evolve(case, seen=evolve(seen, segments=looked_at), ours=ours, blocked=unsynced),
            side,
            looked_at.instants,
            [Place(segment_id=each) for each in ids],
            [
                each
                for each in compare_segments(seen.key, rows, looked_at)
                if each.place not in unsynced
            ],
            options,
        )
    for tier in seen.tiers:
        rows = side.rows(case.customer_id, tier.instants)
        difference = compare_tier(seen.key, rows, tier)
        place = Place(campaign_id=tier.campaign_id)
        differences = [] if difference is None else [difference]
        case = _with(case, side, tier.instants, [place], differences, options)
    return case


def _with(
    case: Case,
    side: OurSide,
    instants: Instants,
    places: list[Place],
    differences: Iterable[Difference],
    options: ReconcileOptions,
) -> Case:
    """Add the differences of some places, which were looked at in one window.

    A place is blocked by any event within the window, since it may be in what was seen or not; and
    one that differs, by an event shortly before, which the source may not have seen itself.
    """
    found = tuple(differences)
    differing = {each.place for each in found}
    events = side.events_around(case.customer_id, instants)
    blocked = frozenset(
        place
        for place in places
        if any(
            each.concerns(place) and (each.event.occurred_at > instants.t0 or place in differing)
            for each in events
        )
    )
    would_be_filed = blocked if options.record is Record.ALL else blocked & differing
    return evolve(
        case,
        differences=case.differences + found,
        blocked=case.blocked | blocked,
        unsettled=case.unsettled | would_be_filed,
    )
