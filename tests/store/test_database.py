"""How the databases are opened: durable, one snapshot a read, one writer, errors in sentences."""

import sqlite3
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest
from msgspec import structs
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from projector import open_projector
from projector.errors import BadDatabaseUrl, DatabaseBusy, DatabaseUnreachable, NotMigrated
from projector.store import log, sqlite
from projector.store.database import Database
from tests.support.databases import url_of
from tests.support.items import at, envelope, put, read_log, streams
from tests.support.postgres import Server

_NORMAL, _FULL = 1, 2


def _durability(connection: Connection) -> tuple[object, object]:
    return (
        connection.exec_driver_sql("PRAGMA journal_mode").scalar_one(),
        connection.exec_driver_sql("PRAGMA synchronous").scalar_one(),
    )


def test_every_connection_to_sqlite_is_durable(sqlite_database: Database) -> None:
    """The journal's mode is the file's, but synchronous is each connection's own."""
    with ExitStack() as stack:
        several = [stack.enter_context(sqlite_database.engine.connect()) for _ in range(8)]
        assert len({id(each.connection.driver_connection) for each in several}) == 8
        assert [_durability(each) for each in several] == [("wal", _FULL)] * 8
    with sqlite_database.reading() as connection:
        assert _durability(connection) == ("wal", _FULL)
    with sqlite_database.writing() as connection:
        assert _durability(connection) == ("wal", _FULL)
    with sqlite_database.connected() as connection:
        assert _durability(connection) == ("wal", _FULL)


