"""Defines proofs as text: of inclusion (C2SP tlog-proof), of consistency (tlog-witness). PURE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from attrs import frozen

from projector.errors import ProofUnreadable
from projector.tlog.checkpoint import decode_hash, parse_decimal
from projector.tlog.keys import encode

_HEADER = "c2sp.org/tlog-proof@v1"

#: The largest proof that is read, in bytes, and the most hashes in it: of a tree of 2 ** 63 leaves.
PROOF_BYTES_MAX = 2_000_000
HASHES_MAX = 63


@frozen(kw_only=True)
class InclusionProof:
    """A proof that a leaf is in the tree of a checkpoint."""

    #: Of the leaf, from 0: the event's position minus 1.
    index: int
    hashes: tuple[bytes, ...]
    #: The note of the checkpoint.
    checkpoint: str

    def as_text(self) -> str:
        """Return the text of a `.tlog-proof` file."""
        return _join([_HEADER, f"index {self.index}"], self.hashes, self.checkpoint)

    @classmethod
    def parse(cls, text: bytes, *, what: str) -> Self:
        """Parse the text of a file; raises ProofUnreadable. Extra data is ignored."""
        lines, checkpoint = _split(text, what)
        if lines[:1] != [_HEADER]:
            raise ProofUnreadable(what=what, reason=f"it does not begin with {_HEADER}")
        del lines[0]
        if lines and lines[0].startswith("extra "):
            del lines[0]
        index, hashes = _numbered("index", lines, what)
        return cls(index=index, hashes=hashes, checkpoint=checkpoint)


@frozen(kw_only=True)
class ConsistencyProof:
    """A proof that the log of a checkpoint extends an older one."""

    #: The size of the older log.
    old: int
    hashes: tuple[bytes, ...]
    #: The note of the checkpoint.
    checkpoint: str

    def as_text(self) -> str:
        """Return the body of a request `add-checkpoint` to a witness."""
        return _join([f"old {self.old}"], self.hashes, self.checkpoint)

    @classmethod
    def parse(cls, text: bytes, *, what: str) -> Self:
        """Parse such a text; raises ProofUnreadable."""
        lines, checkpoint = _split(text, what)
        old, hashes = _numbered("old", lines, what)
        return cls(old=old, hashes=hashes, checkpoint=checkpoint)


def _join(lines: list[str], hashes: Sequence[bytes], checkpoint: str) -> str:
    return "\n".join([*lines, *map(encode, hashes), "", checkpoint])


def _split(text: bytes, what: str) -> tuple[list[str], str]:
    """Return the lines before the first empty line, and the checkpoint behind it."""
    if len(text) > PROOF_BYTES_MAX:
        raise ProofUnreadable(what=what, reason=f"it has more than {PROOF_BYTES_MAX:,} bytes")
    try:
        head, separator, checkpoint = text.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise ProofUnreadable(what=what, reason="it is not UTF-8") from None
    if not separator or not checkpoint:
        raise ProofUnreadable(what=what, reason="it has no checkpoint")
    return head.split("\n"), checkpoint


def _numbered(word: str, lines: Sequence[str], what: str) -> tuple[int, tuple[bytes, ...]]:
    """Return the number behind a word in the first line, and the hashes in the others."""
    first, *others = lines or [""]
    if len(others) > HASHES_MAX:
        raise ProofUnreadable(what=what, reason=f"it has more than {HASHES_MAX} hashes")
    try:
        if not first.startswith(f"{word} "):
            raise ValueError(f"it has no line with the word {word!r} and a number")
        number = parse_decimal(first.removeprefix(f"{word} "))
        return number, tuple(map(decode_hash, others))
    except ValueError as error:
        raise ProofUnreadable(what=what, reason=error) from None
