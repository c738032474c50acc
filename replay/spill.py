"""Facts on disk, divided into buckets by their stream: what a scan writes and a fold reads.

A bucket is a file; any process may add to it, a block at a time. What a block has of an event is
what a fold needs and no more: a third of the body, or less.
"""

from __future__ import annotations

import errno
import mmap
import os
from array import array
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

#: The stream of events that name no customer.
NO_STREAM = 0


#: An event, as far as a fold needs it: stream_id, occurred_at, event_id, position, type, the fact
#: as the codec encodes it, or none and the reason why. They sort as they are folded.
Spilled = tuple[int, datetime, str, int, str, bytes, str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Spilled]).decode
_LENGTH_BYTES = 8


class Assignment:
    """Which bucket each stream belongs to: two bytes a stream, in a file that processes share."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.bucket_of = memoryview(self._map).cast("H")

    @staticmethod
    def write(path: Path, streams: int, buckets: int, in_order: Iterable[int]) -> None:
        """Assign streams, which come in the order of their customers, to buckets of equal size.

        The first place, of no stream, is in the first bucket.
        """
        assigned = array("H", bytes(2 * (streams + 1)))
        for rank, stream_id in enumerate(in_order):
            # Streams that were opened after the plan was made have no events that count.
            if stream_id <= streams:
                assigned[stream_id] = min(rank * buckets // max(streams, 1), buckets - 1)
        path.write_bytes(assigned.tobytes())


def write(folder: Path, blocks: dict[int, list[Spilled]]) -> None:
    """Add a block to each of some buckets."""
    for bucket, block in blocks.items():
        text = _encode(block)
        file = os.open(path_of(folder, bucket), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            _write(file, len(text).to_bytes(_LENGTH_BYTES, "big") + text)
        finally:
            os.close(file)


def read(folder: Path, bucket: int) -> Iterator[list[Spilled]]:
    """The blocks of a bucket."""
    path = path_of(folder, bucket)
    if not path.exists():
        return
    with path.open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            yield _decode(file.read(int.from_bytes(length, "big")))


def path_of(folder: Path, bucket: int) -> Path:
    """The file of a bucket."""
    return folder / f"bucket-{bucket}"


def _write(file: int, text: bytes) -> None:
    """One write, or blocks of two processes would get into each other; all of it, or an error."""
    written = os.write(file, text)
    if written != len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
