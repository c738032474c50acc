"""Creates the engine for Postgres: durable, with timeouts, dead connections detected."""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from projector.errors import BadDatabaseUrl
from projector.store.dialects import common_options, redact

#: The ratio of Postgres's transaction_timeout to its idle_in_transaction_session_timeout.
_WHOLE_TIMES = 6

#: The timeout for a new connection to Postgres, in seconds.
CONNECT_SECONDS_MAX = 5

#: TCP keepalive: a connection that the network dropped silently is probed after 10 seconds without
#: traffic, and given up after 10 more (unacknowledged data: after 20).
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}


def create_postgres_engine(
    url: URL, lock_seconds_max: float | None, idle_seconds_max: float | None
) -> Engine:
    """Create the engine for a Postgres server; the timeouts are those of `database.Database`."""
    try:
        defaults = {**_KEEPALIVE, "connect_timeout": CONNECT_SECONDS_MAX}
        own = {name: value for name, value in defaults.items() if name not in url.query}
        engine = create_engine(url, connect_args=own, **common_options(lock_seconds_max))
    except ImportError as error:
        raise BadDatabaseUrl(
            url=redact(url), reason="psycopg is missing; install the extra `postgres`"
        ) from error
    settings = "; ".join(_session_settings(lock_seconds_max, idle_seconds_max))

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(settings)
            connection.commit()
        except BaseException:
            # The pool drops a connection whose setup failed without closing it.
            connection.close()
            raise

    @event.listens_for(engine, "checkout")
    def check_alive(connection: Any, _record: object, _proxy: object) -> None:
        if connection.closed or _is_readable(connection.fileno()):
            # The pool then replaces it by a new connection.
            raise DisconnectionError

    return engine


def _session_settings(
    lock_seconds_max: float | None, idle_seconds_max: float | None
) -> Iterator[str]:
    """Yield the statements that set up a new connection to Postgres."""
    # In a server's local time zone, instants of the years 1 and 9999 may overflow a datetime.
    yield "SET TIME ZONE 'UTC'"
    # A commit returns when it is on disk (fsync), whatever the server's default; settings that
    # wait for more than that, such as remote_apply, stay.
    yield (
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
    # By SET and not as startup options of the connection, which some poolers refuse.
    if lock_seconds_max is not None:
        yield f"SET lock_timeout = {_milliseconds(lock_seconds_max)}"
    if idle_seconds_max is not None:
        timeout = _milliseconds(idle_seconds_max)
        yield f"SET idle_in_transaction_session_timeout = {timeout}"
        # If the server has it (17 and later): also ends a client that is suspended during a COPY.
        whole = _milliseconds(idle_seconds_max * _WHOLE_TIMES)
        yield (
            f"SELECT set_config(name, '{whole}', false) FROM pg_settings"  # noqa: S608 - a number
            " WHERE name = 'transaction_timeout'"
        )


def _milliseconds(seconds: float) -> int:
    """Convert to milliseconds for a timeout of Postgres; at least 1, because 0 means no limit."""
    return max(1, round(seconds * 1000))


def _is_readable(fileno: int) -> bool:
    """Return whether the socket of an idle connection has data to read.

    It has if the server closed the connection, for example for a restart. A ping would detect that
    too, but costs a round trip (at least 23 µs), and this half a microsecond.
    """
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))
