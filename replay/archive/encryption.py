"""Encrypts the rows of an archive, each with the key of its position, and decrypts them.

What an erasure leaves of an event stays in the clear: its position, its project and when it was
received. All else is encrypted by AES-256-GCM. The nonce is a keyed hash of what is encrypted: so
rows can be compared without being decrypted, and without being encrypted again, and no nonce is
used for two texts. See docs/archive.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from projector.envelope import ERASED_SOURCE, OWN_SOURCE
from projector.store.erasure import markers
from projector.store.erasure.key_tree import halve
from projector.store.log_ranges import COLUMNS, Block
from replay.archive.local import requiring_extra

#: The values of each of the columns of an encrypted file: position, project_id, received_at (as
#: text), content (of what is not encrypted, or None) and encrypted (or None).
EncryptedBlock = tuple[Sequence[Any], ...]

NONCE_BYTES = 12

#: The sources of the rows that are not encrypted: markers, and the program's own events.
_CLEAR = frozenset({ERASED_SOURCE, OWN_SOURCE})

#: The columns that are encrypted, in this order; the body comes last, because it may be anything.
HIDDEN = (
    "event_id", "type", "stream_id", "customer_id", "occurred_at", "late", "source", "body",
)  # fmt: skip

_CONTEXT = "projector/archive/v2"
_POSITION, _PROJECT, _RECEIVED, _SOURCE = (
    COLUMNS.index(name) for name in ("position", "project_id", "received_at", "source")
)
_HIDDEN = [COLUMNS.index(name) for name in HIDDEN]

#: A fast level: the higher ones gain a few hundredths.
_ZLIB_LEVEL = 1


class KeyMissing(ValueError):
    """The key of position {position} is missing."""

    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(f"the key of position {position} is missing")


def encrypt(block: Block, keys: Iterable[bytes | None]) -> EncryptedBlock:
    """Encrypt the rows of a block with the keys of their positions.

    Raises KeyMissing, ExtraMissing; ValueError or TypeError for values that no column can have.
    """
    with requiring_extra():
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    contents: list[str | None] = []
    encrypted: list[bytes | None] = []
    # The keys may go on behind the block.
    for (at, source, plain), key in zip(_split(block), keys, strict=False):
        if source in _CLEAR:
            contents.append(plain)
            encrypted.append(None)
            continue
        encoded, context = plain.encode(), _context(*at)
        cipher_key, nonce_key = halve(_require(key, at[0]))
        nonce = _nonce(nonce_key, context, encoded)
        packed = zlib.compress(encoded, _ZLIB_LEVEL)
        contents.append(None)
        encrypted.append(nonce + AESGCM(cipher_key).encrypt(nonce, packed, context))
    return (*_clear_columns(block), contents, encrypted)


def nonces(block: Block, keys: Iterable[bytes | None]) -> list[tuple[Any, ...]]:
    """Return the rows of which the digest of an encrypted file is made, from those of the log.

    Raises KeyMissing, and ValueError or TypeError as `encrypt` does.
    """
    rows: list[tuple[Any, ...]] = []
    # The keys may go on behind the block.
    for (at, source, plain), key in zip(_split(block), keys, strict=False):
        if source in _CLEAR:
            rows.append((*at, plain, None))
        else:
            nonce_key = halve(_require(key, at[0]))[1]
            rows.append((*at, None, _nonce(nonce_key, _context(*at), plain.encode()).hex()))
    return rows


def digest_rows(block: EncryptedBlock) -> list[tuple[Any, ...]]:
    """Return the rows of which the digest of an encrypted file is made, from those of the file.

    Of what is encrypted they have the nonce.
    """
    *columns, encrypted = block
    short = [None if each is None else each[:NONCE_BYTES].hex() for each in encrypted]
    return list(zip(*columns, short, strict=True))


def decrypt(
    block: EncryptedBlock, keys: Iterable[bytes | None], erased: Mapping[int, int]
) -> Block:
    """Decrypt rows with the keys of their positions.

    A row whose position is among `erased` becomes the marker of that erasure, also if its key is
    still there. Raises KeyMissing, ExtraMissing, or ValueError for a row that was changed, or
    encrypted with another key.
    """
    with requiring_extra():
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    rows: list[tuple[Any, ...]] = []
    for (position, project_id, received_at, content, data), key in zip(
        zip(*block, strict=True), keys, strict=False
    ):
        at = (position, project_id, received_at)
        if position in erased:
            rows.append(markers.row(*at, erased[position]))
        elif data is None:
            rows.append(parse(*at, content))
        else:
            cipher_key, nonce_key = halve(_require(key, position))
            nonce, context = data[:NONCE_BYTES], _context(*at)
            try:
                packed = AESGCM(cipher_key).decrypt(nonce, data[NONCE_BYTES:], context)
            except (InvalidTag, ValueError):
                raise _changed(position) from None
            encoded = zlib.decompress(packed)
            if _nonce(nonce_key, context, encoded) != nonce:
                raise _changed(position)
            rows.append(parse(*at, encoded.decode()))
    return tuple(zip(*rows, strict=True))


def with_markers(block: Block, erased: Mapping[int, int]) -> Block:
    """Return a block that is not encrypted, with markers at the positions of `erased`."""
    if erased.keys().isdisjoint(block[_POSITION]):
        return block
    return tuple(
        zip(
            *(
                markers.row(row[0], row[_PROJECT], row[_RECEIVED], erased[row[0]])
                if row[0] in erased
                else row
                for row in zip(*block, strict=True)
            ),
            strict=True,
        )
    )


def _clear_columns(block: Block) -> tuple[Sequence[Any], ...]:
    return block[_POSITION], block[_PROJECT], block[_RECEIVED]


def _split(block: Block) -> Iterator[tuple[Any, ...]]:
    """Yield, of each row, the columns that are not hidden, the source, and the hidden text."""
    clear = zip(*_clear_columns(block), strict=True)
    return zip(clear, block[_SOURCE], _texts(block), strict=True)


def _texts(block: Block) -> Iterable[str]:
    """Yield the part of each row that is hidden, as one text; raises ValueError or TypeError."""
    for event_id, type_, stream_id, customer_id, occurred_at, late, source, body in zip(
        *(block[index] for index in _HIDDEN), strict=True
    ):
        stream = "" if stream_id is None else f"{stream_id:d}"
        customer = "" if customer_id is None else customer_id
        header = (event_id, type_, stream, customer, occurred_at, "1" if late else "0", source)
        joined = "\0".join(header)
        if joined.count("\0") != len(header) - 1:
            raise ValueError("an identifier holds a NUL character")
        yield "\0".join((joined, body))


def parse(position: int, project_id: str, received_at: str, text: str) -> tuple[Any, ...]:
    """Return a row of the log from a text that `_texts` has made; raises ValueError."""
    event_id, type_, stream, customer_id, occurred_at, late, source, body = text.split("\0", 7)
    identity = (position, project_id, event_id, type_)
    customer = (int(stream), customer_id) if stream else (None, None)
    return (*identity, *customer, occurred_at, received_at, late == "1", source, body)


def _context(position: int, project_id: str, received_at: str) -> bytes:
    """Return the data that is authenticated beside what is encrypted."""
    return "\0".join((_CONTEXT, str(position), project_id, received_at)).encode()


def _nonce(key: bytes, context: bytes, encoded: bytes) -> bytes:
    return blake2b(context + b"\0" + encoded, key=key, digest_size=NONCE_BYTES).digest()


def _require(key: bytes | None, position: int) -> bytes:
    if key is None:
        raise KeyMissing(position)
    return key


def _changed(position: int) -> ValueError:
    return ValueError(f"position {position} was changed, or encrypted with another key")
