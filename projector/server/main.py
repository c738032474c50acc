"""A server from its first socket to its last answer."""

from __future__ import annotations

import logging
import resource
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from projector import logs
from projector.errors import AddressPublic, AddressUnusable
from projector.operate.tokens import read_tokens
from projector.server.access import is_loopback
from projector.server.connections import (
    EXTRA_CONNECTIONS_MAX,
    HEADERS_BYTES_MAX,
    BoundedProtocol,
)
from projector.server.context import ServerConfig, ServerContext
from projector.server.routes import build
from projector.store.database import Database

#: The most connections at the same time; more are refused with 503.
CONNECTIONS_MAX = 1_000

#: How long a connection is kept for its client's next request, in seconds.
KEEP_ALIVE_SECONDS = 15

#: How long requests that have begun may take once the server was told to stop, in seconds.
STOP_SECONDS_MAX = 10

#: How long a thread may compute while others want to, in seconds.
TURN_SECONDS = 0.001

#: How many connections the system keeps while they wait to be taken.
BACKLOG = 1_024

#: What else is open, beside connections: of the database, and bodies on the disk.
OTHER_FILES = 300


def serve(
    database: Database,
    config: ServerConfig,
    *,
    host: str,
    port: int,
    on_start: Callable[[str], None],
) -> None:
    """Serve until told to stop by SIGTERM or SIGINT; `on_start` gets the server's address.

    Raises AddressUnusable, or AddressPublic where there is no token and others could come in.
    """
    if not is_loopback(host) and not read_tokens(database):
        raise AddressPublic(host=host)
    _allow_files(CONNECTIONS_MAX + EXTRA_CONNECTIONS_MAX + OTHER_FILES)
    listener = _listen(host, port)
    logs.configure()
    context = ServerContext(database, config)
    server = _Server(
        uvicorn.Config(
            build(context),
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS_MAX,
            h11_max_incomplete_event_size=HEADERS_BYTES_MAX,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS_MAX,
            backlog=BACKLOG,
        ),
        on_stop=context.stops,
    )
    # What it says of itself is said by the service.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # Before anybody knows that it is there: a signal that comes before uvicorn's own handlers must
    # not be lost. uvicorn raises it once more when it is done: to stop is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    # While one thread computes, the others get their turn after this time: the loop after each read
    # and write of a socket. With Python's 5 ms webhooks waited for the projector.
    sys.setswitchinterval(TURN_SECONDS)
    on_start(_address(listener))
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says at once that it stops, so that nobody sends it more."""

    def __init__(self, config: uvicorn.Config, *, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop has come."""
        self._on_stop()
        super().handle_exit(sig, frame)


def _allow_files(count: int) -> None:
    """Connections are files, and many systems allow a process too few unless it asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(host: str, port: int) -> socket.socket:
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Who connects from now on is answered, if not at once.
        listener.listen(BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AddressUnusable(host=host, port=port, reason=reason) from None
    return listener


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
