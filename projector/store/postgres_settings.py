"""Builds the statements that set up a session of Postgres, whatever the server's settings are.

Defaults of the server, a database, a role, or the client's environment (`PGDATESTYLE`) must not
change what the program reads, or end its work. A setting is set once in each session, or behind a
connection pooler at the beginning of each transaction: see `projector.store.postgres`.
"""

from __future__ import annotations

from attrs import frozen

#: The settings that reading, writing and comparing rows depend on.
_FIXED = {
    # The driver parses dates and instants in this form only.
    "DateStyle": "ISO, MDY",
    # In a server's local time zone, instants of the years 1 and 9999 may overflow a datetime.
    "TimeZone": "UTC",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    # A policy that hides rows becomes an error: a projector must not fold a part of the log.
    "row_security": "off",
    # Compiling a statement takes longer than most of ours run.
    "jit": "off",
    # A lock timeout is retried, in the same session.
    "exit_on_error": "off",
    # For a statement outside of a transaction: its snapshot must not be older than its locks. See
    # `projector.store.customer_rows`.
    "default_transaction_isolation": "read committed",
}

#: The timeouts of the server that end a statement, a transaction or a session, each with the first
#: version that has it. A batch, a rebuild and a backup take as long as their data need.
_TIMEOUTS = {
    "statement_timeout": 0,
    "lock_timeout": 0,
    "idle_in_transaction_session_timeout": 0,
    "idle_session_timeout": 140000,
    "transaction_timeout": 170000,
}

#: The ratio of transaction_timeout to idle_in_transaction_session_timeout. It also ends a client
#: that is suspended during a COPY.
_WHOLE_TIMES = 6


@frozen(kw_only=True)
class Timeouts:
    """The timeouts of `database.Database`, in seconds; None for no limit."""

    lock_seconds_max: float | None
    idle_seconds_max: float | None


def set_up_statement(timeouts: Timeouts, *, version: int, backend_pid: int | None) -> str:
    """Return the statement that sets up a new session, in one round trip.

    Its row has the process id of the server's session, the schema in which tables are created, the
    search path, and the encoding of the database. The settings last if the session has the id
    `backend_pid`. If it has another one, a pooler is in between, whose sessions are other clients'
    too: then they last until the end of the statement only. With None they last in any session.
    """
    is_local = "false" if backend_pid is None else f"pg_backend_pid() <> {backend_pid}"
    first = (
        "pg_backend_pid(), current_schema(), current_setting('search_path'), "
        "current_setting('server_encoding'), "
    )
    return _statement(first, timeouts, version, is_local)


def transaction_statement(timeouts: Timeouts, *, version: int) -> str:
    """Return the statement that makes the settings for the current transaction."""
    return _statement("", timeouts, version, "true")


def _statement(first: str, timeouts: Timeouts, version: int, is_local: str) -> str:
    # A commit returns when it is on disk (fsync), whatever the server's default; settings that
    # wait for more than that, such as remote_apply, stay.
    durable = (
        "CASE current_setting('synchronous_commit') WHEN 'off'"
        f" THEN set_config('synchronous_commit', 'on', {is_local}) END"
    )
    settings = {**_FIXED, **_timeouts(timeouts, version)}
    values = ", ".join(f"('{name}', '{value}')" for name, value in settings.items())
    # By set_config and not as startup options of the connection, which some poolers refuse.
    return (
        f"SELECT {first}{durable}, count(set_config(name, value, {is_local}))"  # noqa: S608 - ours
        f" FROM (VALUES {values}) AS setting (name, value)"
    )


def _timeouts(timeouts: Timeouts, version: int) -> dict[str, str]:
    """Return the timeouts that a server of a version has, in milliseconds; 0 means no limit."""
    idle = timeouts.idle_seconds_max
    seconds = {
        "lock_timeout": timeouts.lock_seconds_max,
        "idle_in_transaction_session_timeout": idle,
        "transaction_timeout": None if idle is None else idle * _WHOLE_TIMES,
    }
    return {
        name: str(_milliseconds(seconds.get(name)))
        for name, first_version in _TIMEOUTS.items()
        if version >= first_version
    }


def _milliseconds(seconds: float | None) -> int:
    """Convert a timeout to milliseconds; at least 1, because 0 means no limit."""
    return 0 if seconds is None else max(1, round(seconds * 1000))
