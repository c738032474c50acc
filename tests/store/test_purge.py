"""A purge goes on beside others, is killed at any step, and is done by the next one."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from projector.errors import PurgeIncomplete
from projector.projections import discover
from projector.store.database import Database
from projector.store.erasure import purge_postgres, purge_sqlite
from projector.store.erasure.purge import purge_files
from replay import rebuild
from replay.engines import ENGINES
from tests.support.databases import url_of
from tests.support.forgetting import is_right
from tests.support.given import append_and_project, updated
from tests.support.purging import (
    erase_without_purge,
    forget_without_purge,
    free_some,
    has_filler,
    leftovers,
    unpurged,
)

_STEP_PAGES = 20

#: A process that purges and is killed at the step of its argument.
_KILLED = f"""
import os, signal, sys
from projector.store.database import Database
from projector.store.erasure import purge, purge_sqlite
purge_sqlite.SMALL_BYTES_MAX, purge_sqlite.STEP_PAGES = 0, {_STEP_PAGES}
steps = []

def step(function):
    def counted(*arguments):
        if len(steps) == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        steps.append(function)
        return function(*arguments)
    return counted

purge_sqlite._fill_step = step(purge_sqlite._fill_step)
purge_sqlite._drop_step = step(purge_sqlite._drop_step)
purge.purge(Database(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overwrite, in small steps; do not wait for readers."""
    monkeypatch.setattr(purge_sqlite, "SMALL_BYTES_MAX", 0)
    monkeypatch.setattr(purge_sqlite, "STEP_PAGES", _STEP_PAGES)
    for module in (purge_sqlite, purge_postgres):
        monkeypatch.setattr(module, "READERS_SECONDS_MAX", 0)


@pytest.fixture
def erased(database: Database) -> Database:
    """A database with an erasure that was not purged."""
    erase_without_purge(database)
    return database


@pytest.fixture
def freed(sqlite_database: Database) -> Database:
    """A SQLite file with such an erasure and with free pages."""
    erase_without_purge(sqlite_database)
    free_some(sqlite_database, pages=100)
    return sqlite_database


@pytest.fixture
def other(freed: Database) -> Iterator[Database]:
    """The file as another process has it."""
    with closing(Database(url_of(freed))) as other:
        yield other


def test_a_purge_is_recorded_with_every_erasure_that_waits(erased: Database) -> None:
    assert unpurged(erased) == [1]
    assert purge_files(erased).erasures == (1,)
    assert unpurged(erased) == []
    # Once more it is done, but recorded with none.
    assert purge_files(erased).erasures == ()


@pytest.mark.external
@pytest.mark.parametrize(("step", "full"), [(1, False), (3, False), (3, True), (9, False)])
def test_a_killed_purge_leaves_a_sound_file_and_the_next_one_finishes(
    freed: Database, step: int, full: bool
) -> None:
    """Before the first step, amid the filling, and amid the giving back."""
    freed.close()
    path = freed.file.path
    killed = subprocess.run([sys.executable, "-c", _KILLED, url_of(freed), str(step)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert has_filler(path) == (step > 1)
    assert unpurged(freed) == [1]
    purge_files(freed, full=full)
    assert not has_filler(path)
    assert leftovers(path) == []
    assert unpurged(freed) == []
    is_right(freed)


def test_others_write_and_rebuild_between_the_steps_of_a_purge(
    freed: Database, other: Database
) -> None:
    done: list[int] = []

    def step(_phase: str, _done: int, _total: int) -> None:
        if len(done) == 5:
            return
        done.append(len(done))
        append_and_project(other, updated("cust_1", at=f"2024-04-0{len(done)}T10:00:00Z"))
        if len(done) == 3:
            rebuild(other, discover(), ENGINES["in-process"])
            forget_without_purge(other, "cust_77")

    report = purge_files(freed, on_progress=step)
    assert len(done) == 5
    assert report.cleaned_bytes > 500_000
    assert leftovers(freed.file.path) == []
    assert not has_filler(freed.file.path)
    is_right(other)
    # It may have missed the bytes of an erasure that came meanwhile.
    assert unpurged(other) == [2]


def test_a_purge_that_is_stopped_gives_its_pages_back(freed: Database) -> None:
    with pytest.raises(PurgeIncomplete, match="the process was stopped"):
        purge_files(freed, is_stopped=lambda: True)
    assert not has_filler(freed.file.path)
    assert unpurged(freed) == [1]


def test_a_reader_that_comes_meanwhile_keeps_the_erasure_unpurged(
    freed: Database, other: Database
) -> None:
    with other.connected() as reader:

        def read(_phase: str, _done: int, _total: int) -> None:
            if not reader.in_transaction():
                reader.exec_driver_sql("SELECT count(*) FROM event")

        with pytest.raises(PurgeIncomplete, match="-wal cannot be emptied"):
            purge_files(freed, on_progress=read)
    assert unpurged(freed) == [1]
    purge_files(freed)
    assert freed.wal_bytes() < 100_000


def test_a_table_in_use_is_not_written_anew(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that idles in a transaction has a lock, though it sees no old row any more."""
    monkeypatch.setattr(purge_postgres, "_LOCK_SECONDS_MAX", 0)
    monkeypatch.setattr(purge_postgres, "_LOCK_MS", 50)
    erase_without_purge(postgres_database)
    url = url_of(postgres_database).replace("+psycopg", "")
    with psycopg.connect(url) as idle:
        idle.execute("SELECT 1 FROM event LIMIT 1")
        with pytest.raises(PurgeIncomplete, match="event is in use"):
            purge_files(postgres_database, full=True)
        assert unpurged(postgres_database) == [1]
        purge_files(postgres_database)
    assert unpurged(postgres_database) == []
