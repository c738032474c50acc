"""A log to archive, and what an archive must keep of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from projector.store.database import Database
from projector.store.tables import event, log_head, stream
from replay.archive import shelf
from replay.archive.shelf import Shelf
from tests.support.items import envelope, put

#: The events of a log by position, its streams and its head, as values of no database.
Log = list[list[tuple[Any, ...]]]


def log_of(database: Database) -> Log:
    """Read what makes a log."""
    with database.reading() as connection:
        return [
            sorted(tuple(row) for row in connection.execute(select(table)))
            for table in (event, stream, log_head)
        ]


def append_ten(database: Database, begin: int = 0) -> None:
    """Append ten events: of two customers and of none, some of them late."""
    put(
        database,
        *(
            envelope(
                f"e{begin + number}",
                customer_id=[None, "cust_1", "cust_2"][number % 3],
                minute=(number * 3) % 10,
                name=f"Jo\t\n'\"\\N é😀 {number}",
            )
            for number in range(10)
        ),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for an archive, which does not exist."""
    return tmp_path / "archive"


@pytest.fixture
def stored(folder: Path) -> Shelf:
    """The shelf in it."""
    return shelf.opened(str(folder))


@pytest.fixture
def log(wiped_database: Database) -> Database:
    """A log of ten events."""
    append_ten(wiped_database)
    return wiped_database


#: Reads the names of all files in a folder.
Names = Callable[[], list[str]]


@pytest.fixture
def names(folder: Path) -> Names:
    """All files of the archive, hidden ones included."""
    return lambda: sorted(
        each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()
    )
