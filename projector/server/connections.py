"""Connections to clients that are slow, silent or broken: none is waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

#: How long a request's line and headers may take to come, in seconds.
HEADERS_SECONDS_MAX = 10.0

#: The longest line and headers, in bytes; they may exceed it by a piece.
HEADERS_BYTES_MAX = 32 * 1024
_PIECE_BYTES = 16 * 1024

#: How long a client may leave what it is sent unread, in seconds.
UNREAD_SECONDS_MAX = 30.0

#: How long the rest of a body that nobody wants is taken in, in seconds: a client that is cut off
#: while it still sends may never see its answer.
LINGER_SECONDS_MAX = 2.0

#: How many connections there may be beyond those whose requests are answered.
EXTRA_CONNECTIONS_MAX = 100


class BoundedProtocol(H11Protocol):
    """HTTP as uvicorn speaks it, with bounds where it has none."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._lingers = False
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        # Whatever is left unread pauses the writing, be it little: so it has a deadline.
        transport.set_write_buffer_limits(0)
        super().connection_made(transport)
        limit = self.limit_concurrency
        if limit is not None and len(self.connections) > limit + EXTRA_CONNECTIONS_MAX:
            transport.abort()
            return
        self._expect(HEADERS_SECONDS_MAX)

    def data_received(self, data: bytes) -> None:
        """Some of a request came."""
        for piece in self._pieces(data):
            super().data_received(piece)
        self._judge()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        can_answer = self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE)
        is_answered = not self._is_answering()
        if self.cycle is not None:
            # Whoever is at work for it must not answer a second time.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if can_answer:
            super().send_400_response(msg)
        elif is_answered:
            self.transport.close()
        else:
            # Half of an answer must not look like a whole one.
            self.transport.abort()

    def on_response_complete(self) -> None:
        """A request is answered; uvicorn waits for the next one to begin."""
        self._stop_expecting()
        super().on_response_complete()
        if self._is_discarding():
            self._judge()

    def shutdown(self) -> None:
        """The server stops."""
        # uvicorn would leave all other connections open when one is broken.
        with suppress(h11.LocalProtocolError):
            super().shutdown()
            return
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_expecting()
        self._stop_unread()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        self._stop_unread()
        super().resume_writing()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """What came, in pieces while it may be headers: h11 measures only those that have no end.

        Nothing is left of them once the connection is to be closed.
        """
        at = 0
        while at < len(data) and not self.transport.is_closing():
            is_head = self.conn.their_state is h11.IDLE and len(data) > _PIECE_BYTES
            end = at + _PIECE_BYTES if is_head else len(data)
            yield data[at:end]
            at = end

    def _judge(self) -> None:
        """Set the deadline for what is to come next."""
        if self._is_answering():
            self._stop_expecting()
        elif self._is_discarding():
            if not self._lingers:
                self._stop_expecting()
                self._expect(LINGER_SECONDS_MAX)
                self._lingers = True
        elif self._deadline is None or self._lingers:
            # The next request on a connection that is kept: uvicorn's own deadline ended with its
            # first byte.
            self._stop_expecting()
            self._expect(HEADERS_SECONDS_MAX)

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _is_discarding(self) -> bool:
        """Whether a body still comes whose request is answered."""
        return not self._is_answering() and self.conn.their_state is h11.SEND_BODY

    def _expect(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _stop_expecting(self) -> None:
        self._lingers = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
