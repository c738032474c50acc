"""Whatever befalls a rebuild, and whoever writes or reads meanwhile: the tables are right."""

import os
import random
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store import log
from projector.store.append import append
from projector.store.database import Database
from replay.workspace import path_for
from tests.concurrency import rebuilds, story, traffic
from tests.concurrency.logs import ended
from tests.concurrency.rebuilds import STEPS, Rebuilding, end_within, is_right, left, workers
from tests.support.command import Done, run_program
from tests.support.databases import dead_letters, positions, stored, url_of
from tests.support.given import RECEIVED_AT, append_and_project, envelope
from tests.support.logs import sql

pytestmark = pytest.mark.timeout(120)

_DELIVERIES = 3000
_LIVED_ON_SECONDS_MAX = 5
#: Enough for the tables that SQLite makes, and not for all facts of the log in one bucket.
_FILE_BYTES_MAX = 380_000
#: From here on the new tables may be there already.
_AT_THE_SWAP = ("swapping", "dropping")


@pytest.fixture
def database(database: Database) -> Database:
    """A database with a log and its tables."""
    items = [envelope(each) for each in story.deliveries(_DELIVERIES)]
    append(database, items, received_at=RECEIVED_AT)
    catch_up(database, discover())
    return database


def _disturbed_at(step: str, url: str) -> Rebuilding:
    """A rebuild at a random moment of a step."""
    rebuilding = rebuilds.start(url)
    rebuilding.until(step)
    # To start takes workers longer than to do anything else.
    time.sleep(random.Random(url).uniform(0, 0.2 if step == "starting" else 0.02))
    return rebuilding


def _live(database: Database) -> tuple[object, ...]:
    """The tables that everybody reads, and what belongs to them."""
    marks = {name: at for name, at in positions(database).items() if "shadow" not in name}
    return (
        stored(database),
        marks,
        [each for each in dead_letters(database) if "shadow" not in each[0]],
    )


def _is_a_sentence(done: Done, *words: str) -> bool:
    """Whether it ended as an error of the environment does."""
    return done.code == 4 and done.failed_in_a_sentence and all(each in done.err for each in words)


def _nobody_lives_on(url: str) -> None:
    end_within(_LIVED_ON_SECONDS_MAX, url)


def test_writers_and_readers_are_not_disturbed_by_rebuilds(
    database: Database, migrated_url: str, tmp_path: Path
) -> None:
    append_and_project(database, *traffic.first())
    with database.reading() as connection:
        begin = log.head(connection)
    end = tmp_path / "end"
    # New processes: connections and locks of this one must not come along.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        with ended(end):
            writing = pool.submit(traffic.take_in, migrated_url, end)
            asking = pool.submit(traffic.ask, migrated_url, end)
            for engine in ("parallel", "in-process", "parallel", "in-process"):
                _rebuild_under_fire(database, engine)
                assert not writing.done()
                assert not asking.done(), asking.result()
        written = writing.result()
        assert asking.result() > 20
    catch_up(database, discover())
    assert is_right(database)
    assert positions(database) == {each.name: begin + written for each in discover()}
    assert sql(database, "SELECT count(*) FROM event") == [(begin + written,)]
    assert written > 50
    assert left(database) == []


def _rebuild_under_fire(database: Database, engine: str) -> None:
    url = url_of(database)
    workers = ("--workers", "2") if engine == "parallel" else ()
    done = rebuilds.start(url, "--engine", engine, *workers, tells=False).ended()
    assert (done.code, done.err) == (0, "")
    assert done.json["swapped"]
    assert not done.json["found_leftovers"]
    for each in done.json["rebuilt"]:
        assert each["matched"] is not False
        assert positions(database)[each["name"]] >= each["position"]


@pytest.mark.parametrize("step", STEPS)
def test_a_rebuild_killed_at_any_moment_leaves_right_tables_and_the_next_one_leaves_nothing(
    database: Database, migrated_url: str, step: str, tmp_path: Path
) -> None:
    before = _live(database)
    rebuilding = _disturbed_at(step, migrated_url)
    rebuilding.kill()
    _nobody_lives_on(migrated_url)
    assert rebuilding.ended().code == -signal.SIGKILL
    assert is_right(database)
    if step not in _AT_THE_SWAP:
        assert _live(database) == before
    found = left(database)
    again = run_program(tmp_path, "rebuild", "--json", PROJECTOR_DATABASE_URL=migrated_url)
    assert (again.code, again.err) == (0, "")
    # A folder with nothing in it is not worth a word.
    assert again.json["found_leftovers"] == bool(set(found) - {str(path_for(database))})
    assert left(database) == []
    assert is_right(database)


@pytest.mark.parametrize("step", ["starting", "scanning", "taking", "folding"])
def test_a_worker_killed_at_any_moment_ends_the_rebuild_in_a_sentence(
    database: Database, migrated_url: str, step: str
) -> None:
    before = _live(database)
    rebuilding = _disturbed_at(step, migrated_url)
    os.kill(random.choice(workers(migrated_url)), signal.SIGKILL)
    assert _is_a_sentence(rebuilding.ended(), "worker process", "killed")
    _nobody_lives_on(migrated_url)
    assert left(database) == []
    assert _live(database) == before


@pytest.mark.parametrize("step", STEPS)
def test_ctrl_c_ends_a_rebuild_and_its_workers_without_a_word(
    database: Database, migrated_url: str, step: str
) -> None:
    before = _live(database)
    # Seldom it falls into a driver's statement, whose connection is then told broken.
    for _ in range(3):
        rebuilding = _disturbed_at(step, migrated_url)
        rebuilding.interrupt()
        done = rebuilding.ended(within_seconds=_LIVED_ON_SECONDS_MAX)
        assert "spawn_main" not in done.err
        _nobody_lives_on(migrated_url)
        if done.code == 128 + signal.SIGINT:
            break
    assert (done.code, done.out, done.err) == (128 + signal.SIGINT, "", "")
    assert left(database) == []
    if step not in _AT_THE_SWAP:
        assert _live(database) == before
    assert is_right(database)


def test_the_second_of_two_concurrent_rebuilds_is_refused(
    database: Database, migrated_url: str
) -> None:
    first = rebuilds.start(migrated_url)
    first.until("folding")
    # However slow the second one is.
    first.process.send_signal(signal.SIGSTOP)
    try:
        second = rebuilds.start(migrated_url, tells=False).ended()
    finally:
        first.process.send_signal(signal.SIGCONT)
    assert _is_a_sentence(second, "is already running")
    assert first.ended().json["swapped"]
    assert left(database) == []
    assert is_right(database)


def test_a_full_disk_ends_a_rebuild_in_a_sentence_that_names_the_folder(
    database: Database, migrated_url: str
) -> None:
    before = _live(database)
    # The log takes up SQLite's write-ahead log, which would be too large already.
    database.close()
    rebuilding = rebuilds.start(migrated_url, file_bytes_max=_FILE_BYTES_MAX, tells=False)
    assert _is_a_sentence(
        rebuilding.ended(), "cannot write its temporary files", str(path_for(database))
    )
    _nobody_lives_on(migrated_url)
    assert left(database) == []
    assert _live(database) == before
