"""Connections that are kept for single statements are lost, inherited, shared and closed."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from projector.errors import DatabaseBusy, DatabaseUnreachable
from projector.queries.customers import find_customer
from projector.store import dialects
from projector.store.database import Database
from projector.store.kept_connections import KEPT_MAX
from tests.support.databases import url_of
from tests.support.given import append_and_project, created

_OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"

_CHILD = """
import os, sys
from projector import open_projector

with open_projector(sys.argv[1]) as projector:
    for _ in range(8):
        assert projector.customer("cust_1").customer_id == "cust_1"
    child = os.fork()
    answers = [projector.customer("cust_1") for _ in range(8)]
    if child:
        assert os.waitpid(child, 0)[1] == 0
        answers += [projector.customer("cust_1") for _ in range(8)]
    assert len(set(answers)) == 1
"""


@pytest.fixture
def database(database: Database) -> Database:
    """A database with one customer, of whom it was asked."""
    append_and_project(database, created("cust_1", at="2024-01-01T00:00:00Z"))
    _ask(database)
    return database


def _ask(database: Database) -> str:
    return find_customer(database, "cust_1").customer_id


def test_a_connection_that_the_server_ended_is_replaced_without_an_error(
    postgres_database: Database,
) -> None:
    """As one of the pool is, for example when the server was restarted."""
    append_and_project(postgres_database, created("cust_1", at="2024-01-01T00:00:00Z"))
    for _ in range(2):
        assert _ask(postgres_database) == "cust_1"
        with _administering(postgres_database) as other:
            ended = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {_OTHERS}"
            other.execute(ended.encode())
    assert _ask(postgres_database) == "cust_1"


def test_a_thread_that_waits_for_a_hanging_server_is_cut_off(postgres_database: Database) -> None:
    """`cut` ends the statement that a kept connection waits for."""
    append_and_project(postgres_database, created("cust_1", at="2024-01-01T00:00:00Z"))
    _ask(postgres_database)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            _ask(postgres_database)
        except DatabaseUnreachable as error:
            failures.append(error)

    with _administering(postgres_database) as other, other.transaction():
        other.execute("LOCK TABLE checkpoint IN ACCESS EXCLUSIVE MODE")
        asking = threading.Thread(target=ask)
        asking.start()
        _wait_until_somebody_waits(other)
        postgres_database.cut()
        asking.join(30)
    assert not asking.is_alive()
    assert len(failures) == 1
    assert _ask(postgres_database) == "cust_1"


def test_a_lock_is_not_waited_for_longer_than_was_said(postgres_database: Database) -> None:
    """A kept connection has the timeouts of all others."""
    with (
        closing(Database(url_of(postgres_database), lock_seconds_max=0.1)) as patient,
        _administering(postgres_database) as other,
        other.transaction(),
    ):
        other.execute("LOCK TABLE checkpoint IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseBusy):
            _ask(patient)


def test_nothing_stays_open_after_it_was_closed(database: Database) -> None:
    """Whereupon it can be used again, as the pool can."""
    for _ in range(2):
        assert _ask(database) == "cust_1"
        database.close()
        if database.is_sqlite:
            assert not database.file.wal.exists()
        else:
            with _administering(database) as other:
                # A session of the server ends a moment after its client has gone.
                _wait_for(other, "SELECT count(*) = 0", _OTHERS)


def test_a_forked_process_opens_connections_of_its_own(database: Database, tmp_path: Path) -> None:
    """The child neither uses nor closes those of its parent."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, url_of(database)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_more_threads_than_connections_are_answered_one_after_another(database: Database) -> None:
    """They take no more connections than the pool has, and leave few idle ones behind."""
    threads = 2 * (5 + dialects.OVERFLOW_MAX)
    begin = threading.Barrier(threads)

    def ask() -> str:
        begin.wait()
        return [_ask(database) for _ in range(5)][-1]

    with ThreadPoolExecutor(threads) as pool:
        found = [pool.submit(ask) for _ in range(threads)]
        assert {each.result() for each in found} == {"cust_1"}
    assert database.engine.pool.checkedout() <= KEPT_MAX  # type: ignore[attr-defined]


def _administering(database: Database) -> psycopg.Connection[tuple[int, ...]]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, autocommit=True)


def _wait_until_somebody_waits(connection: psycopg.Connection[tuple[int, ...]]) -> None:
    _wait_for(connection, "SELECT count(*) > 0", f"{_OTHERS} AND wait_event_type = 'Lock'")


def _wait_for(connection: psycopg.Connection[tuple[int, ...]], what: str, which: str) -> None:
    statement = f"{what} FROM pg_stat_activity WHERE {which}"
    while connection.execute(statement.encode()).fetchall() != [(True,)]:
        time.sleep(0.01)