def test_a_new_sqlite_file_is_durable_from_the_first_connection(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with closing(database), database.creating(), database.writing() as connection:
        assert _durability(connection) == ("wal", _FULL)


def test_a_sqlite_file_with_another_journal_becomes_durable(migrated_sqlite_url: str) -> None:
    """As a dump that was loaded has it."""
    with closing(Database(migrated_sqlite_url)) as database:
        with closing(sqlite3.connect(database.file.path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        with database.reading() as opened:
            assert _durability(opened) == ("wal", _FULL)


@pytest.mark.external
def test_the_journal_of_another_programs_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    with closing(Database(f"sqlite:///{path}")) as database, database.reading() as opened:
        assert _durability(opened) == ("delete", _FULL)


def test_a_closed_sqlite_database_is_one_file(sqlite_database: Database, tmp_path: Path) -> None:
    put(sqlite_database, envelope("a"))
    sqlite_database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["projector.db"]
    assert len(read_log(sqlite_database)) == 1


def test_only_what_need_not_be_durable_does_not_wait_for_the_disk(
    sqlite_database: Database,
) -> None:
    """One connection serves both kinds, one after the other."""
    with sqlite_database.connected() as connection:
        for durable, level in ((False, _NORMAL), (True, _FULL), (False, _NORMAL)):
            with sqlite_database.writing(connection, durable=durable) as begun:
                assert _durability(begun) == ("wal", level)
        with sqlite_database.writing(connection) as begun:
            assert _durability(begun) == ("wal", _FULL)


def test_on_postgres_too(postgres_database: Database) -> None:
    with postgres_database.connected() as connection:
        for durable, setting in ((False, "off"), (True, "on"), (False, "off")):
            with postgres_database.writing(connection, durable=durable) as begun:
                shown = begun.exec_driver_sql("SHOW synchronous_commit").scalar_one()
                assert shown == setting


def test_threads_write_to_sqlite_in_turn_and_wait_no_longer_than_they_may(
    migrated_sqlite_url: str,
) -> None:
    with (
        closing(Database(migrated_sqlite_url)),
        closing(Database(migrated_sqlite_url, lock_seconds_max=0.1)) as database,
    ):
        entered, leave = Event(), Event()

        def hold() -> None:
            with database.writing():
                entered.set()
                leave.wait()

        with ThreadPoolExecutor() as pool:
            pool.submit(hold)
            entered.wait()
            with pytest.raises(DatabaseBusy, match="another thread"), database.writing():
                pass
            leave.set()
        with database.writing():
            pass


@pytest.mark.parametrize(("set_to", "found"), [("off", "on"), ("local", "local"), ("on", "on")])
def test_postgres_answers_a_commit_when_it_is_on_disk(
    postgres_database: Database, set_to: str, found: str
) -> None:
    """Whatever the server is set to; of what is more than nothing, the operator decides."""
    name = postgres_database.url.database
    with postgres_database.writing() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = {set_to}')
    url = url_of(postgres_database)
    with closing(Database(url)) as database, database.writing() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == found


def test_a_read_sees_one_snapshot_from_its_first_statement_on(database: Database) -> None:
    put(database, envelope("a"))
    with database.reading() as connection:
        assert log.head(connection) == 1
        put(database, envelope("b"))
        assert log.head(connection) == 1
        assert len(log.read(connection, after=0, until=9, limit=9)) == 1
    with database.reading() as connection:
        assert log.head(connection) == 2


def test_a_write_that_fails_is_undone(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(database)
    with database.reading() as connection:
        assert log.head(connection) == 0


def _write_and_fail(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE log_head SET position = 7"))
        raise ZeroDivisionError


def test_a_write_waits_for_the_one_before_it(database: Database) -> None:
    appended = Thread(target=put, args=(database, envelope("b")))
    with database.writing() as connection:
        connection.execute(text("UPDATE log_head SET position = position"))
        appended.start()
        appended.join(0.2)
        assert appended.is_alive()
    appended.join(10)
    assert [each.event_id for each in read_log(database)] == ["b"]


def test_one_connection_serves_several_transactions(database: Database) -> None:
    with database.connected() as connection:
        with database.reading(connection):
            assert log.head(connection) == 0
        with database.writing(connection):
            connection.execute(text("UPDATE log_head SET position = 7"))
        with database.reading(connection):
            assert log.head(connection) == 7


def test_instants_come_back_whatever_the_servers_time_zone_is(database: Database) -> None:
    ends = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), at(0)]
    for number, instant in enumerate(ends):
        item = envelope(str(number), customer_id=str(number))
        put(database, structs.replace(item, occurred_at=instant))
    assert [each.occurred_at for each in read_log(database)] == ends
    assert [row[3] for row in streams(database)] == ends
    assert all(each.occurred_at.tzinfo is UTC for each in read_log(database))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, migrated_sqlite_url: str) -> Iterator[Database]:
    """A database that waits for another writer only for a moment."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS_MAX", 0.05)
    with closing(Database(migrated_sqlite_url)) as database:
        yield database


def test_a_writer_that_waits_too_long_says_that_nothing_was_lost(
    impatient: Database, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "projector.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy) as caught:
            put(impatient, envelope("a"))
        other.execute("ROLLBACK")
    assert caught.value.exit_code == 4
    assert "Nothing was lost" in caught.value.hint
    assert put(impatient, envelope("a"))[0].position == 1


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="nothing"),
        pytest.param("projector.db", id="a file's name"),
        pytest.param("mysql://u:secret@h/d", id="another database"),
        pytest.param("sqlite://", id="in memory"),
        pytest.param("sqlite:///:memory:", id="in memory by name"),
        pytest.param("postgresql+asyncpg://u:secret@h/d", id="another driver"),
        pytest.param("postgresql://u:secret@h:port/d", id="a port that is no number"),
        pytest.param("sqlite:///x.db?timeout=soon", id="an option of a wrong kind"),
        pytest.param("sqlite://u:secret@h/x.db", id="a file on a host"),
        pytest.param("sqlite://u:secret@/:memory:", id="in memory of a user"),
        pytest.param("postgresql://u:p@secret@h/d", id="a password with an @"),
        pytest.param("mysql://h/d?password=secret", id="a password among the options"),
        pytest.param("sqlite:///file:x?uri=true&mode=memory", id="in memory by an option"),
        pytest.param("sqlite:///file::memory:?uri=true", id="in memory by a URI"),
        pytest.param("sqlite:///\udcff.db", id="a file's name that is not UTF-8"),
        pytest.param("mysql://u:secret@h/d?a=\udcff", id="an option that is not UTF-8"),
        pytest.param("sqlite:///x.db?plugin=none", id="a plugin that is not there"),
        pytest.param("postgresql://u:secret@h/d?plugin=none", id="a plugin for Postgres"),
        pytest.param("postgresql://u:secret@h/d?port=x", id="a port among the options"),
        pytest.param("postgresql://u:secret@h/d?host=a&host=b&port=1&port=2&port=3", id="ports"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadDatabaseUrl) as caught:
        Database(url)
    told = str(caught.value)
    assert "secret" not in told
    # By name, not as Python shows an object.
    assert "<projector" not in told
    assert "psycopg is missing" not in told


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgres_may_be_named_in_three_ways(postgres_url: str, scheme: str) -> None:
    url = f"{scheme}://{postgres_url.partition('://')[2]}"
    with closing(Database(url)) as database, database.reading() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite:////nowhere/projector.db", id="no such folder"),
        pytest.param("sqlite:////tmp", id="a folder"),
        pytest.param("postgresql://u:secret@127.0.0.1:1/d", id="no server"),
        pytest.param("postgresql://u:secret@127.0.0.1:1/d?colour=red", id="an unknown option"),
        pytest.param("postgresql://u:secret@127.0.0.1:1/d?connect_timeout=soon", id="a wrong one"),
        pytest.param("postgresql://127.0.0.1:1/d?user=u&password=secret", id="among the options"),
        pytest.param("postgresql://127.0.0.1:1/d?sslpassword=secret", id="that of the key"),
    ],
)
@pytest.mark.external
def test_an_unreachable_database_is_reported_without_its_password(url: str) -> None:
    database = Database(url)
    with pytest.raises(DatabaseUnreachable) as caught, database.reading():
        pass
    assert caught.value.exit_code == 4
    assert "secret" not in str(caught.value)


def test_a_missing_postgres_database_is_reported(postgres_url: str) -> None:
    database = Database(f"{postgres_url}_not")
    with pytest.raises(DatabaseUnreachable, match="does not exist"), database.reading():
        pass


@pytest.mark.parametrize(
    "content",
    [b"hello, world\n" * 100, b"\x1f\x8b", b"SQLite format 3\x00x"],
    ids=["a text", "gzip", "a header of SQLite"],
)
@pytest.mark.external
def test_a_file_that_is_no_database_is_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnreachable), database.reading():
        pass
    assert path.read_bytes() == content


def test_a_damaged_database_is_reported(sqlite_database: Database, tmp_path: Path) -> None:
    put(sqlite_database, envelope("a"))
    sqlite_database.close()
    path = tmp_path / "projector.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(DatabaseUnreachable):
        read_log(sqlite_database)


def test_a_read_only_postgres_is_reported(postgres_database: Database) -> None:
    with postgres_database.writing() as connection:
        connection.exec_driver_sql(
            "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database())"
            " || ' SET default_transaction_read_only = on'; END $$"
        )
    postgres_database.close()
    with pytest.raises(DatabaseUnreachable, match="read-only"):
        put(postgres_database, envelope("a"))


def test_an_internal_error_of_postgres_is_reported(postgres_database: Database) -> None:
    # The code that it gives to what it did not expect, such as a file that may not grow.
    broken = text("DO $$ BEGIN RAISE 'a file cannot grow' USING ERRCODE = 'XX000'; END $$")
    with (
        pytest.raises(DatabaseUnreachable, match="a file cannot grow"),
        postgres_database.writing() as connection,
    ):
        connection.execute(broken)


def test_a_database_that_is_refused_is_left_without_a_connection(
    postgres_url: str, postgres_server: Server
) -> None:
    with pytest.raises(NotMigrated) as caught:
        open_projector(postgres_url)
    name = make_url(postgres_url).database
    with closing(Database(postgres_server.url("postgres"))) as other, other.reading() as connection:
        statement = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
        assert connection.execute(statement, {"name": name}).scalar_one() == 0
    assert caught.value.exit_code == 4


def test_an_error_does_not_tell_the_values_of_its_statement(database: Database) -> None:
    asked = text("SELECT nothing FROM event WHERE body = :body")
    bodies = {"body": "a@x.test"}
    # SQLite's driver says of such a mistake what it says of a disk that is full.
    with (
        pytest.raises((DBAPIError, DatabaseUnreachable)) as caught,
        database.reading() as connection,
    ):
        connection.execute(asked, bodies)
    logged = "".join(traceback.format_exception(caught.value))
    assert "SELECT nothing" in logged
    assert "a@x.test" not in logged
