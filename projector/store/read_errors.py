"""Values in a table that cannot be read, as errors of this program."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from projector.errors import RowsUnreadable


@contextmanager
def translate_read_errors(projection: str) -> Iterator[None]:
    """While rows are read as what they mean: raises RowsUnreadable where one means nothing.

    On Postgres the types are strict; on SQLite anybody can write anything into a column.
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
    """Whether a driver could not read a value that its database keeps; no server said a word."""
    is_text = isinstance(error, sqlite3.OperationalError) and "Could not decode" in str(error)
    return is_text or (type(error).__name__ == "DataError" and not getattr(error, "sqlstate", 1))


#: The classes of driver errors that the values of a statement, or the table's layout, cause.
_OF_VALUES = {"DataError", "IntegrityError", "ProgrammingError", "NotSupportedError"}

#: How SQLite's messages begin about a table or a column that is missing.
_MISSING_ON_SQLITE = ("no such table", "no such column", "table ")

#: Insufficient privilege: the environment is at fault.
_PRIVILEGE = "42501"


def is_caused_by_values(error: BaseException | None) -> bool:
    """Whether an error comes from the values that were written or from the table's layout.

    Any error that is not the driver's is one of the code that made the values.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, sqlite3.Error):
        is_layout = str(error).startswith(_MISSING_ON_SQLITE)
        return is_layout or bool(names & (_OF_VALUES | {"InterfaceError"}))
    if hasattr(error, "sqlstate"):
        return bool(names & _OF_VALUES) and getattr(error, "sqlstate", None) != _PRIVILEGE
    return not isinstance(error, OSError)
