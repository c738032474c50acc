"""Plans an append: which items are new, at which position, in which stream. PURE.

Optimistic: the plan is made against a snapshot of the log. The snapshot stays valid until the
head of the log moves, because the log is append-only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from attrs import define, field

from projector.envelope import (
    CanonicalKey,
    DeliveryDefaults,
    Envelope,
    Identity,
    RecordedEvent,
    Rejected,
)
from projector.facts.codec import same_facts


class Outcome(StrEnum):
    """The outcome of a delivery; each ends as exactly one of these."""

    APPENDED = "appended"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    QUARANTINED = "quarantined"
    #: It, or its customer, was erased: nothing of it is kept.
    SUPPRESSED = "suppressed"


class Receipt(NamedTuple):
    """The outcome of one delivery, with the position of its event."""

    outcome: Outcome
    #: The position of the event in the log: the delivery's own event (appended), or the one that
    #: it repeats (duplicate) or contradicts (conflict). None for QUARANTINED and SUPPRESSED.
    position: int | None
    #: The code of the reason why it went to the quarantine; None if it did not.
    reason: str | None = None


#: The receipt of a delivery that is not let in.
_SUPPRESSED = Receipt(Outcome.SUPPRESSED, None)

#: The key of an event: (project_id, event_id). A plain tuple, because one is made for every item.
EventIdentity = Identity

#: The key of a stream: (project_id, customer_id).
CustomerIdentity = Identity


class Stream(NamedTuple):
    """A stream and its greatest canonical key so far."""

    stream_id: int
    last: CanonicalKey


class Head(NamedTuple):
    """The head of the log: the last position and the last stream id that were assigned."""

    position: int
    stream_id: int
    #: The last erasure; 0 for none. None is ever added without an event that tells of it, so the
    #: position alone shows whether one was.
    erasure_id: int


class SuppressedIds(NamedTuple):
    """The customers and the events of a batch that were erased and are not let in."""

    customers: frozenset[CustomerIdentity]
    events: frozenset[EventIdentity]


NONE_SUPPRESSED = SuppressedIds(frozenset(), frozenset())


@define
class LogSnapshot:
    """The log's events and streams that matter to a batch, as of its head `head`."""

    head: Head
    events: dict[EventIdentity, RecordedEvent]
    streams: dict[CustomerIdentity, Stream]
    suppressed: SuppressedIds = NONE_SUPPRESSED


class PlannedEvent(NamedTuple):
    """An envelope with its position, stream and `late` flag, not written yet."""

    position: int
    stream_id: int | None
    late: bool
    envelope: Envelope

    def row(self, received_at: datetime) -> tuple[Any, ...]:
        """Return the tuple of table `event`, in the order of its columns."""
        position, stream_id, late, it = self
        identity = (position, it.project_id, it.event_id, it.type, stream_id)
        return (*identity, it.occurred_at, received_at, late, it.source, it.body)


@define
class AppendPlan:
    """All rows that a batch will write, and the receipts of its items."""

    #: The head that the plan was made against, and the head once it is written.
    before: Head
    after: Head
    receipts: list[Receipt] = field(factory=list)
    events: list[PlannedEvent] = field(factory=list)
    rejected: list[Rejected] = field(factory=list)
    #: The number of repetitions in this batch, by the position of the event that they repeat.
    duplicates: Counter[int] = field(factory=Counter)
    #: Streams that the batch creates, and those whose greatest canonical key it raises.
    new_streams: dict[CustomerIdentity, Stream] = field(factory=dict)
    advanced_streams: dict[CustomerIdentity, Stream] = field(factory=dict)


def make_plan(items: Sequence[Envelope | Rejected], snapshot: LogSnapshot) -> AppendPlan:
    """Decide the outcome of each item, in order: an `Outcome`.

    An item is compared with the log and with the items before it in the batch. `append` still turns
    items whose quarantine entry was resolved into duplicates, and whose was erased into suppressed.
    """
    plan = AppendPlan(before=snapshot.head, after=snapshot.head)
    known: dict[EventIdentity, tuple[Envelope, int]] = {
        identity: (recorded, recorded.position) for identity, recorded in snapshot.events.items()
    }
    position, last_stream_id, erasure_id = snapshot.head
    suppressed = snapshot.suppressed if any(snapshot.suppressed) else None
    for item in items:
        if suppressed is not None and _is_suppressed(item, suppressed):
            plan.receipts.append(_SUPPRESSED)
            continue
        if isinstance(item, Rejected):
            plan.rejected.append(item)
            plan.receipts.append(Receipt(Outcome.QUARANTINED, None, item.reason))
            continue
        identity = (item.project_id, item.event_id)
        first = known.get(identity)
        if first is None:
            position += 1
            known[identity] = item, position
            stream_id, late = _assign_stream(plan, item, snapshot.streams, last_stream_id)
            last_stream_id = max(last_stream_id, stream_id or 0)
            plan.events.append(PlannedEvent(position, stream_id, late, item))
            plan.receipts.append(Receipt(Outcome.APPENDED, position))
        elif same_facts(item, first[0]):
            plan.duplicates[first[1]] += 1
            plan.receipts.append(Receipt(Outcome.DUPLICATE, first[1]))
        else:
            plan.rejected.append(_to_conflict(item, first[1]))
            plan.receipts.append(Receipt(Outcome.CONFLICT, first[1], "conflict"))
    plan.after = Head(position, last_stream_id, erasure_id)
    return plan


def _is_suppressed(item: Envelope | Rejected, suppressed: SuppressedIds) -> bool:
    """Return whether the customer or the event was erased, in whatever form it arrives."""
    customer, event = item.identities()
    return customer in suppressed.customers or event in suppressed.events


def _assign_stream(
    plan: AppendPlan, item: Envelope, streams: dict[CustomerIdentity, Stream], last_stream_id: int
) -> tuple[int | None, bool]:
    """Return the stream id of an event, and whether the event is late; update the plan's streams.

    Late: the stream holds an event with a greater canonical key already. The id is None for an
    event without a customer.
    """
    if item.customer_id is None:
        return None, False
    customer = (item.project_id, item.customer_id)
    changed = plan.new_streams
    known = changed.get(customer)
    if known is None:
        known = plan.advanced_streams.get(customer) or streams.get(customer)
        if known is not None:
            changed = plan.advanced_streams
    key = CanonicalKey(item.occurred_at, item.event_id)
    stream_id = known.stream_id if known is not None else last_stream_id + 1
    if known is not None and key < known.last:
        return stream_id, True
    changed[customer] = Stream(stream_id, key)
    return stream_id, False


def _to_conflict(item: Envelope, position: int) -> Rejected:
    """Return the quarantine item for a delivery that contradicts the event at a position."""
    return Rejected(
        reason="conflict",
        detail=f"The event stands at position {position} with other facts.",
        body=item.body.encode(),
        project_id=item.project_id,
        event_id=item.event_id,
        # A retry must parse the body to the same envelope, also if these values came from the
        # caller's defaults and not from the body.
        defaults=DeliveryDefaults(
            project_id=item.project_id,
            type=item.type,
            occurred_at=item.occurred_at,
            customer_id=item.customer_id,
        ),
    )
