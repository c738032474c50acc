"""Unpacks streams: gzip, bzip2 and xz, in pieces of bounded size."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from projector.errors import FileCorrupt
from projector.intake.formats import Packing

#: The most bytes that are unpacked at once, however well they were packed (a bomb).
_UNPACKED_BYTES = 256 * 1024

#: The most packed bytes that are unpacked at once. The libraries copy the rest after every member
#: and, some of them, after every piece of output, and a hostile file has thousands of them in a few
#: bytes: a large piece would take quadratic time.
_PACKED_BYTES = 8 * 1024

#: The most memory of an unpacker: eight times what `xz -9` needs.
_XZ_BYTES_MAX = 512 * 1024 * 1024

#: zlib's wbits for a gzip header and the largest window.
_GZIP = 31


class _Member(Protocol):
    """The interface that the decompressors of bz2 and lzma share."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipMember:
    """The same for zlib."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


_MEMBERS: dict[Packing, Callable[[], _Member]] = {
    Packing.GZIP: _GzipMember,
    Packing.BZIP2: bz2.BZ2Decompressor,
    Packing.XZ: lambda: lzma.LZMADecompressor(memlimit=_XZ_BYTES_MAX),
}


def unpack(chunks: Iterable[bytes], packing: Packing, name: str) -> Iterator[bytes]:
    """Yield a packed stream unpacked, in chunks of bounded size.

    It may have several members, whose contents are one text; zeros behind a member are padding.
    Raise FileCorrupt, with `name`, after everything before the damage has been yielded; bytes
    behind the last member are such damage.
    """
    member: _Member | None = None
    for piece in _pieces(chunks):
        packed = piece.lstrip(b"\0") if member and member.eof else piece
        while packed or (member and not member.eof and not member.needs_input):
            try:
                if member is None or member.eof:
                    member = _MEMBERS[packing]()
                unpacked = member.decompress(packed, _UNPACKED_BYTES)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                raise FileCorrupt(path=name, reason=error) from None
            if unpacked:
                yield unpacked
            packed = member.unused_data.lstrip(b"\0") if member.eof else b""
    if member and not member.eof:
        raise FileCorrupt(path=name, reason=f"the {packing} stream is truncated")


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), _PACKED_BYTES):
            yield chunk[at : at + _PACKED_BYTES]
