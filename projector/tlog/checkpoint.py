"""Defines checkpoints, the signed heads of a log (C2SP tlog-checkpoint). PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Self

from attrs import frozen

from projector.errors import NoteUnreadable, NoteUnsigned
from projector.tlog import note
from projector.tlog.keys import SigningKey, VerifierKey, decode, encode

_DECIMAL = re.compile("0|[1-9][0-9]{0,18}")


@frozen(kw_only=True)
class Checkpoint:
    """The head of a log: its number of leaves, and the root of their tree."""

    #: The name of the log, which is that of its key.
    origin: str
    size: int
    #: 32 bytes.
    root: bytes

    @property
    def text(self) -> str:
        """The signed text."""
        return f"{self.origin}\n{self.size}\n{encode(self.root)}\n"

    @classmethod
    def parse(cls, text: str, *, what: str) -> Self:
        """Parse a checkpoint, with or without extension lines; raises NoteUnreadable."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not all(lines):
            raise NoteUnreadable(what=what, reason="it lacks a line of name, size or root")
        origin, size, encoded = lines[:3]
        try:
            number, root = parse_decimal(size), decode_hash(encoded)
        except ValueError as error:
            raise NoteUnreadable(what=what, reason=error) from None
        return cls(origin=origin, size=number, root=root)


@frozen(kw_only=True)
class SignedCheckpoint:
    """A checkpoint with its note."""

    origin: str
    size: int
    #: In base64, as in the note.
    root: str
    note: str

    @classmethod
    def of(cls, checkpoint: Checkpoint, signed: str) -> Self:
        """Return a checkpoint with its note."""
        return cls(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=encode(checkpoint.root),
            note=signed,
        )


def sign(checkpoint: Checkpoint, key: SigningKey) -> SignedCheckpoint:
    """Sign a checkpoint."""
    return SignedCheckpoint.of(checkpoint, note.sign(checkpoint.text, key))


def open_checkpoint(signed: bytes, keys: Iterable[VerifierKey], *, what: str) -> Checkpoint:
    """Return the checkpoint of a note that the key of its log has signed, which is among `keys`.

    `what` names the note in errors. Raises NoteUnreadable or NoteUnsigned.
    """
    opened = note.open_note(signed, keys, what=what)
    checkpoint = Checkpoint.parse(opened.text, what=what)
    if all(key.name != checkpoint.origin for key in opened.signers):
        raise NoteUnsigned(what=what, reason=f"it is the log {checkpoint.origin}'s")
    return checkpoint


def parse_decimal(text: str) -> int:
    """Parse a decimal number without sign or leading zeros; raises ValueError."""
    if not _DECIMAL.fullmatch(text) or int(text) >= 2**63:
        raise ValueError("a number in it is not a decimal of 64 bits")
    return int(text)


def decode_hash(text: str) -> bytes:
    """Decode a SHA-256 hash in base64; raises ValueError."""
    value = decode(text)
    if len(value) != 32:
        raise ValueError("a hash in it does not have 32 bytes")
    return value
