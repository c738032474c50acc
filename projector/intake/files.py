"""Reads files of deliveries as byte streams: plain or gzip, from a path or standard input."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, cast

from projector.errors import FileCorrupt, FileUnreadable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: The paths that mean standard input.
STDIN = frozenset({"-", "/dev/stdin"})

_CHUNK_BYTES = 256 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


def read_chunks(
    path: str, *, on_read: Callable[[int], None] = lambda _position: None
) -> Iterator[bytes]:
    """Yield the content of a file or of standard input; gzip is detected by its magic number.

    `on_read` gets the number of bytes read of the file itself, before decompression. Raises
    FileUnreadable; FileCorrupt if gzip data are damaged or truncated, after everything before the
    damage has been yielded.
    """
    read = 0
    try:
        with _open(path) as raw:
            head = raw.read(len(_GZIP_MAGIC))
            stream: BufferedReader[_Rejoined] | gzip.GzipFile
            stream = BufferedReader(_Rejoined(head, raw), _CHUNK_BYTES)
            if head == _GZIP_MAGIC:
                stream = gzip.GzipFile(fileobj=stream)
            while chunk := stream.read1(_CHUNK_BYTES):
                yield chunk
                read += len(chunk)
                on_read(raw.tell() if raw.seekable() else read)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileCorrupt(path=path, reason=error) from error
    except OSError as error:
        raise FileUnreadable(path=path, reason=error.strerror or error) from error


class _Rejoined(RawIOBase):
    """A stream with its first bytes put back in front: a pipe cannot seek to its beginning."""

    def __init__(self, head: bytes, rest: BufferedReader) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, target: WriteableBuffer) -> int:
        buffer = memoryview(target)
        if not self._head:
            return self._rest.readinto1(buffer)
        count = min(len(buffer), len(self._head))
        buffer[:count] = self._head[:count]
        self._head = self._head[count:]
        return count


def size(path: str) -> int | None:
    """Return the size of a file in bytes; None for standard input. Raises FileUnreadable."""
    try:
        return Path(path).stat().st_size if path not in STDIN else None
    except OSError as error:
        raise FileUnreadable(path=path, reason=error.strerror or error) from error


def _open(path: str) -> AbstractContextManager[BufferedReader]:
    if path in STDIN:
        # Not closed after reading: standard input belongs to the process.
        if sys.stdin is None:
            raise FileUnreadable(path=path, reason="standard input is closed")
        return nullcontext(cast(BufferedReader, sys.stdin.buffer))
    return Path(path).open("rb")
