"""Files of deliveries as streams of bytes: plain or gzip, a path or standard input."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader
from pathlib import Path
from typing import cast

from projector.errors import FileCorrupt, FileUnreadable

#: Standard input, as a path.
STDIN = "-"

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
            zipped = raw.peek(2)[:2] == _GZIP_MAGIC
            stream = gzip.GzipFile(fileobj=raw) if zipped else raw
            while chunk := stream.read1(_CHUNK_BYTES):
                yield chunk
                read += len(chunk)
                on_read(raw.tell() if raw.seekable() else read)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileCorrupt(path=path, reason=error) from error
    except OSError as error:
        raise FileUnreadable(path=path, reason=error.strerror or error) from error


def size(path: str) -> int | None:
    """The bytes of a file; None where that is not known before it is read."""
    try:
        return Path(path).stat().st_size if path != STDIN else None
    except OSError as error:
        raise FileUnreadable(path=path, reason=error.strerror or error) from error


def _open(path: str) -> AbstractContextManager[BufferedReader]:
    if path == STDIN:
        # Not closed: it is not ours.
        if sys.stdin is None:
            raise FileUnreadable(path=path, reason="standard input is closed")
        return nullcontext(cast(BufferedReader, sys.stdin.buffer))
    return Path(path).open("rb")
