"""Classifies errors of values and tables, and translates those of reading into RowsUnreadable."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from projector.errors import RowsUnreadable


@contextmanager
def translate_read_errors(projection: str) -> Iterator[None]:
    """Raise RowsUnreadable if the block reads a stored value that its column's type cannot hold.

    Postgres's types are strict, but SQLite stores any value in any column: another program may
    have written an invalid one.
    """
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise RowsUnreadable(projection=projection, reason=error) from error
    except DBAPIError as error:
        if not is_unreadable(error.orig):
            raise
        raise RowsUnreadable(projection=projection, reason=error.orig) from error


def is_unreadable(error: BaseException | None) -> bool:
    """Return whether a driver failed to convert a stored value: no SQLSTATE, so not the server."""
    is_text = isinstance(error, sqlite3.OperationalError) and "Could not decode" in str(error)
    return is_text or (type(error).__name__ == "DataError" and not getattr(error, "sqlstate", 1))


#: The driver errors that are caused by the values of a statement or by the table's layout.
_OF_VALUES = {"DataError", "IntegrityError", "ProgrammingError", "NotSupportedError"}

#: The beginnings of SQLite's messages about a missing table or column.
_MISSING_ON_SQLITE = ("no such table", "no such column", "table ")

#: SQLSTATE codes of the classes above that the environment causes, not values:
#: insufficient_privilege; prepared statements of another client of a pooler's session.
_OF_THE_ENVIRONMENT = {"42501", "42P05", "26000"}


def is_caused_by_values(error: BaseException | None) -> bool:
    """Return whether an error is caused by the values that were written or the table's layout.

    An error that is not the driver's (except OSError) comes from the code that made the values.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, sqlite3.Error):
        is_layout = str(error).startswith(_MISSING_ON_SQLITE)
        return is_layout or bool(names & (_OF_VALUES | {"InterfaceError"}))
    if hasattr(error, "sqlstate"):
        return (
            bool(names & _OF_VALUES) and getattr(error, "sqlstate", None) not in _OF_THE_ENVIRONMENT
        )
    return not isinstance(error, OSError)
