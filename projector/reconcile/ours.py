"""Reads our side of a customer as of an instant, from the log: what we held to be true then.

From the log and not from the tables: an instant has a state there, and events that are not in the
tables yet count, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey, RecordedEvent, Shape, end_of
from projector.facts.codec import decode
from projector.facts.events import (
    CustomerDeleted,
    SegmentEntered,
    SegmentLeft,
    TierFact,
    TierMove,
    UndecodableFact,
)
from projector.projections import loyalty_tier, segment_membership
from projector.queries import past
from projector.queries.customers import find_keys
from projector.reconcile.comparison import LostEvent, Rows
from projector.reconcile.observation import Instants
from projector.reconcile.sightings import Place
from projector.store import customers, log, stream_log

_PROJECTIONS = (segment_membership.PROJECTION, loyalty_tier.PROJECTION)

#: Before the window of an observation: an event of so shortly before, which contradicts it, may not
#: be in the source's lists yet.
BEFORE = timedelta(minutes=10)

_NO_ROWS = Rows({}, {})


@frozen
class RowEvent:
    """An event about a place; about the customer, and so about every place, if that is empty."""

    place: Place
    event: RecordedEvent

    def concerns(self, place: Place) -> bool:
        """Return whether it may change what is at a place."""
        return Place() in (self.place, place) or self.place == place


class OurSide:
    """Our side of the customers of a project, within one snapshot of the database."""

    def __init__(self, connection: Connection, project_id: str) -> None:
        self._connection = connection
        self._project_id = project_id
        #: The end of the log.
        self.head = log.head(connection)

    def rows(self, customer_id: str, instants: Instants) -> Rows:
        """Return the rows of a customer as of the beginning of a window; none if unknown.

        An observation within the window counts, too: one of a moment ago may have begun a little
        later, since a `Date` has whole seconds, and would be filed once more.
        """
        key = CustomerKey(self._project_id, customer_id)
        if key not in find_keys(self._connection, customer_id, self._project_id, False):
            return _NO_ROWS
        observed = (
            each.occurred_at
            for each in self._read(key, instants.t0, instants.until)
            if each.source == Shape.RECONCILE
        )
        as_of = max(observed, default=instants.t0)
        found = past.states_at(self._connection, _PROJECTIONS, key, until=self.head, as_of=as_of)
        segments, tiers = (found[each.name].state for each in _PROJECTIONS)
        return Rows(segments, tiers)

    def events(
        self, customer_id: str, *, after: datetime, until: datetime, from_position: int = 0
    ) -> list[RowEvent]:
        """Return the events of a customer's rows with after < time <= until.

        Only those behind a position of the log, and no observations.
        """
        key = CustomerKey(self._project_id, customer_id)
        if key not in find_keys(self._connection, customer_id, self._project_id, False):
            return []
        events = self._read(key, after, until, from_position)
        return [RowEvent(place, each) for each in events if (place := _place_of(each)) is not None]

    def _read(
        self, key: CustomerKey, after: datetime, until: datetime, from_position: int = 0
    ) -> Iterator[RecordedEvent]:
        return stream_log.read_behind(
            self._connection,
            customers.stream_of(self._connection, key),
            end_of(after),
            last=end_of(until),
            after=from_position,
            until=self.head,
        )

    def events_around(self, customer_id: str, instants: Instants) -> list[RowEvent]:
        """Return the events in the window of an observation, and those shortly before it."""
        return self.events(customer_id, after=instants.t0 - BEFORE, until=instants.until)


def lost_event(event: RecordedEvent) -> LostEvent:
    """Return what is said of an event that was lost."""
    return LostEvent(id=event.event_id, type=event.type, occurred_at=event.occurred_at)


def _place_of(event: RecordedEvent) -> Place | None:
    """Return the row that an event is about; None if it is about none of them."""
    fact = decode(event)
    match fact:
        case CustomerDeleted():
            return Place()
        case SegmentEntered() | SegmentLeft():
            return Place(segment_id=fact.segment.id)
        case TierFact() | TierMove():
            try:
                return Place(campaign_id=fact.campaign_id)
            except ValueError:
                return Place()
        case UndecodableFact() if issubclass(
            fact.fact_type, SegmentEntered | SegmentLeft | TierFact | TierMove | CustomerDeleted
        ):
            return Place()
    return None
