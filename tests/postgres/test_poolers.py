"""Everything works through a PgBouncer that gives each transaction another session."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from projector import open_projector
from projector.errors import (
    BadDatabaseUrl,
    DirectDatabaseElsewhere,
    PoolerExhausted,
    PoolerUndetected,
    PoolerUnsuitable,
    RebuildRunning,
)
from projector.projections import discover
from projector.runner.follower import Follower
from projector.runner.isolation import read_problems
from projector.store import log
from projector.store.database import Database
from projector.store.notifications import listen
from projector.store.rebuild import shadow
from tests.support.command import run_program
from tests.support.databases import positions
from tests.support.followers import QUICK, following
from tests.support.given import append_and_project, append_webhooks, entered, updated
from tests.support.pgbouncer import running_pooler, through
from tests.support.postgres import Server
from tests.support.server_process import SECRET, serving
from tests.support.tasks import administering, answers, filled, ingest, opened, rebuilt

_LONG = 20.0


@pytest.fixture(scope="module")
def pooler(postgres_server: Server) -> Iterator[Server]:
    """A pooler of transactions, with fewer sessions than a process here has connections."""
    with running_pooler(postgres_server, "transaction", {"default_pool_size": 4}) as pooler:
        yield pooler


@pytest.fixture
def pooled_url(pooler: Server, migrated_postgres_url: str) -> str:
    """The URL of a migrated database through the pooler."""
    return through(pooler, migrated_postgres_url)


@pytest.fixture
def crowd(pooled_url: str) -> Iterator[None]:
    """Other clients, whose transactions take sessions away from ours, and change their settings."""
    stop = threading.Event()

    def take_turns() -> None:
        while not stop.is_set():
            with administering(pooled_url) as client:
                client.prepare_threshold = None
                for _ in range(20):
                    with client.transaction():
                        client.execute("SET LOCAL DateStyle = 'German'")
                        client.execute("SELECT pg_sleep(0.001)")

    threads = [threading.Thread(target=take_turns) for _ in range(2)]
    for each in threads:
        each.start()
    yield
    stop.set()
    for each in threads:
        each.join()


def test_every_task_works_and_answers_the_same(
    postgres_server: Server, postgres_template: str, pooled_url: str, crowd: None
) -> None:
    with postgres_server.database(postgres_template) as url:
        filled(url)
        with open_projector(url) as projector:
            expected = answers(projector)
    with open_projector(pooled_url) as projector:
        for _ in range(2):
            ingest(projector)
        assert projector.database.is_pooled
        for _ in range(3):
            assert _without_duplicates(answers(projector)) == _without_duplicates(expected)
        rebuilt(projector)
        rebuilt(projector)
        projector.rebuild(engine="parallel", workers=2)
        assert projector.verify().is_right


def _without_duplicates(found: object) -> object:
    """The answers without the explanations, which count the second deliveries."""
    assert isinstance(found, list)
    return [each for each in found if not (isinstance(each, dict) and "steps" in str(each))]


def test_a_new_database_is_migrated_through_it(
    postgres_url: str, pooler: Server, tmp_path: Path
) -> None:
    assert run_program(tmp_path, "migrate", "--db", through(pooler, postgres_url)).code == 0


def test_nothing_stays_in_a_session_that_is_another_client_s_next(pooled_url: str) -> None:
    """Neither settings nor locks, temporary tables, prepared statements or listeners."""
    with open_projector(pooled_url, lock_seconds_max=5, idle_seconds_max=7) as projector:
        ingest(projector, 600)
        rebuilt(projector)
    with administering(pooled_url) as client:
        # Takes all sessions of the pool.
        for _ in range(4):
            found = client.execute(
                "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'),"
                " current_setting('row_security'), pg_sleep(0.01)::text,"
                " (SELECT count(*) FROM pg_prepared_statements),"
                " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),"
                " (SELECT count(*) FROM pg_class WHERE relpersistence = 't'),"
                " (SELECT count(*) FROM pg_listening_channels())"
            ).fetchone()
            assert found == ("0", "0", "on", "", 0, 0, 0, 0)


def test_a_follower_polls_in_place_of_listening(
    pooled_url: str, migrated_postgres_url: str
) -> None:
    with opened(pooled_url) as database, opened(migrated_postgres_url) as other:
        with following(Follower(database, discover(), intervals=QUICK)):
            for number in range(1, 4):
                append_webhooks(
                    other, entered(f"cust_{number}", "seg_1", at="2024-03-01T10:00:00Z")
                )
                _until_projected(other, number)
        with listen(database, threading.Event()) as listener:
            begun = time.monotonic()
            listener.wait(_LONG)
            assert time.monotonic() - begun < 1


def _until_projected(database: Database, position: int) -> None:
    deadline = time.monotonic() + _LONG
    while {*positions(database).values()} != {position}:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_takes_webhooks_fills_the_tables_and_answers(
    pooled_url: str, tmp_path: Path
) -> None:
    with serving(tmp_path, pooled_url) as server:
        for number in range(20):
            webhook = updated("cust_1", at=f"2024-03-02T10:00:{number:02}Z", name=f"Ada {number}")
            assert server.client.deliver(webhook, SECRET).status == 200
        answer = server.client.get("/customers/cust_1?min_position=20")
        assert (answer.status, answer.json["name"]) == (200, "Ada 19")
        assert "Traceback" not in server.told


def test_one_rebuild_at_a_time_through_it_too(pooled_url: str, migrated_postgres_url: str) -> None:
    with opened(pooled_url) as one, opened(migrated_postgres_url) as other:
        with shadow.lock(one) as check:
            check()
            for database in (one, other):
                with pytest.raises(RebuildRunning), shadow.lock(database):
                    pass
        with shadow.lock(other):
            pass


def test_the_lock_of_a_rebuild_does_not_hold_back_vacuum(migrated_postgres_url: str) -> None:
    """A transaction without a snapshot, and without changes, keeps no old row alive."""
    with (
        opened(migrated_postgres_url, idle_seconds_max=0.1) as database,
        shadow.lock(database) as check,
        administering(migrated_postgres_url) as admin,
    ):
        time.sleep(0.5)
        check()
        idle = admin.execute(
            "SELECT state, backend_xmin, backend_xid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
        assert idle == [("idle in transaction", None, None)]


def test_a_pooler_of_statements_is_refused_at_once(
    postgres_server: Server, migrated_postgres_url: str, tmp_path: Path
) -> None:
    with running_pooler(postgres_server, "statement") as pooler:
        url = through(pooler, migrated_postgres_url)
        for command in (["status"], ["migrate"], ["run"], ["serve", "--port", "0"]):
            done = run_program(tmp_path, *command, "--db", url)
            assert (done.code, done.failed_in_a_sentence) == (4, True)
            assert "statement pooling mode" in done.err
        with pytest.raises(PoolerUnsuitable):
            open_projector(url)


def test_the_url_says_how_a_pooler_pools(
    postgres_server: Server, migrated_postgres_url: str, pooled_url: str
) -> None:
    with opened(migrated_postgres_url) as database:
        assert not database.is_pooled
    with opened(f"{migrated_postgres_url}?pooler=transaction") as database:
        assert database.is_pooled
    with running_pooler(postgres_server, "session") as pooler:
        url = through(pooler, migrated_postgres_url)
        with opened(url) as database:
            assert database.is_pooled
        with open_projector(f"{url}?pooler=session") as projector:
            assert not projector.database.is_pooled
            ingest(projector, 5)
            rebuilt(projector)
    with pytest.raises(BadDatabaseUrl, match="write pooler=transaction or pooler=session"):
        open_projector(f"{pooled_url}?pooler=yes")


def test_a_pooler_of_transactions_that_is_not_known_as_one_is_named_in_a_sentence(
    postgres_server: Server, migrated_postgres_url: str
) -> None:
    """Another client's prepared statements are in the session, and no projection is to blame."""
    with running_pooler(postgres_server, "transaction", {"default_pool_size": 1}) as pooler:
        url = through(pooler, f"{migrated_postgres_url}?pooler=session")
        with opened(url) as one, opened(url) as other:
            for _ in range(20):
                with one.reading() as connection:
                    log.head(connection)
            with pytest.raises(PoolerUndetected) as raised:
                _append_and_project_often(other)
        assert "?pooler=transaction" in raised.value.hint
    with opened(migrated_postgres_url) as database:
        assert read_problems(database, discover()) == []


