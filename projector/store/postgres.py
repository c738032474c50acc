"""Creates the engine for Postgres: durable, with timeouts, dead connections detected, any pooler.

A connection pooler in transaction mode, such as PgBouncer, gives each transaction another session
of the server. So behind a pooler nothing outlives a transaction: settings are made in each one,
no statement is prepared, and followers poll in place of LISTEN. The program finds a pooler out by
itself: the id of the server's process that is reported with a new connection, with which a client
could cancel a query, is one that the pooler has made up.
"""

from __future__ import annotations

import select
from typing import Any

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.exc import DisconnectionError

from projector.errors import BadDatabaseUrl, EncodingUnsuitable, SchemaUnusable
from projector.store import binary_arrays
from projector.store.dialects import common_options, redact
from projector.store.postgres_settings import Timeouts, set_up_statement, transaction_statement

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

#: The option of the URL that says how a pooler pools, and its values: whether a session may be
#: another one in each transaction. Without it, any pooler is taken for one that pools transactions.
_POOLER = "pooler"
_POOLERS = {"transaction": True, "session": False}

#: The keys of `Connection.info`: whether a pooler is in between, and the server's encoding.
_IS_POOLED, _ENCODING = "is_pooled", "encoding"


def create_postgres_engine(url: URL, timeouts: Timeouts) -> Engine:
    """Create the engine for a Postgres server."""
    says_pooled = _pooler(url)
    own: dict[str, object] = {**_KEEPALIVE, "connect_timeout": CONNECT_SECONDS_MAX}
    arguments = {name: value for name, value in own.items() if name not in url.query}
    # Overrides the environment, the URL, and the defaults of the database and the role.
    arguments["client_encoding"] = "UTF8"
    try:
        engine = create_engine(
            url.difference_update_query([_POOLER]),
            connect_args=arguments,
            # Looking the type up takes a round trip, and no column has it.
            use_native_hstore=False,
            **common_options(timeouts.lock_seconds_max),
        )
    except ImportError as error:
        raise BadDatabaseUrl(
            url=redact(url), reason="psycopg is missing; install the extra `postgres`"
        ) from error

    # First of all, because SQLAlchemy asks for a part of the settings when it connects first.
    @event.listens_for(engine, "connect", insert=True)
    def set_up(connection: Any, record: Any) -> None:
        try:
            record.info.update(_set_up(connection, url, timeouts, says_pooled))
        except BaseException:
            # The pool drops a connection whose setup failed without closing it.
            connection.close()
            raise

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if is_pooled(connection):
            connection.exec_driver_sql(
                transaction_statement(timeouts, version=_version(connection))
            )

    @event.listens_for(engine, "checkout")
    def check_alive(connection: Any, _record: object, _proxy: object) -> None:
        if is_lost(connection):
            # The pool then replaces it by a new connection.
            raise DisconnectionError

    return engine


def is_pooled(connection: Connection | PoolProxiedConnection) -> bool:
    """Return whether each transaction of a connection may be in another session of the server."""
    return bool(connection.info[_IS_POOLED])


def is_lost(connection: Any) -> bool:
    """Return whether an idle connection of the driver was closed, by the server or by `cut`."""
    return bool(connection.closed or _is_readable(connection.fileno()))


def identity(connection: Connection) -> tuple[object, ...]:
    """Return the identity of a database: it differs from that of any other one, on any server."""
    statement = (
        "SELECT pg_postmaster_start_time(), oid FROM pg_database WHERE datname = current_database()"
    )
    return tuple(connection.exec_driver_sql(statement).one())


def require_utf8(connection: Connection | PoolProxiedConnection, url: object) -> None:
    """Raise EncodingUnsuitable unless the database can store every character."""
    encoding = connection.info[_ENCODING]
    if encoding != "UTF8":
        raise EncodingUnsuitable(url=url, reason=f"its encoding is {encoding}")


def _pooler(url: URL) -> bool | None:
    """Return what the URL says about a pooler; None if nothing. Raises BadDatabaseUrl."""
    said = url.query.get(_POOLER)
    if said is None:
        return None
    if said not in _POOLERS:
        known = " or ".join(f"{_POOLER}={each}" for each in _POOLERS)
        raise BadDatabaseUrl(url=redact(url), reason=f"write {known}")
    return _POOLERS[str(said)]


def _set_up(
    connection: Any, url: URL, timeouts: Timeouts, says_pooled: bool | None
) -> dict[str, object]:
    """Set up a new connection in one round trip; return what is to be known about it."""
    info = connection.info
    # No session has the id 0; and a pooler of sessions makes ids up, but its session stays.
    expected_pid = {None: info.backend_pid, True: 0, False: None}[says_pooled]
    statement = set_up_statement(timeouts, version=info.server_version, backend_pid=expected_pid)
    binary_arrays.register(connection)
    # Autocommit, because BEGIN and COMMIT would be round trips of their own.
    connection.autocommit = True
    pid, schema, path, encoding, *_ = connection.execute(statement).fetchone()
    connection.autocommit = False
    if schema is None:
        raise SchemaUnusable(url=redact(url), role=info.user, path=path or "empty")
    pooled = pid != info.backend_pid if says_pooled is None else says_pooled
    if pooled:
        # Prepared statements belong to a session.
        connection.prepare_threshold = None
    return {_IS_POOLED: pooled, _ENCODING: encoding}


def _version(connection: Connection) -> int:
    driver: Any = connection.connection.driver_connection
    return int(driver.info.server_version)


def _is_readable(fileno: int) -> bool:
    """Return whether the socket of an idle connection has data to read.

    It has if the server closed the connection, for example for a restart. A ping would detect that
    too, but costs a round trip (at least 23 µs), and this half a microsecond.
    """
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))
