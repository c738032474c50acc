"""Reads the tree over the leaves, block by block, and caches the roots of its subtrees.

The cache is never needed: a root that it lacks is computed from the leaves.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from projector.errors import SealUnsound
from projector.store import bulk
from projector.store.sealed import leaves
from projector.store.tables import subtree
from projector.tlog.growing_tree import Subtree
from projector.tlog.tree import BLOCK, BLOCK_BITS, Tree, leaf_hash, root_of

_READ = select(subtree.c.number, subtree.c.hash).where(
    subtree.c.level == bindparam("level"),
    subtree.c.number >= bindparam("first"),
    subtree.c.number < bindparam("last"),
)


class StoredBlocks:
    """Reads blocks of the tree of the first `size` leaves; raises SealUnsound if one is missing."""

    def __init__(self, connection: Connection, size: int) -> None:
        self._connection = connection
        self._size = size
        #: The roots that were computed, because the cache lacked them.
        self.computed: list[Subtree] = []

    def __call__(self, level: int, number: int) -> Sequence[bytes]:
        """Return a block; see `projector.tlog.tree`."""
        first = number * BLOCK
        last = min(first + BLOCK, self._size >> BLOCK_BITS * level)
        if level == 0:
            return self._leaf_hashes(first, last)
        found = read(self._connection, level, first, last)
        return [
            found[each] if each in found else self._compute(level, each)
            for each in range(first, last)
        ]

    def _compute(self, level: int, number: int) -> bytes:
        root = root_of(self(level - 1, number))
        self.computed.append(Subtree(level, number, root))
        return root

    def _leaf_hashes(self, first: int, last: int) -> list[bytes]:
        found = leaves.read(self._connection, after=first, until=last)
        for position, each in enumerate(found, first + 1):
            if each.position != position:
                raise SealUnsound(reason=f"the event at position {position} is not sealed.")
        if len(found) < last - first:
            raise SealUnsound(reason=f"the seal ends at position {first + len(found)}.")
        return [leaf_hash(each.commitment) for each in found]


def tree(connection: Connection, size: int) -> Tree:
    """Return the tree of the first `size` leaves, which must be there."""
    return Tree(size, StoredBlocks(connection, size))


def read(connection: Connection, level: int, first: int, last: int) -> dict[int, bytes]:
    """Return the cached roots of a level with first <= number < last, by number."""
    params = {"level": level, "first": first, "last": last}
    return {row[0]: row[1] for row in connection.execute(_READ, params)}


def add(connection: Connection, completed: Sequence[Subtree]) -> None:
    """Cache roots, in the place of those that may be there."""
    bulk.upsert_many(connection, subtree, completed)
