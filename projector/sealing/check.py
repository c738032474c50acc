"""Checks a proof without a database: what a customer or an auditor does with it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from attrs import frozen

from projector.errors import ProofUnreadable, ProofWrong
from projector.tlog import record
from projector.tlog.checkpoint import decode_hash, open_checkpoint
from projector.tlog.keys import VerifierKey
from projector.tlog.proofs import ConsistencyProof, InclusionProof
from projector.tlog.tree import leaf_hash
from projector.tlog.verification import is_consistent, is_included


@frozen(kw_only=True)
class ProofCheck:
    """The statement of a proof that is right."""

    #: The log, and the number of its events that the checkpoint seals.
    origin: str
    size: int
    #: The event that is in the log; None for a proof that the log extends an older one.
    position: int | None
    #: What is sealed of the event, in hex.
    commitment: str | None
    #: The event, if the proof has it: see `projector.tlog.record`.
    record: str | None
    #: The erasure that has erased the event, by the word of the proof; None if it is not erased.
    erased: int | None
    #: The size of the older log, for a proof that the log extends it.
    old: int | None


class _Leaf(msgspec.Struct, kw_only=True):
    commitment: str
    salt: str | None
    record: str | None


class _Document(msgspec.Struct, kw_only=True):
    """The JSON of `prove`: see `projector.sealing.prove.EventProof`."""

    position: int
    index: int
    proof: list[str]
    checkpoint: str
    leaf: _Leaf
    erased: int | None = None


def check_proof(
    proof: bytes,
    keys: Sequence[VerifierKey],
    *,
    commitment: str | None = None,
    old: bytes | None = None,
    what: str,
) -> ProofCheck:
    """Check a proof of any of three kinds; `what` names its file in errors.

    - the JSON of an event's proof, which has the event: it is compared with its commitment
    - a `.tlog-proof`, for an event whose `commitment` is given in hex
    - a proof that a log extends an `old` one, whose checkpoint is given

    Raises ProofWrong, ProofUnreadable, NoteUnreadable, NoteUnsigned or ExtraMissing.
    """
    if proof.startswith(b"old "):
        return _check_extension(ConsistencyProof.parse(proof, what=what), keys, old, what)
    record_text = erasure_id = None
    if proof.lstrip()[:1] == b"{":
        parsed, document = _parse_document(proof, what)
        committed = bytes.fromhex(document.leaf.commitment)
        record_text, erasure_id = document.leaf.record, document.erased
    else:
        parsed = InclusionProof.parse(proof, what=what)
        if commitment is None:
            raise ProofUnreadable(what=what, reason="the commitment of its event is not given")
        committed = _from_hex(commitment, "the commitment", what)
    head = open_checkpoint(parsed.checkpoint.encode(), keys, what=what)
    leaf = leaf_hash(committed)
    if not is_included(
        leaf, index=parsed.index, size=head.size, proof=parsed.hashes, root=head.root
    ):
        raise ProofWrong(what=what, reason="it does not lead to the root of the checkpoint.")
    return ProofCheck(
        origin=head.origin,
        size=head.size,
        position=parsed.index + 1,
        commitment=committed.hex(),
        record=record_text,
        erased=erasure_id,
        old=None,
    )


def _check_extension(
    proof: ConsistencyProof, keys: Sequence[VerifierKey], old: bytes | None, what: str
) -> ProofCheck:
    if old is None:
        raise ProofUnreadable(what=what, reason="the older checkpoint is not given")
    head = open_checkpoint(proof.checkpoint.encode(), keys, what=what)
    older = open_checkpoint(old, keys, what="the older checkpoint")
    if (older.origin, older.size) != (head.origin, proof.old):
        raise ProofWrong(
            what=what,
            reason=f"it is of {proof.old} events of {head.origin}; the older checkpoint is of "
            f"{older.size} events of {older.origin}.",
        )
    if not is_consistent(
        old_size=older.size,
        old_root=older.root,
        size=head.size,
        root=head.root,
        proof=proof.hashes,
    ):
        raise ProofWrong(what=what, reason="it does not lead to the roots of the checkpoints.")
    return ProofCheck(
        origin=head.origin,
        size=head.size,
        position=None,
        commitment=None,
        record=None,
        erased=None,
        old=older.size,
    )


def _parse_document(proof: bytes, what: str) -> tuple[InclusionProof, _Document]:
    """Return the proof in a JSON document, and that, whose event fits its commitment."""
    try:
        found = msgspec.json.decode(proof, type=_Document)
    except (ValueError, RecursionError) as error:
        raise ProofUnreadable(what=what, reason=error) from None
    if found.position != found.index + 1:
        raise ProofWrong(what=what, reason="its index is not that of its position.")
    _check_leaf(found, what)
    try:
        hashes = tuple(map(decode_hash, found.proof))
    except ValueError as error:
        raise ProofUnreadable(what=what, reason=error) from None
    return InclusionProof(index=found.index, hashes=hashes, checkpoint=found.checkpoint), found


def _check_leaf(found: _Document, what: str) -> None:
    """Check that the event in a document, if there is one, is that of its commitment."""
    committed = _from_hex(found.leaf.commitment, "the commitment", what)
    if (found.leaf.salt is None) != (found.leaf.record is None):
        raise ProofUnreadable(what=what, reason="it has the salt without the event, or only that")
    if found.leaf.salt is None or found.leaf.record is None:
        return
    if found.erased is not None:
        raise ProofWrong(what=what, reason="its event is said to be erased, and is there.")
    salt = _from_hex(found.leaf.salt, "the salt", what)
    if record.commit(salt, found.leaf.record.encode()) != committed:
        raise ProofWrong(what=what, reason="its event is not the one of its commitment.")
    if not found.leaf.record.startswith(f"{record.PREFIX.decode()}{found.position}\0"):
        raise ProofWrong(what=what, reason="its event is of another position.")


def _from_hex(text: str, name: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ProofUnreadable(what=what, reason=f"{name} is not hex") from None
