"""Proofs as text: what is written is read, and nothing that was cut or changed."""

import pytest

from projector.errors import NoteUnreadable, NoteUnsigned, ProofUnreadable, ProofWrong
from projector.sealing.check import check_proof
from projector.tlog.checkpoint import Checkpoint, sign
from projector.tlog.keys import SigningKey
from projector.tlog.proofs import ConsistencyProof, InclusionProof
from projector.tlog.tree import Tree, leaf_hash

_KEY = SigningKey.create("shop.example/projector", bytes(32))
_DATA = [bytes([number]) * 32 for number in range(7)]
_LEAVES = [leaf_hash(each) for each in _DATA]


def _tree(size: int) -> Tree:
    return Tree(size, lambda _level, _number: _LEAVES[:size])


def _signed(size: int) -> str:
    return sign(Checkpoint(origin=_KEY.name, size=size, root=_tree(size).root()), _KEY).note


_INCLUSION = InclusionProof(
    index=4, hashes=tuple(_tree(7).inclusion_proof(4)), checkpoint=_signed(7)
)
_CONSISTENCY = ConsistencyProof(
    old=3, hashes=tuple(_tree(7).consistency_proof(3)), checkpoint=_signed(7)
)

#: As C2SP tlog-proof shows it.
_WITH_EXTRA = _INCLUSION.as_text().replace("\nindex", "\nextra AAAA\nindex", 1)


def _check(proof: bytes) -> None:
    check_proof(
        proof,
        [_KEY.verifier],
        commitment=_DATA[4].hex(),
        old=_signed(3).encode(),
        what="it",
    )


def test_a_proof_is_read_as_it_was_written() -> None:
    assert InclusionProof.parse(_INCLUSION.as_text().encode(), what="it") == _INCLUSION
    assert InclusionProof.parse(_WITH_EXTRA.encode(), what="it") == _INCLUSION
    assert ConsistencyProof.parse(_CONSISTENCY.as_text().encode(), what="it") == _CONSISTENCY
    lines = _INCLUSION.as_text().split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 4"]
    assert _CONSISTENCY.as_text().startswith("old 3\n")


@pytest.mark.parametrize("proof", [_INCLUSION, _CONSISTENCY], ids=["inclusion", "consistency"])
def test_a_proof_that_is_cut_off_or_changed_anywhere_is_refused(
    proof: InclusionProof | ConsistencyProof,
) -> None:
    raw = proof.as_text().encode()
    _check(raw)
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        for wrong in (raw[:at], changed):
            with pytest.raises((ProofUnreadable, ProofWrong, NoteUnreadable, NoteUnsigned)):
                _check(wrong)


@pytest.mark.parametrize(
    ("proof", "problem"),
    [
        (b"\xff", "it is not UTF-8"),
        (b"x" * 3_000_000, "it has more than 2,000,000 bytes"),
        (b"c2sp.org/tlog-proof@v1\nindex 4\n", "it has no checkpoint"),
        (b"c2sp.org/tlog-proof@v2\nindex 4\n\nnote", "it does not begin with c2sp.org/tlog-proof"),
        (b"c2sp.org/tlog-proof@v1\n\nnote", "it has no line with the word 'index'"),
        (b"c2sp.org/tlog-proof@v1\nindex 04\n\nnote", "a number in it is not a decimal"),
        (b"c2sp.org/tlog-proof@v1\nindex 4\nAAAA\n\nnote", "a hash in it does not have 32 bytes"),
        (b"old 4" + b"\nAAAA" * 64 + b"\n\nnote", "it has more than 63 hashes"),
        (b"{}", "Object missing required field"),
        (b"[" * 100_000, "it has no checkpoint"),
        (b'{"a":' + b"[" * 100_000, "truncated|depth|recursion"),
    ],
    ids=range(11),
)
def test_what_is_no_proof_is_refused(proof: bytes, problem: str) -> None:
    with pytest.raises(ProofUnreadable, match=problem):
        _check(proof)


def test_a_proof_is_not_of_another_checkpoint() -> None:
    """Of an older one of the same log, and with the older one of another size."""
    other = InclusionProof(index=4, hashes=_INCLUSION.hashes, checkpoint=_signed(6))
    with pytest.raises(ProofWrong, match="does not lead to the root"):
        _check(other.as_text().encode())
    with pytest.raises(ProofWrong, match=r"it is of 3 events .*; the older checkpoint is of 4"):
        check_proof(
            _CONSISTENCY.as_text().encode(),
            [_KEY.verifier],
            old=_signed(4).encode(),
            what="it",
        )


def test_a_proof_of_a_log_with_a_foreign_key_is_refused() -> None:
    foreign = SigningKey.create(_KEY.name, b"\1" * 32)
    with pytest.raises(NoteUnsigned, match="by other keys"):
        check_proof(
            _INCLUSION.as_text().encode(),
            [foreign.verifier],
            commitment=_DATA[4].hex(),
            what="it",
        )


@pytest.mark.parametrize(
    ("proof", "problem"),
    [(_INCLUSION, "the commitment of its event"), (_CONSISTENCY, "the older checkpoint")],
    ids=["inclusion", "consistency"],
)
def test_what_a_proof_is_about_must_be_given(
    proof: InclusionProof | ConsistencyProof, problem: str
) -> None:
    with pytest.raises(ProofUnreadable, match=f"{problem} is not given"):
        check_proof(proof.as_text().encode(), [_KEY.verifier], what="it")
