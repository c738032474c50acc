"""Signs and opens notes (C2SP signed-note): text, an empty line, lines with signatures. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen

from projector.errors import NoteUnreadable, NoteUnsigned
from projector.tlog.keys import SigningKey, VerifierKey, decode, encode

#: The largest note that is opened, in bytes, and the most signatures in it.
NOTE_BYTES_MAX = 1_000_000
SIGNATURES_MAX = 100

_DASH = "\N{EM DASH}"
_SIGNATURE = re.compile(rf"{_DASH} (\S+) ([A-Za-z0-9+/]+=*)")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@frozen(kw_only=True)
class OpenedNote:
    """A note with the keys that have signed it."""

    #: What is signed; it ends with a newline.
    text: str
    signers: tuple[VerifierKey, ...]


def sign(text: str, key: SigningKey) -> str:
    """Return a text, which ends with a newline, as a note signed by a key."""
    signature = encode(key.verifier.key_id + key.sign(text.encode()))
    return f"{text}\n{_DASH} {key.name} {signature}\n"


def open_note(note: bytes, keys: Iterable[VerifierKey], *, what: str) -> OpenedNote:
    """Return the text of a note that at least one of the keys has signed.

    Signatures of other keys are ignored, as the format requires. `what` names the note in errors.
    Raises NoteUnreadable, or NoteUnsigned if no key has signed it or a signature is wrong.
    """
    text, signatures = _split(note, what)
    known = {(key.name, key.key_id): key for key in keys}
    signers = []
    for name, signature in signatures:
        key = known.get((name, signature[:4]))
        if key is None:
            continue
        if not key.has_signed(text.encode(), signature[4:]):
            raise NoteUnsigned(what=what, reason=f"the signature of {name} is wrong")
        signers.append(key)
    if not signers:
        names = ", ".join(dict.fromkeys(name for name, _ in signatures))
        raise NoteUnsigned(what=what, reason=f"its signatures are by other keys, of {names}")
    return OpenedNote(text=text, signers=tuple(signers))


def read_text(note: bytes, *, what: str) -> str:
    """Return the text of a note without verifying any signature; raises NoteUnreadable."""
    return _split(note, what)[0]


def _split(note: bytes, what: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the text of a note and its signatures, each with its key's name."""
    if len(note) > NOTE_BYTES_MAX:
        raise NoteUnreadable(what=what, reason=f"it has more than {NOTE_BYTES_MAX:,} bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise NoteUnreadable(what=what, reason="it is not UTF-8") from None
    text, separator, block = whole.rpartition("\n\n")
    if _CONTROL.search(whole) or not separator or not block.endswith("\n"):
        raise NoteUnreadable(what=what, reason="it is not a text with signatures")
    lines = block.split("\n")[:-1]
    if len(lines) > SIGNATURES_MAX:
        raise NoteUnreadable(what=what, reason=f"it has more than {SIGNATURES_MAX} signatures")
    return text + "\n", [_signature(line, what) for line in lines]


def _signature(line: str, what: str) -> tuple[str, bytes]:
    found = _SIGNATURE.fullmatch(line)
    try:
        signature = decode(found[2]) if found else b""
    except ValueError:
        signature = b""
    if found is None or len(signature) < 5:
        raise NoteUnreadable(what=what, reason="a line after the text is not a signature")
    return found[1], signature
