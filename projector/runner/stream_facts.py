"""Decodes events into the facts of streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from operator import attrgetter
from typing import NamedTuple

from projector.envelope import CustomerKey, RecordedEvent
from projector.facts.codec import decode
from projector.projections.projection import KeyedFact

_stream_id = attrgetter("stream_id")


class StreamFacts(NamedTuple):
    """A stream's facts, in canonical order.

    Events without a customer are in no stream: `customer` and `stream_id` are None for them.
    """

    customer: CustomerKey | None
    stream_id: int | None
    facts: Iterable[KeyedFact]


def stream_facts(events: Iterable[RecordedEvent]) -> Iterator[StreamFacts]:
    """Decode events that come stream by stream; consume each stream before taking the next one."""
    for stream_id, stream in groupby(events, key=_stream_id):
        first = next(stream)
        customer_id = first.customer_id
        customer = None if customer_id is None else CustomerKey(first.project_id, customer_id)
        events_of_stream = chain([first], stream)  # noqa: B031 - iterated once
        yield StreamFacts(customer, stream_id, decode_all(events_of_stream))


def decode_all(events: Iterable[RecordedEvent]) -> Iterator[KeyedFact]:
    """Yield the facts of events, without those that no projection can read."""
    return filter(None, map(decode_event, events))


def decode_event(event: RecordedEvent) -> KeyedFact | None:
    """Decode the fact of an event; None if no projection can read it."""
    fact = decode(event)
    return None if fact is None else (event.key, fact, event.position)
