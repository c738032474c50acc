"""Verifies proofs of Merkle trees, by the algorithms of RFC 9162, section 2.1. PURE."""

from __future__ import annotations

from collections.abc import Sequence

from projector.tlog.tree import EMPTY_ROOT, node_hash


def is_included(
    leaf_hash: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Return whether the leaf at an index of the tree with `size` leaves and `root` has a hash."""
    if not 0 <= index < size:
        return False
    node, last = index, size - 1
    found = leaf_hash
    for each in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(each, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, each)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(
    *, old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether a tree extends an older one: its first leaves are those of the older one."""
    if not 0 <= old_size <= size:
        return False
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    if old_size == size:
        return not proof and old_root == root
    # The root of an old tree that is one subtree of the new one is not in the proof.
    hashes = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not hashes:
        return False
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    found_old = found = hashes[0]
    for each in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            found_old, found = node_hash(each, found_old), node_hash(each, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, each)
        node, last = node >> 1, last >> 1
    return last == 0 and found_old == old_root and found == root
