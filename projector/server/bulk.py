"""POST /events: many deliveries in one body, appended while it comes, with an outcome for each."""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import msgspec
from anyio import to_thread
from attrs import frozen
from starlette.requests import Request

from projector.envelope import DeliveryDefaults, Item
from projector.errors import FileCorrupt
from projector.intake.batches import read_batches
from projector.server import bodies
from projector.server.errors import BodyTooSlow, EncodingUnknown, Overloaded
from projector.server.webhooks import DeliveryResult
from projector.server.writer import Writer
from projector.store.append import Outcome, Receipt
from projector.text.encode import as_json

#: How many bodies are read at the same time; each holds some of the memory.
BODIES_MAX = 4

#: The limits of a transaction: items, and bytes of documents.
BATCH_ITEMS_MAX = 1_000
BATCH_BYTES_MAX = 4 * 1024 * 1024

#: The longest document, which may be a page of many events.
DOCUMENT_BYTES_MAX = 4 * 1024 * 1024

#: For how long a body may stand still, in seconds.
SILENCE_SECONDS_MAX = 30.0

#: For how long a batch waits while the server is busy, in seconds.
PATIENCE_SECONDS_MAX = 30.0

_CHUNK_BYTES = 256 * 1024
_GZIP = 31

#: What is unpacked at once. What is left of it is copied after every member and every chunk, of
#: which a body that means harm has thousands in so many bytes.
_PACKED_BYTES = 8 * 1024


@frozen(kw_only=True)
class BulkResult:
    """What became of the deliveries: read = appended + duplicates + conflicts + quarantined."""

    read: int
    appended: int
    duplicates: int
    conflicts: int
    quarantined: int
    #: The position of the last event in the log that one of them has; 0 for none.
    last_position: int
    #: Of each delivery, in their order.
    items: tuple[DeliveryResult, ...]


class BulkIngest:
    """Takes in bodies of many deliveries, a few of them at the same time."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._free = BODIES_MAX

    async def ingest(self, request: Request, defaults: DeliveryDefaults) -> AsyncIterator[bytes]:
        """Append all that a body holds; gives the answer, an Ingested as JSON, in parts.

        Raises what reading a body raises; what came before is in the log then, and a duplicate when
        all of it is sent again.
        """
        if not self._free:
            raise Overloaded
        self._free -= 1
        try:
            outcomes = await self._append_all(request, defaults)
        finally:
            self._free += 1
        return outcomes.as_json()

    async def _append_all(self, request: Request, defaults: DeliveryDefaults) -> _Outcomes:
        chunks = _decoded(_Body(request), bodies.encoding(request))
        batches = read_batches(
            chunks,
            defaults,
            items_max=BATCH_ITEMS_MAX,
            bytes_max=BATCH_BYTES_MAX,
            document_bytes_max=DOCUMENT_BYTES_MAX,
        )
        outcomes = _Outcomes()
        with outcomes.closed_on_error():
            # Cutting and reading is work for a thread, which waits there for the body's parts, too.
            while batch := await to_thread.run_sync(next, batches, None):
                items, size = batch
                outcomes.add(await self._append(items, size))
        return outcomes

    async def _append(self, items: list[Item], size: int) -> Sequence[Receipt]:
        """Append a batch; while the server is busy, its sender must wait."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS_MAX
        while True:
            try:
                return await self._writer.append(items, size)
            except Overloaded:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(0.05)


class _Body:
    """The parts of a request's body, for a thread that waits for them."""

    def __init__(self, request: Request) -> None:
        self._parts = bodies.stream(request)
        self._loop = asyncio.get_running_loop()

    def __iter__(self) -> Iterator[bytes]:
        while part := asyncio.run_coroutine_threadsafe(self._next(), self._loop).result():
            yield part

    async def _next(self) -> bytes:
        """The next part that has something in it; empty at the end."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS_MAX):
                async for part in self._parts:
                    if part:
                        return part
        except TimeoutError:
            raise BodyTooSlow(seconds_max=SILENCE_SECONDS_MAX) from None
        return b""


def _decoded(chunks: _Body, encoding: str) -> Iterator[bytes]:
    if encoding == "identity":
        return iter(chunks)
    if encoding == "gzip":
        return _gunzip(iter(chunks))
    raise EncodingUnknown(encoding=encoding)


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What was packed, in small parts however well it was packed; raises FileCorrupt.

    As in a file, zeros behind a member only fill something up.
    """
    member = zlib.decompressobj(_GZIP)
    begun = False
    try:
        for piece in _pieces(chunks):
            packed = piece.lstrip(b"\0") if member.eof else piece
            while packed:
                if member.eof:
                    member = zlib.decompressobj(_GZIP)
                begun = True
                if unpacked := member.decompress(packed, _CHUNK_BYTES):
                    yield unpacked
                packed = member.unused_data.lstrip(b"\0") if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise FileCorrupt(path="The body", reason=error) from None
    if begun and not member.eof:
        raise FileCorrupt(path="The body", reason="its gzip data have no end")


def _pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), _PACKED_BYTES):
            yield chunk[at : at + _PACKED_BYTES]


class _Outcomes:
    """What became of each delivery, on the disk when there are many."""

    def __init__(self) -> None:
        self._counts: Counter[Outcome] = Counter()
        self._last_position = 0
        self._items: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=1024 * 1024)  # noqa: SIM115 - closed by the two below

    def add(self, receipts: Sequence[Receipt]) -> None:
        for outcome, position, reason in receipts:
            self._items.write(b"," if self._counts else b"")
            told = {"outcome": outcome, "position": position, "reason": reason}
            self._items.write(msgspec.json.encode(told))
            self._counts[outcome] += 1
            self._last_position = max(self._last_position, position or 0)

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._items.close()
            raise

    async def as_json(self) -> AsyncIterator[bytes]:
        head = BulkResult(
            read=self._counts.total(),
            appended=self._counts[Outcome.APPENDED],
            duplicates=self._counts[Outcome.DUPLICATE],
            conflicts=self._counts[Outcome.CONFLICT],
            quarantined=self._counts[Outcome.QUARANTINED],
            last_position=self._last_position,
            items=(),
        )
        with self._items:
            yield msgspec.json.encode(as_json(head)).removesuffix(b"]}")
            self._items.seek(0)
            while chunk := self._items.read(_CHUNK_BYTES):
                yield chunk
            yield b"]}"
