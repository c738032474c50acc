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
