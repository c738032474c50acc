"""run: the tables follow the log until it is stopped."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from projector.store.database import Database
from tests.cli.conftest import Cli, Write
from tests.concurrency.rebuilds import within
from tests.support.command import PROGRAM, environment, run_program
from tests.support.databases import positions
from tests.support.followers import found
from tests.support.given import created

_LONG = 30.0


@contextmanager
def _running(folder: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PROGRAM, "run"],
        cwd=folder,
        env=environment(PROJECTOR_DATABASE_URL=url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 128 + signal.SIGINT)]
)
def test_run_projects_the_backlog_and_new_events_until_it_is_stopped(
    migrated_url: str, tmp_path: Path, write: Write, number: signal.Signals, code: int
) -> None:
    with closing(Database(migrated_url)) as database, _running(tmp_path, migrated_url) as process:
        within(_LONG, lambda: found(database).holder is not None)
        for day in (4, 5):
            name = write(created("cust_1", at=f"2024-03-0{day}T10:00:00Z"))
            command = ["ingest", name, "--no-catch-up"]
            assert run_program(tmp_path, *command, PROJECTOR_DATABASE_URL=migrated_url).code == 0
            position = day - 3
            within(1, lambda position=position: {*positions(database).values()} == {position})  # type: ignore[misc]
        process.send_signal(number)
        out, err = process.communicate(timeout=_LONG)
        assert found(database).holder is None
    assert (process.returncode, out) == (code, "")
    begun, takes = err.splitlines()
    assert f" follows {make_url(migrated_url).render_as_string()}." in begun
    told = json.loads(takes)
    assert (told["level"], told["logger"]) == ("info", "projector.runner.follower")
    assert "took the lease and projects" in told["message"]


def test_a_sqlite_database_is_made_on_the_way(tmp_path: Path) -> None:
    with _running(tmp_path, "sqlite:///new.db") as process:
        assert process.stderr is not None
        process.stderr.readline()
        with closing(Database(f"sqlite:///{tmp_path}/new.db")) as database:
            within(_LONG, lambda: found(database).holder is not None)


def test_run_does_not_print_the_password_of_the_database(
    migrated_postgres_url: str, tmp_path: Path
) -> None:
    known = make_url(migrated_postgres_url).set(password="secret")
    url = known.render_as_string(hide_password=False)
    with closing(Database(migrated_postgres_url)) as database, _running(tmp_path, url) as process:
        within(_LONG, lambda: found(database).holder is not None)
        process.send_signal(signal.SIGTERM)
        told = "".join(process.communicate(timeout=_LONG))
    assert "***" in told
    assert "secret" not in told


def test_a_second_run_reports_that_it_stands_by(migrated_url: str, tmp_path: Path) -> None:
    with closing(Database(migrated_url)) as database, _running(tmp_path, migrated_url):
        within(_LONG, lambda: found(database).holder is not None)
        with _running(tmp_path, migrated_url) as second:
            assert second.stderr is not None
            begun = second.stderr.readline()
            assert f"on standby while {found(database).holder} is alive" in begun


def test_a_database_that_is_not_migrated_is_not_waited_for(cli: Cli, postgres_url: str) -> None:
    done = cli("--db", postgres_url, "run")
    assert done.failed_in_a_sentence
    assert done.code == 4
