"""Merkle trees are those of RFC 6962, however they are read or grown, and false proofs are refused.

`_Plain` is the definition of the RFC, word for word.
"""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from projector.tlog.growing_tree import GrowingTree, Subtree
from projector.tlog.tree import BLOCK, EMPTY_ROOT, ReadBlock, Tree, leaf_hash, root_of
from projector.tlog.verification import is_consistent, is_included

#: The leaves that the tests of Certificate Transparency use, and the roots of the first of them.
_PUBLISHED = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
]

#: Sizes at whose borders a block, or a block of blocks, begins or ends.
_SIZES = (1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_000)

_LEAVES = [leaf_hash(b"%d" % number) for number in range(max(_SIZES))]


def _blocks(size: int, leaves: Sequence[bytes] = _LEAVES) -> ReadBlock:
    """Read blocks of the tree of the first leaves."""
    levels = [list(leaves[:size])]
    while len(levels[-1]) >= BLOCK:
        below, whole = levels[-1], len(levels[-1]) // BLOCK * BLOCK
        levels.append([root_of(below[at : at + BLOCK]) for at in range(0, whole, BLOCK)])

    def read(level: int, number: int) -> list[bytes]:
        return levels[level][number * BLOCK : (number + 1) * BLOCK] if level < len(levels) else []

    return read


