"""Stores snapshots of long streams.

`projections.snapshots` says what they are and why they are valid. They belong to the rows of a
projection. The transaction that folds events writes the new ones and removes those behind a late
event; rows that are written in another way (a rebuild, a retry, a repair) replace all of them. They
only save time: `verify` never reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from projector.envelope import CanonicalKey
from projector.projections.projection import Projection
from projector.projections.rebuilding import Rebuilding
from projector.projections.snapshots import Snapshot, SnapshotPlace, TakenSnapshot, unpack
from projector.store import bulk
from projector.store.predicates import canonical_key, in_values, key_parameter
from projector.store.row_tables import fingerprint
from projector.store.tables import snapshot, stream

#: A position that no event reaches.
BEHIND_ALL_POSITIONS = 2**63 - 1

_key, _bound = canonical_key(snapshot), key_parameter()
_OF_STREAM = (
    snapshot.c.projection == bindparam("name"),
    snapshot.c.stream_id == bindparam("stream"),
)
_VALID = (
    *_OF_STREAM,
    snapshot.c.version == bindparam("version"),
    snapshot.c.fingerprint == bindparam("fingerprint"),
)
_LAST_BEFORE = (
    select(
        snapshot.c.occurred_at,
        snapshot.c.event_id,
        snapshot.c.complete_at,
        snapshot.c.tail_after,
        snapshot.c.state,
    )
    .where(*_VALID, _key < _bound, snapshot.c.complete_at <= bindparam("known_at"))
    .order_by(snapshot.c.occurred_at.desc(), snapshot.c.event_id.desc())
    .limit(1)
)
_FIRST_BEHIND = (
    select(
        snapshot.c.occurred_at,
        snapshot.c.event_id,
        snapshot.c.complete_at,
        snapshot.c.tail_after,
    )
    .where(*_VALID, _key > _bound)
    .order_by(snapshot.c.occurred_at, snapshot.c.event_id)
    .limit(1)
)
_DELETE_AFTER = delete(snapshot).where(*_OF_STREAM, _key > _bound)


def streams_with_any(
    connection: Connection, projections: Iterable[Projection], stream_ids: Sequence[int]
) -> set[int]:
    """Return those of some streams of which a projection has a snapshot."""
    # With EXISTS, Postgres may look through the snapshots of all streams.
    one = (
        select(snapshot.c.stream_id)
        .where(
            snapshot.c.projection.in_([each.name for each in projections]),
            snapshot.c.stream_id == stream.c.stream_id,
        )
        .limit(1)
        .scalar_subquery()
    )
    statement = select(stream.c.stream_id).where(
        in_values(connection, stream.c.stream_id, stream_ids), one.is_not(None)
    )
    return set(connection.execute(statement).scalars())


def last_before(
    connection: Connection,
    projection: Projection,
    stream_id: int,
    before: CanonicalKey,
    *,
    known_at: int = BEHIND_ALL_POSITIONS,
) -> Snapshot | None:
    """Return the last snapshot with a key less than `before`; None if there is none.

    All of its events have positions up to `known_at`. Snapshots of another version of the fold, or
    of another layout of the rows, are left out.
    """
    params = {**_params(projection, stream_id, before), "known_at": known_at}
    row = connection.execute(_LAST_BEFORE, params).one_or_none()
    if row is None:
        return None
    occurred_at, event_id, complete, tail_after, state = row
    rows = unpack(projection, state)
    if rows is None:
        return None
    return Snapshot(stream_id, CanonicalKey(occurred_at, event_id), complete, tail_after, rows)


def first_behind(
    connection: Connection, projection: Projection, stream_id: int, key: CanonicalKey
) -> SnapshotPlace | None:
    """Return the place of the first snapshot with a greater key; None if there is none."""
    row = connection.execute(_FIRST_BEHIND, _params(projection, stream_id, key)).one_or_none()
    return None if row is None else SnapshotPlace(CanonicalKey(row[0], row[1]), row[2], row[3])


def replace(
    connection: Connection,
    projection: Projection,
    new: Sequence[TakenSnapshot],
    *,
    refolded: Sequence[int] = (),
    refolded_after: Mapping[int, CanonicalKey] | None = None,
) -> None:
    """Write snapshots of a projection; first delete those of streams that were refolded.

    Of the streams in `refolded_after` only those with a greater key than the one given are deleted.
    """
    if refolded:
        forget(connection, projection.name, refolded)
    for stream_id, key in (refolded_after or {}).items():
        connection.execute(_DELETE_AFTER, _params(projection, stream_id, key))
    made_by = projection.version, fingerprint(projection)
    rows = [
        (
            projection.name, each.stream_id, *each.key, each.complete_at, each.tail_after,
            *made_by, each.state,
        )
        for each in new
    ]  # fmt: skip
    bulk.insert_many(connection, snapshot, rows)


def forget(connection: Connection, name: str, stream_ids: Sequence[int] | None = None) -> None:
    """Delete the snapshots of a projection, or only those of some streams."""
    statement = delete(snapshot).where(snapshot.c.projection == name)
    if stream_ids is not None:
        statement = statement.where(in_values(connection, snapshot.c.stream_id, stream_ids))
    connection.execute(statement)


def move(connection: Connection, pair: Rebuilding) -> None:
    """Replace the live projection's snapshots by the shadow's."""
    forget(connection, pair.live.name)
    connection.execute(
        update(snapshot)
        .where(snapshot.c.projection == pair.shadow.name)
        .values(projection=pair.live.name)
    )


def _params(projection: Projection, stream_id: int, key: CanonicalKey) -> dict[str, Any]:
    return {
        "name": projection.name,
        "stream": stream_id,
        "version": projection.version,
        "fingerprint": fingerprint(projection),
        **key._asdict(),
    }
