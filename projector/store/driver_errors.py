"""Translates errors of the databases' drivers into errors of this program."""

from __future__ import annotations

import re
import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from projector.errors import (
    DatabaseBusy,
    DatabaseReadOnly,
    DatabaseUnreachable,
    EncodingUnsuitable,
    PoolerExhausted,
    PoolerUndetected,
    PoolerUnsuitable,
    ProjectorError,
    RightsMissing,
)

#: The beginning of psycopg's message for an unknown option of the URL, or an invalid value of one.
_BAD_OPTION = re.compile("^(invalid connection option|bad value for [a-z_]+: )")

#: SQLSTATE codes of Postgres: idle_in_transaction_session_timeout, transaction_timeout (both end
#: the connection during a transaction).
_OF_THE_SERVER = frozenset({"25P03", "25P04"})

#: SQLSTATE codes of Postgres that have an error of their own: lock_not_available,
#: insufficient_privilege, read_only_sql_transaction (a standby), untranslatable_character;
#: duplicate_prepared_statement and invalid_sql_statement_name, of another client of the session.
_BY_CODE: dict[str, type[ProjectorError]] = {
    "55P03": DatabaseBusy,
    "42501": RightsMissing,
    "25006": DatabaseReadOnly,
    "22P05": EncodingUnsuitable,
    "42P05": PoolerUndetected,
    "26000": PoolerUndetected,
}

#: Parts of messages that have an error of their own: SQLite's, and PgBouncer's for a transaction in
#: its mode `statement`, and for a transaction that waited for a free connection.
_BY_MESSAGE: dict[str, type[ProjectorError]] = {
    "database is locked": DatabaseBusy,
    "statement pooling mode": PoolerUnsuitable,
    "query_wait_timeout": PoolerExhausted,
}

#: The SQLSTATE class of internal errors of Postgres, such as a file that cannot grow.
_INTERNAL_ERROR = "XX"


def translate_error(url: object, error: Exception) -> ProjectorError | None:
    """Return the error to show to an operator; None if the statement, so a bug, is the cause."""
    if isinstance(error, PoolTimeout):
        return DatabaseBusy(url=url, reason="all connections of this process are in use")
    cause = error.orig if isinstance(error, DBAPIError) else error
    reason = str(cause).strip()
    known = next((_BY_MESSAGE[part] for part in _BY_MESSAGE if part in reason), None)
    known = known or _BY_CODE.get(getattr(cause, "sqlstate", None) or "")
    if known is not None:
        return known(url=url, reason=reason.partition("\n")[0])
    if _is_environment(cause):
        return DatabaseUnreachable(url=url, reason=reason)
    return None


def _is_environment(cause: object) -> bool:
    """Return whether the database is the cause (gone, full, read-only) and not the statement.

    Both drivers raise OperationalError, or a subclass of it, for most of these. The exceptions:

    - sqlite3 raises DatabaseError itself for a file that is damaged or not a database.
    - psycopg raises ProgrammingError for an invalid option of the connection.
    - psycopg raises InternalError if the server ended a transaction because of its age, is
      read-only, or has an internal error.
    """
    code = getattr(cause, "sqlstate", None) or ""
    names = {kind.__name__ for kind in type(cause).__mro__}
    return (
        "OperationalError" in names
        or type(cause) is sqlite3.DatabaseError
        or _BAD_OPTION.search(str(cause)) is not None
        or code in _OF_THE_SERVER
        or code.startswith(_INTERNAL_ERROR)
    )