class _Plain:
    """The tree of a list of leaves: section 2.1 of RFC 6962."""

    def root(self, leaves: Sequence[bytes]) -> bytes:
        if len(leaves) < 2:
            return leaves[0] if leaves else sha256(b"").digest()
        at = self._split(leaves)
        return sha256(b"\1" + self.root(leaves[:at]) + self.root(leaves[at:])).digest()

    def path(self, index: int, leaves: Sequence[bytes]) -> list[bytes]:
        if len(leaves) == 1:
            return []
        at = self._split(leaves)
        if index < at:
            return [*self.path(index, leaves[:at]), self.root(leaves[at:])]
        return [*self.path(index - at, leaves[at:]), self.root(leaves[:at])]

    def proof(self, old: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
        if old == len(leaves):
            return [] if whole else [self.root(leaves)]
        at = self._split(leaves)
        if old <= at:
            return [*self.proof(old, leaves[:at], whole=whole), self.root(leaves[at:])]
        return [*self.proof(old - at, leaves[at:], whole=False), self.root(leaves[:at])]

    def _split(self, leaves: Sequence[bytes]) -> int:
        at = 1
        while at * 2 < len(leaves):
            at *= 2
        return at


def test_the_roots_are_the_published_ones() -> None:
    leaves = [leaf_hash(bytes.fromhex(data)) for data, _ in _PUBLISHED]
    assert EMPTY_ROOT.hex() == sha256(b"").hexdigest()
    for size, (_, root) in enumerate(_PUBLISHED, 1):
        assert Tree(size, _blocks(size, leaves)).root().hex() == root


def test_any_two_sizes_have_the_roots_and_proofs_of_the_definition() -> None:
    plain, most = _Plain(), 40
    for size in range(1, most + 1):
        leaves, tree = _LEAVES[:size], Tree(size, _blocks(size))
        assert tree.root() == plain.root(leaves)
        for index in range(size):
            assert tree.inclusion_proof(index) == plain.path(index, leaves)
        for old in range(1, size + 1):
            assert tree.consistency_proof(old) == plain.proof(old, leaves)


@settings(max_examples=20)
@given(st.sampled_from(_SIZES), st.data())
def test_proofs_across_blocks_are_those_of_the_definition_and_are_accepted(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(
        st.integers(1, size) | st.sampled_from([each for each in _SIZES if each <= size])
    )
    tree = Tree(size, _blocks(size))
    root, path, proof = tree.root(), tree.inclusion_proof(index), tree.consistency_proof(old)
    assert (path, proof) == (
        _Plain().path(index, _LEAVES[:size]),
        _Plain().proof(old, _LEAVES[:size]),
    )
    assert is_included(_LEAVES[index], index=index, size=size, proof=path, root=root)
    assert is_consistent(old_size=old, old_root=tree.root(old), size=size, root=root, proof=proof)


def test_another_program_computes_the_same() -> None:
    data = [b"%d" % number for number in range(300)]
    other = InmemoryTree.init_from_entries(data)
    for size in (1, 2, 7, 255, 256, 257, 300):
        tree = Tree(size, _blocks(size))
        assert other.get_root(size) == tree.root()
        for index in {0, size // 3, size - 1}:
            path = other.prove_inclusion(index + 1, size).path[1:]
            assert path == tree.inclusion_proof(index)


@pytest.mark.parametrize("cut", [1, 100, 256, 257, 5_000])
def test_a_tree_grows_into_the_same_in_any_steps(cut: int) -> None:
    size = 66_000
    grown, found = GrowingTree(), list[Subtree]()
    for at in range(0, size, cut):
        found += grown.add(_LEAVES[at : min(at + cut, size)])
    blocks = _blocks(size)
    assert grown.root() == Tree(size, blocks).root()
    expected = [*enumerate(blocks(1, 0)), *((256 + n, each) for n, each in enumerate(blocks(1, 1)))]
    assert [(each.number, each.hash) for each in found if each.level == 1] == expected
    assert [each for each in found if each.level == 2] == [Subtree(2, 0, blocks(2, 0)[0])]


@pytest.mark.parametrize("size", _SIZES)
def test_a_tree_goes_on_from_where_it_was(size: int) -> None:
    more = _LEAVES[size : size + 300]
    grown = GrowingTree(size, _blocks(size))
    assert grown.root() == Tree(size, _blocks(size)).root()
    completed = grown.add(more)
    assert grown.root() == root_of(_LEAVES[: size + len(more)])
    numbers = range(size // BLOCK, (size + len(more)) // BLOCK)
    assert [each.number for each in completed if each.level == 1] == list(numbers)


@given(st.integers(2, 600), st.data())
def test_a_false_inclusion_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    tree = Tree(size, _blocks(size))
    proof, root = tree.inclusion_proof(index), tree.root()

    def accepted(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
        return is_included(leaf, index=index, size=size, proof=proof, root=root)

    leaf, at = _LEAVES[index], data.draw(st.integers(0, len(proof) - 1))
    assert accepted(leaf, index, size, proof, root)
    assert not accepted(_LEAVES[(index + 1) % size], index, size, proof, root)
    assert not accepted(leaf, (index + 1) % size, size, proof, root)
    for wrong in (-1, size):
        assert not accepted(leaf, wrong, size, proof, root)
    changed = [*proof[:at], _flipped(proof[at]), *proof[at + 1 :]]
    for other in (proof[:at], [*proof, root], [root, *proof], changed, [*proof[::-1], root]):
        assert not accepted(leaf, index, size, other, root)
    assert not accepted(leaf, index, size, proof, _flipped(root))


def test_a_node_is_not_taken_for_a_leaf() -> None:
    tree = Tree(4, _blocks(4))
    inner = root_of(_LEAVES[:2])
    proof = tree.inclusion_proof(0)[1:]
    assert root_of([inner, *proof]) == tree.root()
    assert not is_included(inner, index=0, size=4, proof=proof, root=tree.root())


@given(st.integers(2, 600), st.data())
def test_a_false_consistency_is_refused(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    tree = Tree(size, _blocks(size))
    proof, root, old_root = tree.consistency_proof(old), tree.root(), tree.root(old)

    def accepted(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
        return is_consistent(old_size=old, old_root=old_root, size=size, root=root, proof=proof)

    assert accepted(old, old_root, size, root, proof)
    at = data.draw(st.integers(0, len(proof) - 1))
    changed = [*proof[:at], _flipped(proof[at]), *proof[at + 1 :]]
    for other in ([], proof[:at], [*proof, root], changed):
        assert not accepted(old, old_root, size, root, other)
    assert not accepted(old, _flipped(old_root), size, root, proof)
    assert not accepted(old, old_root, size, _flipped(root), proof)
    assert not accepted(size + 1, old_root, size, root, proof)
    assert not accepted(-1, old_root, size, root, proof)
    # The forks that matter: a log of other events, as long or longer.
    forged = [*_LEAVES[: old - 1], b"\0" * 32, *_LEAVES[old:size]]
    fork = Tree(size, _blocks(size, forged))
    assert not accepted(old, old_root, size, fork.root(), fork.consistency_proof(old))
    assert not accepted(old, old_root, size, fork.root(), proof)


def test_an_empty_tree_is_extended_by_every_one_and_a_tree_by_itself() -> None:
    root = root_of(_LEAVES[:3])
    for size, new in ((0, EMPTY_ROOT), (3, root)):
        assert is_consistent(old_size=0, old_root=EMPTY_ROOT, size=size, root=new, proof=[])
    assert not is_consistent(old_size=0, old_root=root, size=3, root=root, proof=[])
    assert not is_consistent(old_size=0, old_root=EMPTY_ROOT, size=3, root=root, proof=[root])
    assert is_consistent(old_size=3, old_root=root, size=3, root=root, proof=[])
    assert not is_consistent(old_size=3, old_root=root, size=3, root=root, proof=[root])
    assert not is_consistent(old_size=3, old_root=EMPTY_ROOT, size=3, root=root, proof=[])


def _flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]
