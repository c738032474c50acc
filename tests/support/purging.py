"""Databases with an erasure that was not purged, and what their files have then."""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from projector.erasure import forget
from projector.errors import PurgeIncomplete
from projector.store.database import Database
from projector.store.erasure import purge
from projector.store.erasure.purge_sqlite import FILLER
from tests.support.forgetting import arrive, others, seven


def erase_without_purge(database: Database) -> None:
    """Forget a customer of a few, while the purge fails."""
    arrive(database, *others(), *seven())
    forget_without_purge(database, "cust_7")


def forget_without_purge(database: Database, customer_id: str) -> None:
    """Forget a customer, while the purge fails."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(purge, "purge", _fail)
        report = forget(database, [customer_id])
    assert (report.customers, report.purged) == (1, False)


def _fail(database: Database) -> None:
    raise PurgeIncomplete(url=database, reason="a test says so.")


def free_some(database: Database, *, pages: int) -> None:
    """Have free pages with content in a SQLite file."""
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE freed (content)")
        content = b"old " * (pages * 2_000)
        connection.exec_driver_sql("INSERT INTO freed VALUES (?)", (content,))
    with database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE freed")


def unpurged(database: Database) -> list[int]:
    """The erasures that were not purged."""
    with database.reading() as connection:
        return purge.unpurged(connection)


def leftovers(path: Path) -> list[bytes]:
    """What free pages of a SQLite file have, beside zeros and the numbers of other pages."""
    left = (page[begin:].strip(b"\0") for page, begin in _free_pages(path))
    return [each for each in left if each]


def has_filler(path: Path) -> bool:
    """Whether the table that a purge fills is there; raises an error for a damaged file."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    return (FILLER,) in names


def _free_pages(path: Path) -> Iterator[tuple[bytes, int]]:
    """Each free page, and how many of its bytes are numbers of other free pages."""
    content = path.read_bytes()
    [size] = struct.unpack_from(">H", content, 16)
    [trunk] = struct.unpack_from(">I", content, 32)
    pages = [content[begin : begin + size] for begin in range(0, len(content), size)]
    while trunk:
        page = pages[trunk - 1]
        following, count = struct.unpack_from(">II", page)
        yield page, 8 + 4 * count
        for leaf in struct.unpack_from(f">{count}I", page, 8):
            yield pages[leaf - 1], 0
        trunk = following
