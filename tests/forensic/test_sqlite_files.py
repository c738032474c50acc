"""After a purge, no file of a SQLite database has a text of an erased customer."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from projector.erasure import forget
from projector.store.database import Database
from projector.store.erasure import purge_sqlite
from projector.store.erasure.purge import purge_files, unpurged
from tests.forensic.persons import erased_ids, fill, found_in, persons_in, text_of
from tests.support.purging import leftovers


@pytest.fixture
def filled(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database of customers; a purge of it does not wait for readers."""
    monkeypatch.setattr(purge_sqlite, "READERS_SECONDS_MAX", 0)
    fill(sqlite_database)
    return sqlite_database


def _dump(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump()).encode()


def test_a_purge_leaves_no_text_of_an_erased_customer_in_any_file(
    filled: Database, tmp_path: Path
) -> None:
    """Not by a commit alone: a reader keeps the write-ahead log, with the pages as they were."""
    files, persons = tmp_path.rglob, len(erased_ids())
    assert persons_in(files("*")) == persons
    with filled.reading() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM event")
        report = forget(filled, erased_ids())
        assert not report.purged
        assert "projector.db-wal cannot be emptied" in str(report.purge_problem)
        assert persons_in(files("*")) == persons
    with filled.reading() as connection:
        assert unpurged(connection) == [report.erasure_id]
    assert purge_files(filled).full
    assert found_in(files("*")) == {}
    assert text_of(0).encode() not in _dump(filled.file.path)
    assert text_of(1).encode() in _dump(filled.file.path)
    with filled.reading() as connection:
        assert unpurged(connection) == []


def test_a_purge_of_a_large_file_leaves_free_pages_of_zeros(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left then in pages in use is gone once the file is written anew."""
    monkeypatch.setattr(purge_sqlite, "SMALL_BYTES_MAX", 0)
    monkeypatch.setattr(purge_sqlite, "STEP_PAGES", 50)
    forget(filled, erased_ids())
    assert filled.wal_bytes() < 100_000
    with filled.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA freelist_count").scalar_one() > 100
    assert leftovers(filled.file.path) == []
    assert persons_in(tmp_path.rglob("*")) < len(erased_ids()) / 2
    purge_files(filled, full=True)
    assert found_in(tmp_path.rglob("*")) == {}
