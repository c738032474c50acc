"""What databases and their drivers say when something is wrong, as errors of this program."""

from __future__ import annotations

import re
import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoneFree

from projector.errors import DatabaseBusy, DatabaseUnreachable, ProjectorError, RightsMissing

#: psycopg does not know an option of the URL, or not its value.
_BAD_OPTION = re.compile("^(invalid connection option|bad value for [a-z_]+: )")

#: Postgres ended the connection in the middle of a transaction, for it was idle, or took too long;
#: or lets nobody write, as a standby does.
_OF_THE_SERVER = frozenset({"25P03", "25P04", "25006"})

#: How the codes begin of what is broken inside of Postgres, such as a file that cannot grow.
_BROKEN_INSIDE = "XX"


def told(url: object, error: Exception) -> ProjectorError | None:
    """The error for an operator; None where the statement is at fault, and so the program."""
    if isinstance(error, NoneFree):
        return DatabaseBusy(url=url, reason="all connections of this process are in use")
    cause = error.orig if isinstance(error, DBAPIError) else error
    reason = str(cause).strip()
    if "database is locked" in reason or getattr(cause, "sqlstate", None) == "55P03":
        return DatabaseBusy(url=url, reason=reason)
    if getattr(cause, "sqlstate", None) == "42501":
        return RightsMissing(url=url, reason=reason.partition("\n")[0])
    if _is_environment(cause):
        return DatabaseUnreachable(url=url, reason=reason)
    return None


def _is_environment(cause: object) -> bool:
    """Whether the database is at fault (gone, full, read-only) and not the statement.

    Both drivers call that OperationalError, or a subclass of it. SQLite's says DatabaseError, and
    no subclass, of a file that is damaged or no database; psycopg's ProgrammingError, that a
    connection cannot be made in this way, and InternalError, that the server ended a transaction
    for its age, takes no writes, or is broken inside.
    """
    code = getattr(cause, "sqlstate", None) or ""
    names = {kind.__name__ for kind in type(cause).__mro__}
    return (
        "OperationalError" in names
        or type(cause) is sqlite3.DatabaseError
        or _BAD_OPTION.search(str(cause)) is not None
        or code in _OF_THE_SERVER
        or code.startswith(_BROKEN_INSIDE)
    )
