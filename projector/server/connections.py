"""Connections to clients that are slow, silent or broken: none is waited for without end."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

#: How long a request's line and headers may take to come, in seconds.
HEADERS_SECONDS_MAX = 10.0

#: The longest line and headers, in bytes.
HEADERS_BYTES_MAX = 32 * 1024

#: How long a client may leave what it is sent unread, in seconds.
UNREAD_SECONDS_MAX = 30.0


class BoundedProtocol(H11Protocol):
    """HTTP as uvicorn speaks it, with deadlines where it has none."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Some of a request came."""
        super().data_received(data)
        if self._is_answering():
            self._stop_expecting()
        elif self._deadline is None:
            # The next request on a connection that is kept: uvicorn's own deadline ended with its
            # first byte.
            self._expect_headers()

    def on_response_complete(self) -> None:
        """A request is answered; uvicorn waits for the next one to begin."""
        self._stop_expecting()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_expecting()
        self._stop_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        self._stop_unread()
        super().resume_writing()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _expect_headers(self) -> None:
        self._deadline = self.loop.call_later(HEADERS_SECONDS_MAX, self.transport.abort)

    def _stop_expecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
