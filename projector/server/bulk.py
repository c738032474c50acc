"""Ingests many deliveries from one body (POST /events).

They are appended while the body arrives; the answer has the outcome of each.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import msgspec
from anyio import to_thread
from attrs import frozen
from starlette.requests import Request

from projector.envelope import DeliveryDefaults, Item
from projector.intake.batches import read_batches
from projector.intake.content import to_text
from projector.intake.formats import Packing
from projector.intake.unpack import unpack
from projector.server import bodies
from projector.server.errors import BodyTooSlow, Overloaded
from projector.server.webhooks import DeliveryResult
from projector.server.writer import Writer
from projector.store.append import Outcome, Receipt
from projector.text.encode import as_json

#: The most bodies that are read concurrently; each needs some memory.
BODIES_MAX = 4

#: The limits of a transaction: items, and bytes of documents.
BATCH_ITEMS_MAX = 1_000
BATCH_BYTES_MAX = 4 * 1024 * 1024

#: The longest document, in bytes; it may be a page of many events.
DOCUMENT_BYTES_MAX = 4 * 1024 * 1024

#: The idle timeout: how long a client may send no byte of its body, in seconds.
SILENCE_SECONDS_MAX = 30.0

#: How long a batch is retried while the server is overloaded, in seconds.
PATIENCE_SECONDS_MAX = 30.0

_CHUNK_BYTES = 256 * 1024


@frozen(kw_only=True)
class BulkResult:
    """The outcome of the deliveries; `read` is the sum of the five counts after it."""

    read: int
    appended: int
    duplicates: int
    conflicts: int
    quarantined: int
    #: The number of those of which nothing was kept, because they or their customers were erased.
    suppressed: int
    #: The greatest position that one of them has in the log; 0 if none has one.
    last_position: int
    #: The result of each delivery, in the order of the body.
    items: tuple[DeliveryResult, ...]


class BulkIngest:
    """The ingest of bodies with many deliveries, BODIES_MAX at a time."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._free = BODIES_MAX

    async def ingest(self, request: Request, defaults: DeliveryDefaults) -> AsyncIterator[bytes]:
        """Append all deliveries in a body; return the answer, a BulkResult as JSON, in parts.

        Raise BodyTooSlow, ClientGone, EncodingUnknown, FileCorrupt, FormatUnreadable or Overloaded.
        The deliveries before the error are in the log then; if the client sends the whole body
        again, they are duplicates (the request is idempotent).
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
        chunks = _to_text(_Body(request), bodies.encoding(request))
        batches = read_batches(
            chunks,
            defaults,
            items_max=BATCH_ITEMS_MAX,
            bytes_max=BATCH_BYTES_MAX,
            document_bytes_max=DOCUMENT_BYTES_MAX,
        )
        outcomes = _Outcomes()
        with outcomes.closed_on_error():
            # Splitting and parsing need a thread, and that thread also waits for the body's parts.
            while batch := await to_thread.run_sync(next, batches, None):
                items, size = batch
                outcomes.add(await self._append(items, size))
        return outcomes

    async def _append(self, items: list[Item], size: int) -> Sequence[Receipt]:
        """Append a batch; while the server is overloaded, wait (backpressure on the client)."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS_MAX
        while True:
            try:
                return await self._writer.append(items, size)
            except Overloaded:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(0.05)


class _Body:
    """The parts of a request's body, as a blocking iterator for a thread."""

    def __init__(self, request: Request) -> None:
        self._parts = bodies.stream(request)
        self._loop = asyncio.get_running_loop()

    def __iter__(self) -> Iterator[bytes]:
        while part := asyncio.run_coroutine_threadsafe(self._next(), self._loop).result():
            yield part

    async def _next(self) -> bytes:
        """Return the next part that is not empty, or b"" at the end."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS_MAX):
                async for part in self._parts:
                    if part:
                        return part
        except TimeoutError:
            raise BodyTooSlow(seconds_max=SILENCE_SECONDS_MAX) from None
        return b""


def _to_text(chunks: _Body, encoding: str) -> Iterator[bytes]:
    """Yield a body unpacked, as UTF-8; a body that is gzip needs no header that says so."""
    name = "The body"
    if encoding == "gzip":
        return to_text(unpack(chunks, Packing.GZIP, name), name, packings=())
    return to_text(chunks, name, packings=(Packing.GZIP,))


class _Outcomes:
    """The outcome of each delivery, spooled to a temporary file if there are many."""

    def __init__(self) -> None:
        self._counts: Counter[Outcome] = Counter()
        self._last_position = 0
        # Closed by `closed_on_error` or by `as_json`.
        self._items: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=1024 * 1024)  # noqa: SIM115

    def add(self, receipts: Sequence[Receipt]) -> None:
        for outcome, position, reason in receipts:
            self._items.write(b"," if self._counts else b"")
            result = {"outcome": outcome, "position": position, "reason": reason}
            self._items.write(msgspec.json.encode(result))
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
            suppressed=self._counts[Outcome.SUPPRESSED],
            last_position=self._last_position,
            items=(),
        )
        with self._items:
            yield msgspec.json.encode(as_json(head)).removesuffix(b"]}")
            self._items.seek(0)
            while chunk := self._items.read(_CHUNK_BYTES):
                yield chunk
            yield b"]}"
