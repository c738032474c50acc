"""Files of deliveries as streams of bytes: plain or gzip, a path or standard input."""

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

#: Standard input, as a path.
STDIN = frozenset({"-", "/dev/stdin"})

_CHUNK_BYTES = 256 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


def read_chunks(
    path: str, *, on_read: Callable[[int], None] = lambda _position: None
) -> Iterator[bytes]:
    """The content of a file, or of standard input; gzip is told by its first bytes.

    `on_read` gets how many bytes of the file itself have been read. Raises FileUnreadable, and
    FileCorrupt where compressed data are damaged or break off; all before that has been given out.
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
    """A stream whose first bytes were read already: a pipe cannot be wound back."""

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
    """The bytes of a file; None where that is not known before it is read."""
    try:
        return Path(path).stat().st_size if path not in STDIN else None
    except OSError as error:
        raise FileUnreadable(path=path, reason=error.strerror or error) from error


def _open(path: str) -> AbstractContextManager[BufferedReader]:
    if path in STDIN:
        # Not closed: it is not ours.
        if sys.stdin is None:
            raise FileUnreadable(path=path, reason="standard input is closed")
        return nullcontext(cast(BufferedReader, sys.stdin.buffer))
    return Path(path).open("rb")
