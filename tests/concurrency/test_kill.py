"""Killed at any moment and run again, an ingest ends as if nothing had happened."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from projector.projections import discover
from projector.store.database import Database
from tests.concurrency.story import content, events, is_sqlite, made
from tests.support.command import Done, environment, run_program
from tests.support.databases import migrated
from tests.support.given import created
from tests.support.items import read_log
from tests.support.postgres import Server

_DELIVERIES = 10_000
_KILLS = 4

#: The program with batches so small that a kill always falls between some.
_SMALL_STEPS = """
from functools import partial
import projector.intake.ingest, projector.runner.runner
projector.intake.ingest.BATCH_ITEMS_MAX = 250
projector.runner.runner.catch_up = partial(projector.runner.runner.catch_up, batch_events_max=1000)
from projector.cli import main
main()
"""

_PROGRESS = (
    "SELECT position, (SELECT coalesce(sum(position), 0) FROM checkpoint) AS folded FROM log_head"
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that is ingested."""
    path = tmp_path_factory.mktemp("killed") / "file"
    path.write_bytes(content(_DELIVERIES))
    return path


def _start(file: Path, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SMALL_STEPS, "ingest", str(file), "--json"],
        cwd=file.parent,
        env=environment(PROJECTOR_DATABASE_URL=url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(file: Path, url: str) -> Done:
    with _start(file, url) as process:
        out, err = process.communicate()
    return Done(process.returncode, out, err)


def _progress(url: str) -> int:
    """How much has been appended and folded; looked at without making or changing anything."""
    try:
        if is_sqlite(url):
            path = make_url(url).database
            with closing(
                sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0)
            ) as connection:
                row = connection.execute(_PROGRESS).fetchone()
        else:
            with psycopg.connect(url.replace("+psycopg", "")) as connection:
                row = connection.execute(_PROGRESS).fetchone()
    except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
        return 0
    return int(row[0] + row[1]) if row else 0


def _kill_at(process: subprocess.Popen[str], url: str, progress: float) -> int:
    """Kill a process once it has come so far; returns what it ended with."""
    while process.poll() is None and _progress(url) < progress:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode


def _kill_after(process: subprocess.Popen[str], seconds: float) -> None:
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_killed_ingest_that_is_run_again_ends_as_an_undisturbed_one(
    database_url: str, file: Path, postgres_server: Server, tmp_path: Path
) -> None:
    chance = random.Random(database_url)
    undisturbed = f"sqlite:///{tmp_path / 'undisturbed.db'}"
    if is_sqlite(database_url):
        for seconds in (chance.uniform(0.3, 0.7), chance.uniform(0.7, 1.2)):
            # While the file is made and migrated.
            _kill_after(_start(file, database_url), seconds)
    else:
        undisturbed = postgres_server.create_database()
        for url in (database_url, undisturbed):
            with migrated(url):
                pass
    # Appended once and folded by the projections.
    whole = (1 + len(discover())) * events(_DELIVERIES)
    moments = [0.2, *sorted(chance.uniform(0.2, 0.9) for _ in range(_KILLS - 1))]
    codes = [_kill_at(_start(file, database_url), database_url, part * whole) for part in moments]
    # On a busy machine the last ones may come too late.
    assert codes[0] == -signal.SIGKILL, "it was not killed on the way"
    for url in (database_url, undisturbed):
        done = _finish(file, url)
        assert (done.code, done.err) == (0, "")
        assert done.json["head"] == events(_DELIVERIES)
    assert made(database_url) == made(undisturbed)


_TELLS = """
import sys
from projector import open_projector
with open_projector(sys.argv[1]) as projector, open(sys.argv[2], "rb") as file:
    projector.ingest(file, on_batch=lambda done: print(done, flush=True))
"""


def test_acknowledged_batches_survive_a_kill(migrated_url: str, tmp_path: Path) -> None:
    born = (created(f"cust_{number}", at="2024-01-01T00:00:00Z") for number in range(15_000))
    file = tmp_path / "file"
    file.write_text("\n".join(map(json.dumps, born)))
    with subprocess.Popen(
        [sys.executable, "-c", _TELLS, migrated_url, str(file)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline()]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    with closing(Database(migrated_url)) as database:
        assert len(read_log(database)) >= int(told[-1]) > 0


def test_an_ingest_that_is_run_twice_changes_nothing_the_second_time(
    migrated_url: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(content(1000))
    run_program(tmp_path, "ingest", "file", PROJECTOR_DATABASE_URL=migrated_url)
    before = made(migrated_url)
    again = run_program(tmp_path, "ingest", "file", "--json", PROJECTOR_DATABASE_URL=migrated_url)
    assert again.json["appended"] == 0
    assert made(migrated_url) == before
