"""Derives the keys of encrypted archives, one for each position, from a tree of keys. PURE.

The two halves of what a node covers have keys that follow from the node's key, and these halves
have halves again, down to single positions: so one key is enough for all. The key of one position
is destroyed by replacing the node above it by the nodes beside the way down to it. From these no
key of that position follows, and every other one still does (a puncturable pseudorandom function,
by the tree of Goldreich, Goldwasser and Micali).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from attrs import field, frozen

KEY_BYTES = 32

#: The root covers the positions from 0 to this one.
POSITION_MAX = 2**62 - 1

_PERSON = b"archive key tree"

#: A part of the tree of up to so many positions is expanded at once.
_EXPANDED_MAX = 2048


@frozen(kw_only=True)
class Node:
    """A key from which those of all positions from `first` to `last` follow.

    Their number is a power of two, and `first` is a multiple of it.
    """

    first: int
    last: int
    #: 32 bytes.
    key: bytes = field(repr=False)


def root(key: bytes) -> Node:
    """Return the node of all positions."""
    return Node(first=0, last=POSITION_MAX, key=key)


def halve(key: bytes) -> tuple[bytes, bytes]:
    """Return the two keys that follow from a key; 32 bytes each."""
    derived = blake2b(key=key, person=_PERSON).digest()
    return derived[:KEY_BYTES], derived[KEY_BYTES:]


def ancestors(position: int) -> Iterator[int]:
    """Yield the first position of each node that may cover a position."""
    for height in range(POSITION_MAX.bit_length() + 1):
        yield position >> height << height


def keys(nodes: Iterable[Node], first: int, last: int) -> Iterator[bytes | None]:
    """Yield the key of each position from `first` to `last`; None for one that no node covers.

    `nodes` are in the order of their positions.
    """
    following = first
    for node in nodes:
        if node.last < first or node.first > last:
            continue
        yield from [None] * (node.first - following)
        yield from _within(node, first, last)
        following = min(node.last, last) + 1
    yield from [None] * (last + 1 - following)


def covered(nodes: Iterable[Node], positions: Iterable[int]) -> list[int]:
    """Return those of some positions that nodes cover; both are in order."""
    found: list[int] = []
    remaining = iter(nodes)
    node = next(remaining, None)
    for position in positions:
        while node is not None and node.last < position:
            node = next(remaining, None)
        if node is not None and node.first <= position:
            found.append(position)
    return found


def without(node: Node, positions: Sequence[int]) -> list[Node]:
    """Return the nodes that cover what a node does, but for some positions; in order.

    The positions are sorted, and covered by the node.
    """
    if not positions:
        return [node]
    if node.first == node.last:
        return []
    left, right = _halves(node)
    middle = bisect_right(positions, left.last)
    return [*without(left, positions[:middle]), *without(right, positions[middle:])]


def _halves(node: Node) -> tuple[Node, Node]:
    left, right = halve(node.key)
    middle = (node.first + node.last) // 2
    return (
        Node(first=node.first, last=middle, key=left),
        Node(first=middle + 1, last=node.last, key=right),
    )


def _within(node: Node, first: int, last: int) -> Iterator[bytes]:
    """Yield the keys of a node's positions from `first` to `last`; memory is bounded."""
    waiting = [(node.first, node.last, node.key)]
    while waiting:
        begin, end, key = waiting.pop()
        if end < first or begin > last:
            continue
        size = end - begin + 1
        if size <= _EXPANDED_MAX and first <= begin and end <= last:
            yield from _expand(key, size)
            continue
        middle = (begin + end) // 2
        left, right = halve(key)
        waiting += [(middle + 1, end, right), (begin, middle, left)]


def _expand(key: bytes, size: int) -> list[bytes]:
    expanded = [key]
    while len(expanded) < size:
        expanded = [half for each in expanded for half in halve(each)]
    return expanded
