"""Parses database URLs, and holds what the engines of both databases have in common."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Table, make_url
from sqlalchemy.exc import ArgumentError

from projector.errors import BadDatabaseUrl

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

#: The default wait for a connection of the pool, in seconds.
FREE_SECONDS_MAX = 30.0

#: The number of connections of a process beyond the pool's five: more than a server has threads,
#: so that no thread waits for another one's connection.
OVERFLOW_MAX = 20

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


def common_options(lock_seconds_max: float | None) -> dict[str, Any]:
    """Return the options of `create_engine` for both databases."""
    return {
        "max_overflow": OVERFLOW_MAX,
        # The connection that was used last knows most: pages, prepared statements.
        "pool_use_lifo": True,
        "pool_timeout": FREE_SECONDS_MAX if lock_seconds_max is None else lock_seconds_max,
        # Errors are logged: their messages must not contain customers' data, such as e-mails.
        "hide_parameters": True,
    }
