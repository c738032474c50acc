"""Proves that an event is in the log of a checkpoint, and that this log extends an older one."""

from __future__ import annotations

from attrs import frozen

from projector.errors import PositionNotSealed, SizeNotSealed
from projector.sealing.checkpoints import read_note, require_extends
from projector.store.database import Database
from projector.store.sealed import leaves, records, subtrees
from projector.tlog import note, record
from projector.tlog.checkpoint import Checkpoint
from projector.tlog.keys import encode
from projector.tlog.proofs import ConsistencyProof, InclusionProof


@frozen(kw_only=True)
class LeafDetail:
    """The sealed parts of an event; commitment and salt in hex."""

    commitment: str
    #: None if the event is erased; then the record is None, too.
    salt: str | None
    #: Text that has NULs in it: see `projector.tlog.record`.
    record: str | None


@frozen(kw_only=True)
class EventProof:
    """A proof that an event is in the log, with the event unless it is erased."""

    position: int
    #: Of the leaf, from 0: the position minus 1.
    index: int
    #: The number of events that the checkpoint seals.
    size: int
    #: The hashes from the leaf's sibling to the root's child, in base64.
    proof: tuple[str, ...]
    #: The note of the checkpoint.
    checkpoint: str
    leaf: LeafDetail
    #: The erasure that has erased the event; None if it is there.
    erased: int | None


@frozen(kw_only=True)
class ExtensionProof:
    """A proof that the log of a checkpoint extends that of `old` events."""

    old: int
    size: int
    #: The hashes of the consistency proof, in base64.
    proof: tuple[str, ...]
    #: The note of the checkpoint.
    checkpoint: str


def prove_event(database: Database, position: int, path: str) -> tuple[InclusionProof, EventProof]:
    """Prove that an event is in the log of the checkpoint in a file.

    Raises PositionNotSealed, CheckpointInconsistent if the checkpoint is not of this log,
    FileUnreadable or NoteUnreadable. Its signature is not verified, because a proof says nothing
    without verifying it.
    """
    signed, checkpoint = _read(path)
    if not 1 <= position <= checkpoint.size:
        raise PositionNotSealed(position=position, size=checkpoint.size)
    with database.reading() as connection:
        require_extends(connection, checkpoint, what=path)
        hashes = tuple(subtrees.tree(connection, checkpoint.size).inclusion_proof(position - 1))
        [leaf] = leaves.read(connection, after=position - 1, until=position)
        found = dict(records.scan(connection, after=position - 1, until=position))
    event_record = None if leaf.salt is None else found.get(position)
    proof = InclusionProof(index=position - 1, hashes=hashes, checkpoint=signed)
    return proof, EventProof(
        position=position,
        index=position - 1,
        size=checkpoint.size,
        proof=tuple(map(encode, hashes)),
        checkpoint=signed,
        leaf=LeafDetail(
            commitment=leaf.commitment.hex(),
            salt=None if leaf.salt is None else leaf.salt.hex(),
            record=None if event_record is None else event_record.decode(errors="replace"),
        ),
        erased=record.erasure_of(found.get(position, b"")),
    )


def prove_extension(
    database: Database, old: int, path: str
) -> tuple[ConsistencyProof, ExtensionProof]:
    """Prove that the log of the checkpoint in a file extends that of the first `old` events.

    Raises SizeNotSealed, CheckpointInconsistent if the checkpoint is not of this log,
    FileUnreadable or NoteUnreadable.
    """
    signed, checkpoint = _read(path)
    if not 0 <= old <= checkpoint.size:
        raise SizeNotSealed(old=old, size=checkpoint.size)
    with database.reading() as connection:
        require_extends(connection, checkpoint, what=path)
        hashes = tuple(subtrees.tree(connection, checkpoint.size).consistency_proof(old))
    proof = ConsistencyProof(old=old, hashes=hashes, checkpoint=signed)
    return proof, ExtensionProof(
        old=old, size=checkpoint.size, proof=tuple(map(encode, hashes)), checkpoint=signed
    )


def _read(path: str) -> tuple[str, Checkpoint]:
    """Return the note in a file and its checkpoint, without verifying the signature."""
    signed = read_note(path)
    checkpoint = Checkpoint.parse(note.read_text(signed, what=path), what=path)
    return signed.decode(), checkpoint
