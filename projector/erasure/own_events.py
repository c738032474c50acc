"""Makes the events that tell of an erasure: its positions, and nobody's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import count
from uuid import uuid4

import msgspec

from projector.store.erasure.redaction import OwnEvent

#: The most ranges of positions in one event: a body may have a megabyte.
RANGES_MAX = 20_000


class ErasureBody(msgspec.Struct, frozen=True):
    """The body of an event that tells of an erasure."""

    erasure_id: int
    customers: int
    events: int
    #: Ranges, each with its first and its last position.
    positions: list[tuple[int, int]]


def make(
    erasure_id: int,
    project_id: str,
    *,
    customers: int,
    positions: Sequence[int],
    after: int,
    at: datetime,
) -> list[OwnEvent]:
    """Return the events that tell of an erasure, from the position behind `after` on.

    There are several if one cannot hold all positions; each of them has the counts of all.
    """
    ranges = list(ranges_of(positions))
    pieces = [ranges[begin : begin + RANGES_MAX] for begin in range(0, len(ranges), RANGES_MAX)]
    made = []
    for position, piece in zip(count(after + 1), pieces or [[]], strict=False):
        body = ErasureBody(erasure_id, customers, len(positions), piece)
        text = msgspec.json.encode(body).decode()
        made.append(OwnEvent(position, project_id, f"erasure_{uuid4().hex}", text, at))
    return made


def ranges_of(positions: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of ascending positions, each with its first and its last."""
    first = last = None
    for each in positions:
        if first is None or last is None:
            first = last = each
        elif each == last + 1:
            last = each
        else:
            yield first, last
            first = last = each
    if first is not None and last is not None:
        yield first, last
