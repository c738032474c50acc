"""Computes Merkle trees as RFC 6962 defines them: roots, inclusion and consistency proofs. PURE.

A tree is read in blocks, so that a proof needs few of its hashes. Block B of level 0 has the hashes
of the leaves 256 B to 256 B + 255; block B of level L has those of the complete subtrees with these
numbers, of 256 ** L leaves each. The last block of a level may have fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

#: The number of hashes in a block, as a power of two.
BLOCK_BITS = 8
BLOCK = 1 << BLOCK_BITS

#: The root of a tree without leaves.
EMPTY_ROOT = sha256(b"").digest()

#: Reads a block by its level and number; only complete subtrees are in it.
ReadBlock = Callable[[int, int], Sequence[bytes]]


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf with this data."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two others."""
    return sha256(b"\1" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root above sibling hashes, of which the last may be that of a smaller subtree."""
    if not hashes:
        return EMPTY_ROOT
    while len(hashes) > 1:
        # The last one of an odd number has no sibling: it moves up.
        alone = [hashes[-1]] if len(hashes) % 2 else []
        pairs = zip(hashes[0::2], hashes[1::2], strict=False)
        hashes = [sha256(b"\1" + left + right).digest() for left, right in pairs] + alone
    return hashes[0]


class Tree:
    """A tree of the first `size` leaves of a log; reads at most two blocks a level for a proof."""

    def __init__(self, size: int, read_block: ReadBlock) -> None:
        self.size = size
        self._read_block = read_block
        self._blocks: dict[tuple[int, int], Sequence[bytes]] = {}

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree, or of its first `size` leaves."""
        last = self.size if size is None else size
        return self._hash(0, last) if last else EMPTY_ROOT

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Return the hashes that lead from a leaf to the root, the leaf's sibling first."""
        first, last = 0, self.size
        proof = []
        while last - first > 1:
            middle = first + _split(last - first)
            if index < middle:
                proof.append(self._hash(middle, last))
                last = middle
            else:
                proof.append(self._hash(first, middle))
                first = middle
        return proof[::-1]

    def consistency_proof(self, old: int) -> list[bytes]:
        """Return the hashes that prove that the first `old` leaves are those of an older tree."""
        if old == 0:
            return []
        first, last = 0, self.size
        proof = []
        while old < last:
            middle = first + _split(last - first)
            if old <= middle:
                proof.append(self._hash(middle, last))
                last = middle
            else:
                proof.append(self._hash(first, middle))
                first = middle
        if first:
            # The old tree is not one subtree of this one: its root does not tell its last part.
            proof.append(self._hash(first, last))
        return proof[::-1]

    def _hash(self, first: int, last: int) -> bytes:
        """Return the root of the leaves from `first` up to `last`, without it.

        `first` is a multiple of the least power of two that is not less than their number.
        """
        height = (last - first - 1).bit_length()
        if last - first == 1 << height:
            return self._complete(height, first >> height)
        middle = first + (1 << height - 1)
        return node_hash(self._hash(first, middle), self._hash(middle, last))

    def _complete(self, height: int, number: int) -> bytes:
        """Return the root of a complete subtree, which has 2 ** height leaves."""
        level, bits = divmod(height, BLOCK_BITS)
        block, first = divmod(number << bits, BLOCK)
        return root_of(self._block(level, block)[first : first + (1 << bits)])

    def _block(self, level: int, number: int) -> Sequence[bytes]:
        if (level, number) not in self._blocks:
            self._blocks[level, number] = self._read_block(level, number)
        return self._blocks[level, number]


def _split(size: int) -> int:
    """Return the number of leaves on the left: the greatest power of two that is less than all."""
    return 1 << (size - 1).bit_length() - 1
