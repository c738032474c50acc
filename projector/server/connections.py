"""Bounds connections to slow, silent or broken clients (slowloris).

uvicorn has no timeout for a request's headers, for a client that does not read its answer, or for
the rest of a refused body. `BoundedProtocol` adds them by overriding and using parts of uvicorn's
H11Protocol that uvicorn does not document; `USED_*` below lists every one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

#: The internals of uvicorn that this module uses. An upgrade of uvicorn may change them without
#: notice: tests/server/test_connections.py fails if one is missing or behaves differently.
#: H11Protocol's methods that are overridden or called, each with its parameters.
USED_METHODS: dict[str, tuple[str, ...]] = {
    "connection_made": ("transport",),
    "data_received": ("data",),
    "send_400_response": ("msg",),
    "on_response_complete": (),
    "shutdown": (),
    "connection_lost": ("exc",),
    "pause_writing": (),
    "resume_writing": (),
    "_unset_keepalive_if_required": (),
}
#: H11Protocol's attributes. `cycle` is None before the first request.
USED_ATTRIBUTES = ("conn", "connections", "cycle", "limit_concurrency", "loop", "transport")
#: The attributes of a RequestResponseCycle, which is one request and its answer.
USED_CYCLE_ATTRIBUTES = ("disconnected", "message_event", "response_complete")

#: The timeout for a request's line and headers, in seconds.
HEADERS_SECONDS_MAX = 10.0

#: The longest request line and headers, in bytes; a request may exceed it by _PIECE_BYTES.
HEADERS_BYTES_MAX = 32 * 1024
_PIECE_BYTES = 16 * 1024

#: How long a client may leave an answer unread, in seconds.
UNREAD_SECONDS_MAX = 30.0

#: How long the rest of a refused body is read and discarded, in seconds: a client whose connection
#: is reset while it still sends may never see its answer.
LINGER_SECONDS_MAX = 2.0

#: The most connections beyond `limit_concurrency`: their requests are answered with 503, and
#: further connections are aborted.
EXTRA_CONNECTIONS_MAX = 100


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with the timeouts and limits that it lacks."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._lingers = False
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the headers' deadline, or abort if there are too many connections."""
        # With a limit of 0, any unread byte pauses writing, and so starts the deadline for it.
        transport.set_write_buffer_limits(0)
        super().connection_made(transport)
        limit = self.limit_concurrency
        if limit is not None and len(self.connections) > limit + EXTRA_CONNECTIONS_MAX:
            transport.abort()
            return
        self._expect(HEADERS_SECONDS_MAX)

    def data_received(self, data: bytes) -> None:
        """Parse bytes of a request, and set the next deadline."""
        for piece in self._pieces(data):
            super().data_received(piece)
        self._set_deadline()

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP with 400, or close the connection if an answer has begun."""
        can_answer = self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE)
        is_answered = not self._is_answering()
        if self.cycle is not None:
            # The task that still works on the request must not answer a second time.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if can_answer:
            super().send_400_response(msg)
        elif is_answered:
            self.transport.close()
        else:
            # Abort, because a clean close could make half an answer look like a whole one.
            self.transport.abort()

    def on_response_complete(self) -> None:
        """Stop the deadline; uvicorn waits for the next request (keep-alive)."""
        self._stop_deadline()
        super().on_response_complete()
        if self._is_discarding():
            self._set_deadline()

    def shutdown(self) -> None:
        """Close the connection because the server stops."""
        # h11 raises for a connection in an error state; uvicorn would then leave all the other
        # connections open.
        with suppress(h11.LocalProtocolError):
            super().shutdown()
            return
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel all timers of a closed connection."""
        self._stop_deadline()
        self._stop_unread()
        # uvicorn cancels its keep-alive timer only if the connection was closed without an error.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the deadline for a client that does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that deadline: the client has read everything."""
        self._stop_unread()
        super().resume_writing()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield received bytes in pieces while they may be headers.

        h11 checks the length only of headers that are incomplete: long headers that arrive in one
        piece would pass. Yield nothing more once the connection is closing.
        """
        at = 0
        while at < len(data) and not self.transport.is_closing():
            is_head = self.conn.their_state is h11.IDLE and len(data) > _PIECE_BYTES
            end = at + _PIECE_BYTES if is_head else len(data)
            yield data[at:end]
            at = end

    def _set_deadline(self) -> None:
        """Set the deadline for the bytes that the client has to send next."""
        if self._is_answering():
            self._stop_deadline()
        elif self._is_discarding():
            if not self._lingers:
                self._stop_deadline()
                self._expect(LINGER_SECONDS_MAX)
                self._lingers = True
        elif self._deadline is None or self._lingers:
            # The next request on a keep-alive connection: uvicorn cancels its keep-alive timer at
            # the first byte.
            self._stop_deadline()
            self._expect(HEADERS_SECONDS_MAX)

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _is_discarding(self) -> bool:
        """Return whether the rest of a body arrives whose request is already answered."""
        return not self._is_answering() and self.conn.their_state is h11.SEND_BODY

    def _expect(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _stop_deadline(self) -> None:
        self._lingers = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
