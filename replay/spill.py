"""Facts on disk, divided into buckets by their stream: what a scan writes and a fold reads.

A bucket is a file; any process may add to it, a block at a time. What a block has of an event is
what a fold needs and no more: a third of the body, or less.
"""

from __future__ import annotations

import errno
import mmap
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path

import msgspec

from projector.envelope import CanonicalKey, CustomerKey

#: The stream of events that name no customer.
NO_STREAM = 0


#: An event, as far as a fold needs it: stream_id, key, position, type, the fact as the codec
#: encodes it, or none and the reason why. They sort as they are folded.
SpillRecord = tuple[int, CanonicalKey, int, str, bytes, str]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[SpillRecord]).decode
_decode_customers = msgspec.msgpack.Decoder(list[tuple[int, CustomerKey]]).decode
_LENGTH_BYTES = 8
_ASSIGNMENT = "assignment"


class Assignment:
    """Which bucket each stream belongs to: two bytes a stream, in a file that processes share."""

    def __init__(self, folder: Path) -> None:
        with (folder / _ASSIGNMENT).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.bucket_of = memoryview(self._map).cast("H")


def assign(
    folder: Path, streams: int, buckets: int, in_order: Iterable[tuple[int, CustomerKey]]
) -> None:
    """Assign streams, which come by customer, to buckets of as many streams each.

    So the customers of one bucket come before those of the next one. Each bucket gets a list of its
    own; the events of no stream are in the first one.
    """
    assigned = array("H", bytes(2 * (streams + 1)))
    # Those that were opened after the plan was made have no events that count.
    known = enumerate(each for each in in_order if each[0] <= streams)
    for bucket, some in groupby(known, lambda each: each[0] * buckets // streams):
        mine = [each for _, each in some]
        for stream_id, _ in mine:
            assigned[stream_id] = bucket
        with _customers(folder, bucket).open("wb") as file:
            file.write(_block(_encode(mine)))
    (folder / _ASSIGNMENT).write_bytes(assigned.tobytes())


def customers(folder: Path, bucket: int) -> Iterator[tuple[int, CustomerKey]]:
    """The streams of a bucket, by customer."""
    return chain.from_iterable(map(_decode_customers, _blocks(_customers(folder, bucket))))


def write(folder: Path, blocks: Mapping[int, Sequence[object]]) -> None:
    """Add a block to each of some buckets."""
    for bucket, block in blocks.items():
        file = os.open(path_of(folder, bucket), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # At once, or blocks of two processes would get into each other; all of it, or an error.
            text = _block(_encode(block))
            if os.write(file, text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)


def read(folder: Path, bucket: int) -> Iterator[list[SpillRecord]]:
    """The blocks of a bucket."""
    return map(_decode, _blocks(path_of(folder, bucket)))


def remove(folder: Path, bucket: int) -> None:
    """Make room: a bucket is read once."""
    for path in (path_of(folder, bucket), _customers(folder, bucket)):
        path.unlink(missing_ok=True)


def path_of(folder: Path, bucket: int) -> Path:
    """The file of a bucket's events."""
    return folder / f"bucket-{bucket}"


def _customers(folder: Path, bucket: int) -> Path:
    return folder / f"customers-{bucket}"


def _block(text: bytes) -> bytes:
    return len(text).to_bytes(_LENGTH_BYTES, "big") + text


def _blocks(path: Path) -> Iterator[bytes]:
    if not path.exists():
        return
    with path.open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            yield file.read(int.from_bytes(length, "big"))
