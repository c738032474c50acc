"""Stores facts on disk between scan and fold, partitioned into buckets by stream.

A bucket is a file to which any process may append a block at a time. A block has only what a fold
needs of each event: a third of the body, or less.
"""

from __future__ import annotations

import errno
import mmap
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain, groupby
from pathlib import Path

import msgspec

from projector.envelope import CanonicalKey, CustomerKey

#: The stream of events that name no customer.
NO_STREAM = 0


#: The part of an event that a fold needs: stream_id, canonical key, position, type, and the fact as
#: encoded by the codec. The order of the fields makes records sort in the order in which they are
#: folded.
SpillRecord = tuple[int, CanonicalKey, int, str, bytes]

#: A record before it is encoded: any tuple will do as its key.
_NewRecord = tuple[int, tuple[datetime, str], int, str, bytes]

_encoder = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder(list[SpillRecord]).decode
_decode_customers = msgspec.msgpack.Decoder(list[tuple[int, CustomerKey]]).decode
_LENGTH_BYTES = 8
#: The first byte of a msgpack array whose length follows in four bytes.
_ARRAY = b"\xdd"
_ASSIGNMENT = "assignment"


class Block:
    """Records that go to one bucket together.

    Each is encoded when it is added, so that a range's events are never in memory as objects.
    """

    def __init__(self, records: Iterable[_NewRecord] = ()) -> None:
        self._encoded = bytearray()
        self._records = 0
        for each in records:
            self.add(each)

    def add(self, record: _NewRecord) -> None:
        """Append a record; once written and read, its key is a CanonicalKey."""
        _encoder.encode_into(record, self._encoded, -1)
        self._records += 1

    def __len__(self) -> int:
        return self._records

    def __bytes__(self) -> bytes:
        return _ARRAY + self._records.to_bytes(4, "big") + self._encoded


class Assignment:
    """The bucket of each stream: two bytes a stream, in a memory-mapped file shared by workers."""

    def __init__(self, folder: Path) -> None:
        with (folder / _ASSIGNMENT).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.bucket_of = memoryview(self._map).cast("H")


def assign(
    folder: Path, streams: int, buckets: int, in_order: Iterable[tuple[int, CustomerKey]]
) -> None:
    """Assign streams to buckets of equal numbers of streams, and write each bucket's stream list.

    `in_order` has the streams by customer, so the customers of one bucket come before those of the
    next one. Events without a customer go into the first bucket.
    """
    assigned = array("H", bytes(2 * (streams + 1)))
    # Streams created after the plan was made have no events up to its position.
    known = enumerate(each for each in in_order if each[0] <= streams)
    for bucket, some in groupby(known, lambda each: each[0] * buckets // streams):
        streams_of_bucket = [each for _, each in some]
        for stream_id, _ in streams_of_bucket:
            assigned[stream_id] = bucket
        with _customers(folder, bucket).open("wb") as file:
            file.write(_framed(_encoder.encode(streams_of_bucket)))
    (folder / _ASSIGNMENT).write_bytes(assigned.tobytes())


def customers(folder: Path, bucket: int) -> Iterator[tuple[int, CustomerKey]]:
    """Yield the streams of a bucket, ordered by customer."""
    return chain.from_iterable(map(_decode_customers, _blocks(_customers(folder, bucket))))


def write(folder: Path, blocks: Mapping[int, Block]) -> None:
    """Append a block to each of the given buckets; raises OSError if it is not written whole."""
    for bucket, block in blocks.items():
        file = os.open(path_of(folder, bucket), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # One write call for each block: blocks of two processes must not interleave. A short
            # write means that the disk is full.
            content = _framed(bytes(block))
            if os.write(file, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)


def read(folder: Path, bucket: int) -> Iterator[list[SpillRecord]]:
    """Yield the blocks of a bucket."""
    return map(_decode, _blocks(path_of(folder, bucket)))


def remove(folder: Path, bucket: int) -> None:
    """Delete the files of a bucket, which is read only once, to free disk space."""
    for path in (path_of(folder, bucket), _customers(folder, bucket)):
        path.unlink(missing_ok=True)


def path_of(folder: Path, bucket: int) -> Path:
    """Return the path of the file that has a bucket's events."""
    return folder / f"bucket-{bucket}"


def _customers(folder: Path, bucket: int) -> Path:
    return folder / f"customers-{bucket}"


def _framed(content: bytes) -> bytes:
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


def _blocks(path: Path) -> Iterator[bytes]:
    if not path.exists():
        return
    with path.open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            yield file.read(int.from_bytes(length, "big"))
