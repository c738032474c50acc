"""What a batch will write to the log: what is new, at which position, in which stream. PURE.

Decided against a look at the log; the look stays true as long as the log's head does not move, for
the log only grows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from attrs import define, field

from projector.envelope import CanonicalKey, DeliveryDefaults, Envelope, RecordedEvent, Rejected
from projector.facts.codec import same_facts


class Outcome(StrEnum):
    """What became of a delivery; each ends as exactly one of these."""

    APPENDED = "appended"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    QUARANTINED = "quarantined"


class Receipt(NamedTuple):
    """What became of one delivery."""

    outcome: Outcome
    #: Of the event in the log: the delivery's own, or the one that it repeats or contradicts.
    position: int | None
    #: The code of the reason why it was quarantined.
    reason: str | None = None


#: What an event is known by: project_id, event_id. A plain tuple, for many are made.
EventIdentity = tuple[str, str]

#: What a stream is known by: project_id, customer_id.
CustomerIdentity = tuple[str, str]


class Stream(NamedTuple):
    """A stream and its greatest canonical key so far."""

    stream_id: int
    last: CanonicalKey


class Head(NamedTuple):
    """The last position and the last stream id defaults out."""

    position: int
    stream_id: int


@define
class LogSnapshot:
    """What the log knew of a batch's identities and customers while its head was `head`."""

    head: Head
    events: dict[EventIdentity, RecordedEvent]
    streams: dict[CustomerIdentity, Stream]


class PlannedEvent(NamedTuple):
    """An envelope on its way into the log."""

    position: int
    stream_id: int | None
    late: bool
    envelope: Envelope


@define
class AppendPlan:
    """What a batch will write."""

    #: The head for which it was made, and the one that it leads to.
    before: Head
    after: Head
    receipts: list[Receipt] = field(factory=list)
    events: list[PlannedEvent] = field(factory=list)
    rejected: list[Rejected] = field(factory=list)
    #: How many times the events at these positions came again.
    duplicates: Counter[int] = field(factory=Counter)
    #: Streams that the batch opens, and those whose greatest key it raises.
    new_streams: dict[CustomerIdentity, Stream] = field(factory=dict)
    advanced_streams: dict[CustomerIdentity, Stream] = field(factory=dict)


def make_plan(items: Sequence[Envelope | Rejected], look: LogSnapshot) -> AppendPlan:
    """Decide what becomes of each item, in their order."""
    plan = AppendPlan(before=look.head, after=look.head)
    standing: dict[EventIdentity, tuple[Envelope, int]] = {
        identity: (recorded, recorded.position) for identity, recorded in look.events.items()
    }
    position, last_stream_id = look.head
    for item in items:
        if isinstance(item, Rejected):
            plan.rejected.append(item)
            plan.receipts.append(Receipt(Outcome.QUARANTINED, None, item.reason))
            continue
        identity = (item.project_id, item.event_id)
        first = standing.get(identity)
        if first is None:
            position += 1
            standing[identity] = item, position
            stream_id, late = _assign_stream(plan, item, look.streams, last_stream_id)
            last_stream_id = max(last_stream_id, stream_id or 0)
            plan.events.append(PlannedEvent(position, stream_id, late, item))
            plan.receipts.append(Receipt(Outcome.APPENDED, position))
        elif same_facts(item, first[0]):
            plan.duplicates[first[1]] += 1
            plan.receipts.append(Receipt(Outcome.DUPLICATE, first[1]))
        else:
            plan.rejected.append(_to_conflict(item, first[1]))
            plan.receipts.append(Receipt(Outcome.CONFLICT, first[1], "conflict"))
    plan.after = Head(position, last_stream_id)
    return plan


def _assign_stream(
    plan: AppendPlan, item: Envelope, streams: dict[CustomerIdentity, Stream], last_stream_id: int
) -> tuple[int | None, bool]:
    """The event's stream, and whether that holds a greater key already."""
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
    return Rejected(
        reason="conflict",
        detail=f"The event stands at position {position} with other facts.",
        body=item.body.encode(),
        project_id=item.project_id,
        event_id=item.event_id,
        # A retry reads it as it was read now, whoever told what it does not tell itself.
        defaults=DeliveryDefaults(
            project_id=item.project_id, type=item.type, occurred_at=item.occurred_at
        ),
    )
