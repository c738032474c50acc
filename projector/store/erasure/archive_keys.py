"""Stores the keys of encrypted archives: creates, reads and destroys them.

They exist before anything is encrypted with them. Who destroys keys, and who creates the first one,
holds the head of the log: so an event that is read after the creation is either there with its key,
or a marker.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, bindparam, delete, func, select

from projector.store import bulk, log_head
from projector.store.database import Database
from projector.store.erasure import key_tree
from projector.store.erasure.key_tree import KEY_BYTES, Node
from projector.store.predicates import in_values
from projector.store.tables import archive_key

#: The number of positions whose keys are destroyed by one statement.
_AT_ONCE = 500

_columns = archive_key.c
_SELECT = select(_columns.first_position, _columns.last_position, _columns.key)
_IN_ORDER = _SELECT.order_by(_columns.first_position)

# The nodes do not overlap: the one that covers the first position is the last that begins there or
# before.
_BEFORE = (
    select(func.max(_columns.first_position))
    .where(_columns.first_position <= bindparam("first"))
    .scalar_subquery()
)
_RANGE = _IN_ORDER.where(
    _columns.first_position >= func.coalesce(_BEFORE, bindparam("first")),
    _columns.first_position <= bindparam("last"),
)


def create(database: Database) -> None:
    """Create the key of all positions, unless there are keys; durable when it returns."""
    with database.writing() as connection:
        # An erasure that began before has committed: what it erased is read as markers.
        log_head.lock(connection)
        if not has_any(connection):
            insert(connection, [key_tree.root(os.urandom(KEY_BYTES))])


def has_any(connection: Connection) -> bool:
    """Return whether there are keys."""
    return connection.execute(_SELECT.limit(1)).first() is not None


def read(connection: Connection, first: int, last: int) -> list[Node]:
    """Return the nodes that cover positions from `first` to `last`, in order."""
    rows = connection.execute(_RANGE, {"first": first, "last": last})
    return [node for node in map(_to_node, rows) if node.last >= first]


def read_all(connection: Connection) -> Iterator[Node]:
    """Yield all nodes, in order."""
    with connection.execute(_IN_ORDER.execution_options(yield_per=1000)) as rows:
        yield from map(_to_node, rows)


def insert(connection: Connection, nodes: Sequence[Node]) -> None:
    """Insert nodes, which must not overlap with those that are there."""
    rows = [(node.first, node.last, node.key) for node in nodes]
    bulk.insert_many(connection, archive_key, rows)


def destroy(connection: Connection, positions: Iterable[int]) -> None:
    """Destroy the keys of positions; those that have none are passed over.

    The caller holds the head of the log, and commits.
    """
    ordered = sorted(set(positions))
    for start in range(0, len(ordered), _AT_ONCE):
        _destroy(connection, ordered[start : start + _AT_ONCE])


def _destroy(connection: Connection, positions: list[int]) -> None:
    firsts = {first for each in positions for first in key_tree.ancestors(each)}
    condition = in_values(connection, _columns.first_position, sorted(firsts))
    found = map(_to_node, connection.execute(_SELECT.where(condition)))
    concerned = {
        node: [each for each in positions if node.first <= each <= node.last] for node in found
    }
    concerned = {node: some for node, some in concerned.items() if some}
    if not concerned:
        return
    ended = [node.first for node in concerned]
    connection.execute(
        delete(archive_key).where(in_values(connection, _columns.first_position, ended))
    )
    kept = [each for node, some in concerned.items() for each in key_tree.without(node, some)]
    insert(connection, kept)


def _to_node(row: Iterable[object]) -> Node:
    first, last, key = row
    return Node(first=first, last=last, key=bytes(key))  # type: ignore[arg-type, call-overload]
