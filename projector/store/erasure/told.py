"""Reads what the log's own events tell of erasures: which positions are markers, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec
from attrs import evolve, frozen
from sqlalchemy import Connection, select

from projector.envelope import ERASURE_TYPE, OWN_SOURCE
from projector.store.erasure.markers import IN_INDEX
from projector.store.tables import event

_EVENTS = (
    select(event.c.position, event.c.project_id, event.c.occurred_at, event.c.body)
    .where(
        IN_INDEX,
        event.c.source == OWN_SOURCE,
        event.c.type == ERASURE_TYPE,
    )
    .order_by(event.c.position)
)


@frozen(kw_only=True)
class ToldErasure:
    """An erasure, as the log's events tell of it."""

    erasure_id: int
    project_id: str
    erased_at: datetime
    customers: int
    events: int
    #: The first and the last position of each range that was erased.
    positions: tuple[tuple[int, int], ...]
    #: The position of the last event that tells of it; None if that event is not in the log.
    position: int | None


class ErasureBody(msgspec.Struct, frozen=True):
    """The body of an event that tells of an erasure."""

    erasure_id: int
    customers: int
    events: int
    #: Ranges, each with its first and its last position.
    positions: list[tuple[int, int]]


decode_body = msgspec.json.Decoder(ErasureBody).decode


def read(connection: Connection) -> list[ToldErasure]:
    """Return the erasures of which events of the log tell, in their order."""
    return collect(connection.execute(_EVENTS))


def collect(events: Iterable[Any]) -> list[ToldErasure]:
    """Return the erasures of which events tell, in their order.

    The events are (position, project_id, occurred_at, body), by position; an erasure of many ranges
    has several. Raises ValueError for a body that cannot be read.
    """
    found: dict[int, ToldErasure] = {}
    for position, project_id, occurred_at, body in events:
        decoded = decode_body(body)
        ranges = tuple(decoded.positions)
        before = found.get(decoded.erasure_id)
        if before is not None:
            ranges = (*before.positions, *ranges)
            found[decoded.erasure_id] = evolve(before, positions=ranges, position=position)
            continue
        found[decoded.erasure_id] = ToldErasure(
            erasure_id=decoded.erasure_id,
            project_id=project_id,
            erased_at=occurred_at,
            customers=decoded.customers,
            events=decoded.events,
            positions=ranges,
            position=position,
        )
    return list(found.values())


def body_of(erasure: ToldErasure) -> str:
    """Return the body of the event that tells of an erasure."""
    told = ErasureBody(
        erasure_id=erasure.erasure_id,
        customers=erasure.customers,
        events=erasure.events,
        positions=list(erasure.positions),
    )
    return msgspec.json.encode(told).decode()


def ranges_of(positions: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of ascending positions, each with its first and its last."""
    first = last = -1
    for each in positions:
        if each == last + 1 and first >= 0:
            last = each
            continue
        if first >= 0:
            yield first, last
        first = last = each
    if first >= 0:
        yield first, last


def by_position(erasures: Iterable[ToldErasure], until: int) -> dict[int, int]:
    """Return the positions up to one that were erased, with their erasures."""
    return {
        position: each.erasure_id
        for each in erasures
        for first, last in each.positions
        for position in range(first, min(last, until) + 1)
    }