def _append_and_project_often(database: Database) -> None:
    for number in range(20):
        append_and_project(database, entered(f"c_{number}", "s", at="2024-03-01T10:00:00Z"))


def test_a_pool_that_is_too_small_for_a_rebuild_is_left_out_by_the_direct_url(
    postgres_server: Server, migrated_postgres_url: str, tmp_path: Path
) -> None:
    filled(migrated_postgres_url, 5)
    small = {"default_pool_size": 1, "query_wait_timeout": 1}
    with running_pooler(postgres_server, "transaction", small) as pooler:
        url = through(pooler, migrated_postgres_url)
        with open_projector(url) as projector, pytest.raises(PoolerExhausted) as raised:
            projector.rebuild()
        assert "PROJECTOR_DIRECT_DATABASE_URL" in raised.value.hint
        done = run_program(
            tmp_path,
            "rebuild",
            "--json",
            PROJECTOR_DATABASE_URL=url,
            PROJECTOR_DIRECT_DATABASE_URL=migrated_postgres_url,
        )
        assert (done.code, done.json["swapped"]) == (0, True)


def test_a_direct_url_of_another_database_is_refused(
    postgres_server: Server, pooled_url: str, sqlite_url: str
) -> None:
    """A rebuild there would not be what was asked for."""
    with postgres_server.database() as other:
        for direct_url in (other, sqlite_url):
            with (
                open_projector(pooled_url, direct_url=direct_url) as projector,
                pytest.raises(DirectDatabaseElsewhere),
            ):
                projector.rebuild()


def test_a_direct_url_does_not_concern_sqlite(
    migrated_sqlite_url: str, migrated_postgres_url: str
) -> None:
    with open_projector(migrated_sqlite_url, direct_url=migrated_postgres_url) as projector:
        assert projector.rebuild().swapped


def test_a_session_that_a_pooler_ended_is_replaced(pooler: Server, pooled_url: str) -> None:
    with open_projector(pooled_url) as projector:
        ingest(projector, 5)
        name = make_url(pooled_url).database
        console = make_url(pooled_url).set(drivername="postgresql", database="pgbouncer")
        with (
            psycopg.connect(
                console.render_as_string(hide_password=False),
                autocommit=True,
                prepare_threshold=None,
            ) as admin,
            psycopg.ClientCursor(admin) as cursor,
        ):
            cursor.execute(f"KILL {name}".encode())
            cursor.execute(f"RESUME {name}".encode())
        ingest(projector, 5)
        assert projector.verify().is_right
