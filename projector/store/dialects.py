"""Parses URLs, and creates the engine for Postgres: durable, with timeouts, dead ones detected."""

from __future__ import annotations

import re
import select
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from projector.errors import BadDatabaseUrl

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

#: The default wait for a connection of the pool, in seconds.
FREE_SECONDS_MAX = 30.0

#: The number of connections of a process beyond the pool's five: more than a server has threads,
#: so that no thread waits for another one's connection.
OVERFLOW_MAX = 20

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

#: Names of URL options that hold secrets: libpq accepts the password as an option, too.
_SECRET = re.compile("password|secret|scram", re.IGNORECASE)


def redact(url: URL) -> str:
    """Return a URL for messages and logs: without its password and other secrets."""
    hidden = {name: "..." if _SECRET.search(name) else value for name, value in url.query.items()}
    return url.set(query=hidden).render_as_string(hide_password=True)


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that can have an ON CONFLICT clause; import only the dialect in use."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def parse_url(text: str) -> URL:
    """Parse the URL of a database; raise BadDatabaseUrl unless this program supports it."""
    try:
        url = make_url(text)
        # Text that is not UTF-8 fails here and not later, when another error is to be shown.
        url.render_as_string()
    except (ArgumentError, ValueError) as error:
        # The message does not repeat the text: it may contain a password anywhere.
        reason = "it does not have the form DIALECT://…, or is not UTF-8"
        raise BadDatabaseUrl(url="…", reason=reason) from error
    if "@" in (url.host or ""):
        # An unescaped @ in the password: its end was parsed as part of the host, which is shown.
        raise BadDatabaseUrl(url="…", reason="in a user name or a password, write @ as %40")
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise BadDatabaseUrl(url=redact(url), reason=f"{url.drivername} is not supported")
    if url.get_backend_name() == "sqlite":
        _check_file(url)
    return url


def _check_file(url: URL) -> None:
    """Raise BadDatabaseUrl for a URL of SQLite that does not name a file."""
    if url.username or url.password or url.host or url.port:
        reason = "the file's name follows three slashes (sqlite:///FILE), without a host"
        raise BadDatabaseUrl(url=redact(url), reason=reason)
    if not url.database or ":memory:" in url.database or "memory" in url.query.get("mode", ""):
        raise BadDatabaseUrl(
            url=redact(url), reason="an in-memory database is lost when the process ends"
        )


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


def common_options(lock_seconds_max: float | None) -> dict[str, Any]:
    """Return the options of `create_engine` for both databases."""
    return {
        "max_overflow": OVERFLOW_MAX,
        "pool_timeout": FREE_SECONDS_MAX if lock_seconds_max is None else lock_seconds_max,
        # Errors are logged: their messages must not contain customers' data, such as e-mails.
        "hide_parameters": True,
    }


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
