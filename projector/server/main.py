"""Runs the server process: socket, uvicorn, signals, limits."""

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
from projector.server.connections import (
    EXTRA_CONNECTIONS_MAX,
    HEADERS_BYTES_MAX,
    BoundedProtocol,
)
from projector.server.context import ServerConfig, ServerContext
from projector.server.routes import build
from projector.store.database import Database
from projector.text.hosts import is_loopback

#: The most concurrent connections; requests on further ones are refused with 503.
CONNECTIONS_MAX = 1_000

#: The keep-alive timeout of an idle connection, in seconds.
KEEP_ALIVE_SECONDS = 15

#: The timeout of a graceful shutdown, for the requests that are in progress, in seconds.
STOP_SECONDS_MAX = 10

#: The interpreter's switch interval: how long a thread holds the GIL while others wait, in
#: seconds.
TURN_SECONDS = 0.001

#: The listen backlog: the most connections that wait to be accepted.
BACKLOG = 1_024

#: The file descriptors beside client connections: database connections and spooled bodies.
OTHER_FILES = 300


def serve(
    database: Database,
    config: ServerConfig,
    *,
    host: str,
    port: int,
    on_start: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; call `on_start` with the server's address.

    Raise AddressUnusable, or AddressPublic if other machines can connect and no token exists.
    """
    if not is_loopback(host) and not read_tokens(database):
        raise AddressPublic(host=host)
    _raise_file_limit(CONNECTIONS_MAX + EXTRA_CONNECTIONS_MAX + OTHER_FILES)
    listener = _listen(host, port)
    logs.configure()
    context = ServerContext(database, config)
    server = _Server(_uvicorn_config(context), on_stop=context.mark_stopping)
    # uvicorn's messages about start and stop would repeat the program's own.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # Before the address is announced: a signal that arrives before uvicorn installs its own
    # handlers must not be lost. When uvicorn has stopped, it restores these handlers and raises
    # the signal again; with the default ones the process would end as killed by a signal, as if
    # it had failed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    # The event loop needs the GIL again after every read and write of a socket. With Python's
    # default of 5 ms, webhooks waited for the projector's thread.
    sys.setswitchinterval(TURN_SECONDS)
    on_start(_address(listener))
    server.run(sockets=[listener])


def _uvicorn_config(context: ServerContext) -> uvicorn.Config:
    return uvicorn.Config(
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
    )


class _Server(uvicorn.Server):
    """A uvicorn server that calls `on_stop` as soon as it receives a signal to stop."""

    def __init__(self, config: uvicorn.Config, *, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Call `on_stop`, and begin the shutdown."""
        self._on_stop()
        super().handle_exit(sig, frame)


def _raise_file_limit(count: int) -> None:
    """Raise the soft limit of open files: many systems set it below the connections' number."""
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
        # From here on, the kernel accepts connections; they are answered once uvicorn runs.
        listener.listen(BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AddressUnusable(host=host, port=port, reason=reason) from None
    return listener


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
