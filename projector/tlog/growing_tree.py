"""Grows a Merkle tree leaf by leaf in constant memory: its right edge is all that is kept. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from projector.tlog.tree import BLOCK, BLOCK_BITS, ReadBlock, root_of


class Subtree(NamedTuple):
    """A complete subtree of 256 ** level leaves."""

    level: int
    #: The number of subtrees of this level before it.
    number: int
    hash: bytes


class GrowingTree:
    """A tree that leaves are added to."""

    def __init__(self, size: int = 0, read_block: ReadBlock | None = None) -> None:
        """Begin empty, or as the tree of the first `size` leaves that `read_block` reads."""
        self.size = size
        #: The last block of each level, which is not full.
        self._edge: list[list[bytes]] = [[]]
        if read_block is not None:
            levels = range(max(size - 1, 0).bit_length() // BLOCK_BITS + 1)
            self._edge = [self._last_block(level, read_block) for level in levels]

    def _last_block(self, level: int, read_block: ReadBlock) -> list[bytes]:
        block, count = divmod(self.size >> BLOCK_BITS * level, BLOCK)
        return list(read_block(level, block)[:count]) if count else []

    def add(self, leaf_hashes: Iterable[bytes]) -> list[Subtree]:
        """Add leaves; return the subtrees of which they are the last."""
        completed: list[Subtree] = []
        edge = self._edge[0]
        for each in leaf_hashes:
            edge.append(each)
            self.size += 1
            if len(edge) == BLOCK:
                self._complete(0, completed)
        return completed

    def _complete(self, level: int, completed: list[Subtree]) -> None:
        """Move the full block of a level up, as one hash of the next level."""
        root = root_of(self._edge[level])
        self._edge[level].clear()
        if len(self._edge) == level + 1:
            self._edge.append([])
        number = (self.size >> BLOCK_BITS * (level + 1)) - 1
        completed.append(Subtree(level + 1, number, root))
        self._edge[level + 1].append(root)
        if len(self._edge[level + 1]) == BLOCK:
            self._complete(level + 1, completed)

    def root(self) -> bytes:
        """Return the root of the leaves so far."""
        below: list[bytes] = []
        for hashes in self._edge:
            if hashes or below:
                below = [root_of([*hashes, *below])]
        return root_of(below)
