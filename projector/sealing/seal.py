"""Seals the events that are not sealed so far: behind the log, in the order of positions.

An append seals nothing and so costs nothing more. What is sealed is the log as it is then; between
its commit and its sealing an event can only be changed by breaking the triggers that guard the log,
or by an erasure: what is a marker when it is sealed needs no salt, and gets none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection

from projector.errors import SealUnsound
from projector.store import log_head
from projector.store.database import Database
from projector.store.sealed import erasures, leaves, records, subtrees
from projector.store.sealed.subtrees import StoredBlocks
from projector.tlog import record
from projector.tlog.growing_tree import GrowingTree, Subtree
from projector.tlog.tree import leaf_hash

#: The most events of a batch, which is one transaction. On SQLite writers wait for its end, but not
#: for the hashing, which precedes it.
BATCH_EVENTS_MAX = 4_000


class _Batch(NamedTuple):
    """Leaves that are computed and not yet stored."""

    after: int
    #: The last erasure of the snapshot that the events were read from.
    erasure_id: int
    salts: list[bytes | None]
    commitments: list[bytes]
    completed: list[Subtree]


def seal(
    database: Database, *, on_batch: Callable[[int, int], bool] = lambda _sealed, _head: True
) -> int:
    """Seal all events up to the head of the log; return the last position that is sealed.

    Each batch is durable when it ends; several processes may seal at once. `on_batch` receives the
    position that is sealed and the head; sealing ends early if it returns False. Raises SealUnsound
    if the log has a hole, or is shorter than its seal.
    """
    while True:
        with database.reading() as connection:
            sealed, head = leaves.last(connection), log_head.read(connection).position
            if not on_batch(sealed, head) or sealed == head:
                return sealed
            batch = _prepare(connection, sealed, head)
        with database.writing() as connection:
            # Otherwise another process was faster, or one of these events may be erased by now, and
            # must not get its salt back: this batch is thrown away.
            is_valid = leaves.last_locked(connection) == sealed
            if is_valid and erasures.last(connection) == batch.erasure_id:
                leaves.append(
                    connection,
                    after=batch.after,
                    salts=batch.salts,
                    commitments=batch.commitments,
                )
                subtrees.add(connection, batch.completed)


def _prepare(connection: Connection, sealed: int, head: int) -> _Batch:
    if head < sealed:
        raise SealUnsound(reason=f"the seal ends at {sealed}, the log at {head}.")
    until = min(sealed + BATCH_EVENTS_MAX, head)
    erasure_id = erasures.last(connection)
    salts: list[bytes | None] = []
    salts += record.cut_salts(os.urandom(record.SALT_BYTES * (until - sealed)))
    commitments: list[bytes] = []
    expected = sealed
    for position, each in records.scan(connection, after=sealed, until=until):
        expected += 1
        if position != expected:
            raise SealUnsound(reason=f"there is no event at position {expected}.")
        if record.erasure_of(each) is not None:
            salts[len(commitments)] = None
        commitments.append(record.commit(salts[len(commitments)] or b"", each))
    if expected != until:
        raise SealUnsound(reason=f"there is no event at position {expected + 1}.")
    blocks = StoredBlocks(connection, sealed)
    completed = GrowingTree(sealed, blocks).add(map(leaf_hash, commitments))
    return _Batch(sealed, erasure_id, salts, commitments, [*blocks.computed, *completed])
