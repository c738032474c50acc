"""Makes the events that tell of an erasure: its positions, and nobody's name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from uuid import uuid4

import msgspec

from projector.store.erasure.redaction import OwnEvent
from projector.store.erasure.told import ErasureBody, ranges_of

#: The most ranges of positions in one event: a body may have a megabyte.
RANGES_MAX = 20_000


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
