"""The bodies of requests: read no further, and for no longer, than they may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from projector.server.errors import (
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    EncodingUnknown,
    Overloaded,
)

#: How long a body may take in all, in seconds; a sender of webhooks waits for ten.
BODY_SECONDS_MAX = 10.0

#: The most bytes of bodies in memory at the same time, of all requests, beyond the first of each.
HELD_BYTES_MAX = 64 * 1024 * 1024

#: The first bytes of each body, for which there is always room: whoever sends many long bodies
#: slowly must not shut out those who send a webhook of the usual size.
FREE_BYTES = 16 * 1024


class BodyBudget:
    """The bytes that all requests hold together."""

    def __init__(self) -> None:
        self._bytes = 0

    @contextmanager
    def reserve(self) -> Iterator[Reservation]:
        """A request's share of them, given back in the end."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self._bytes -= reservation.counted

    def take(self, size: int) -> None:
        """Take bytes; raises Overloaded when there are none left."""
        if self._bytes + size > HELD_BYTES_MAX:
            raise Overloaded
        self._bytes += size


class Reservation:
    """What one request holds."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.bytes = 0
        #: Without those for which there is always room.
        self.counted = 0

    def take(self, size: int) -> None:
        """Take bytes more; raises Overloaded when there are none left."""
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
    """The body of a request.

    Raises BodyTooLarge as soon as that is known, BodyTooSlow, ClientGone, or Overloaded.
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
    """The parts of a request's body as they come; raises ClientGone."""
    try:
        async for part in request.stream():
            yield part
    except ClientDisconnect:
        raise ClientGone from None


def encoding(request: Request) -> str:
    """How a request's body is packed: `identity`, `gzip` or any other name, in lower case."""
    name = request.headers.get("content-encoding", "").strip().lower() or "identity"
    # RFC 9110 has both names mean one thing.
    return "gzip" if name == "x-gzip" else name


def check_not_encoded(request: Request) -> None:
    """Raise EncodingUnknown for a body that is packed."""
    if encoding(request) != "identity":
        raise EncodingUnknown(encoding=encoding(request))
