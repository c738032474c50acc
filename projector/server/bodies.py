"""Reads request bodies within limits of size, time and memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from projector.errors import FileCorrupt
from projector.intake.formats import Packing
from projector.intake.unpack import unpack as unpack_stream
from projector.server.errors import (
    BodyCorrupt,
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    EncodingUnknown,
    Overloaded,
)

#: The timeout for a whole body, in seconds; Voucherify waits ten for an answer to a webhook.
BODY_SECONDS_MAX = 10.0

#: The most bytes of bodies in memory, over all requests, not counting the first FREE_BYTES of each.
HELD_BYTES_MAX = 64 * 1024 * 1024

#: The first bytes of each body, which are always accepted: slow clients with many long bodies
#: (slowloris) must not shut out webhooks of the usual size.
FREE_BYTES = 16 * 1024


class BodyBudget:
    """The memory budget that the bodies of all requests share."""

    def __init__(self) -> None:
        self._bytes = 0

    @contextmanager
    def reserve(self) -> Iterator[Reservation]:
        """Yield a request's reservation, and release it in the end."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self._bytes -= reservation.counted

    def take(self, size: int) -> None:
        """Take `size` bytes; raise Overloaded if the budget does not have them."""
        if self._bytes + size > HELD_BYTES_MAX:
            raise Overloaded
        self._bytes += size


class Reservation:
    """The bytes that one request holds."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.bytes = 0
        #: The bytes beyond FREE_BYTES, which count against the budget.
        self.counted = 0

    def take(self, size: int) -> None:
        """Take `size` more bytes; raise Overloaded if the budget does not have them."""
        more = max(0, self.bytes + size - FREE_BYTES) - self.counted
        self._budget.take(more)
        self.bytes += size
        self.counted += more


async def read(
    request: Request,
    reservation: Reservation,
    *,
    bytes_max: int,
) -> bytes:
    """Return the body of a request.

    Raise BodyTooLarge as early as possible, BodyTooSlow, ClientGone, or Overloaded.
    """
    if int(request.headers.get("content-length", 0)) > bytes_max:
        raise BodyTooLarge(bytes_max=bytes_max)
    parts = []
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for part in stream(request):
                reservation.take(len(part))
                parts.append(part)
                if reservation.bytes > bytes_max:
                    raise BodyTooLarge(bytes_max=bytes_max)
    except TimeoutError:
        raise BodyTooSlow(seconds_max=BODY_SECONDS_MAX) from None
    return b"".join(parts)


async def stream(request: Request) -> AsyncIterator[bytes]:
    """Yield the parts of a request's body as they arrive; raise ClientGone."""
    try:
        async for part in request.stream():
            yield part
    except ClientDisconnect:
        raise ClientGone from None


def encoding(request: Request) -> str:
    """Return the Content-Encoding: `identity` or `gzip`; raise EncodingUnknown for any other."""
    header = ",".join(request.headers.getlist("content-encoding"))
    # RFC 9110: names in any case, empty elements, and `x-gzip` as an alias.
    names = [name for each in header.split(",") if (name := each.strip().lower())]
    match [name for name in names if name != "identity"]:
        case []:
            return "identity"
        case ["gzip" | "x-gzip"]:
            return "gzip"
    raise EncodingUnknown(encoding=header)


def check_not_encoded(request: Request) -> None:
    """Raise EncodingUnknown for a body with a Content-Encoding."""
    if (name := encoding(request)) != "identity":
        raise EncodingUnknown(encoding=name)


def unpack(body: bytes, *, bytes_max: int) -> bytes:
    """Return a gzip body unpacked; raise BodyTooLarge (a bomb) or BodyCorrupt."""
    parts: list[bytes] = []
    size = 0
    try:
        for part in unpack_stream([body], Packing.GZIP, "The body"):
            parts.append(part)
            size += len(part)
            if size > bytes_max:
                raise BodyTooLarge(bytes_max=bytes_max)
    except FileCorrupt as error:
        raise BodyCorrupt(reason=error.details["reason"]) from None
    return b"".join(parts)
