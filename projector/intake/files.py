"""Reads files of deliveries as byte streams, from a path or standard input."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader
from pathlib import Path
from typing import cast

from projector.errors import FileUnreadable
from projector.intake import formats
from projector.intake.archives import unzip
from projector.intake.content import peek, to_text
from projector.intake.formats import Packing

#: The paths that mean standard input.
STDIN = frozenset({"-", "/dev/stdin"})

_CHUNK_BYTES = 256 * 1024


def read_chunks(
    path: str, *, on_read: Callable[[int], None] = lambda _position: None
) -> Iterator[bytes]:
    """Yield the content of a file or of standard input, as UTF-8 text.

    Its format is recognised by its content: gzip, bzip2, xz, zip; UTF-16 and UTF-32. `on_read` gets
    the number of bytes read of the file itself. Raises FileUnreadable; FormatUnreadable before
    anything has been yielded; FileCorrupt if the file is damaged or truncated, after everything
    before the damage has been yielded.
    """
    try:
        with _open(path) as raw:
            head, chunks = peek(_chunks(raw, on_read))
            if formats.packing(head) is not Packing.ZIP:
                yield from to_text(chunks, path, packings=frozenset(Packing))
            elif path not in STDIN:
                yield from unzip(raw, path)
            else:
                # The directory of an archive is at its end, and a pipe cannot seek.
                with tempfile.TemporaryFile() as copy:
                    copy.writelines(chunks)
                    yield from unzip(copy, path)
    except OSError as error:
        raise FileUnreadable(path=path, reason=error.strerror or error) from error


def _chunks(raw: BufferedReader, on_read: Callable[[int], None]) -> Iterator[bytes]:
    read = 0
    while chunk := raw.read1(_CHUNK_BYTES):
        read += len(chunk)
        on_read(read)
        yield chunk


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
