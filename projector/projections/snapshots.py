"""Takes snapshots of a customer's state, from which a later fold goes on. PURE.

A snapshot of a projection and a stream has a canonical key, and is the state after folding exactly
those events of the stream that the projection reads and whose key is not greater. It is valid by
construction, because three things hold for it:

- It is taken only where every smaller key has been folded: behind an event that is not late, or
  during a fold in canonical order.
- The log only grows. An event that is appended later either has a greater key, and leaves the
  snapshot alone; or it is late, and then the transaction that folds it removes the snapshots at or
  behind its key. Until that transaction, the event's position is greater than the projection's
  checkpoint: before a snapshot is used, such events are looked for.
- The version of the fold and the layout of the rows are stored with it, and are those of the code
  that reads it.

It also knows two positions. `complete_at` is the greatest position among its events: what was known
at an earlier position is not in it. Every event behind its key has a position greater than
`tail_after`: so the rest of the stream is a range of positions, which an index finds.

A snapshot is due behind about one event in INTERVAL_EVENTS, chosen by its position, whether the
event is folded forward, in a refold, or in a rebuild: so no fold has to remember how many events it
has seen. Most streams that are shorter than that have none.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from projector.envelope import CanonicalKey
from projector.projections.projection import Projection, Row, State

#: The mean number of events between two snapshots of a stream.
INTERVAL_EVENTS = 500


class TakenSnapshot(NamedTuple):
    """A new snapshot: the state of one projection after a stream's events up to a key."""

    stream_id: int
    key: CanonicalKey
    #: The greatest position of its events.
    complete_at: int
    #: A position that every event of the stream with a greater key exceeds.
    tail_after: int
    #: The state as JSON; of a history the last row of each series.
    state: str


class SnapshotPlace(NamedTuple):
    """The place of a snapshot in its stream."""

    key: CanonicalKey
    complete_at: int
    tail_after: int


class Snapshot(NamedTuple):
    """A stored snapshot."""

    stream_id: int
    key: CanonicalKey
    complete_at: int
    tail_after: int
    #: The rows from which `Projection.from_rows` makes the state.
    rows: list[Row]


def is_due(position: int) -> bool:
    """Return whether a snapshot is taken behind the event at a position."""
    # A hash, because the events of one customer may come in a rhythm.
    return crc32(position.to_bytes(8, "big")) % INTERVAL_EVENTS == 0


def pack(projection: Projection, state: State) -> tuple[str, State, list[Row]]:
    """Return a state as JSON, the state that is left to fold onto, and the rows taken out of it.

    No event in order can change these rows: in a history, all but the last one of each series. So a
    history with very many periods is not written into every snapshot.
    """
    rows = projection.to_rows(state)
    if not projection.is_history:
        return _to_json(rows), state, []
    number, series = _number_and_series(projection)
    last: dict[Any, Row] = {}
    finished = []
    for row in rows:
        known = last.get(series(row))
        if known is not None:
            row, earlier = (row, known) if number(row) > number(known) else (known, row)
            finished.append(earlier)
        last[series(row)] = row
    return _to_json([*last.values()]), projection.from_rows([*last.values()]), finished


def unpack(projection: Projection, state: str) -> list[Row] | None:
    """Return the rows of a packed state; None if it is not readable, because it was altered."""
    try:
        rows: list[Row] = _decoder(projection).decode(state)
    except msgspec.DecodeError:
        return None
    return rows


def _to_json(rows: list[Row]) -> str:
    return msgspec.json.encode(rows).decode()


@cache
def _decoder(projection: Projection) -> msgspec.json.Decoder[Any]:
    row: Any = projection.row
    return msgspec.json.Decoder(list[row])


@cache
def _number_and_series(projection: Projection) -> tuple[Any, Any]:
    """Return the functions from a history's row to its number, and to the series that it is in."""
    *series, number = projection.key
    return attrgetter(number), attrgetter(*series) if series else lambda _row: None
