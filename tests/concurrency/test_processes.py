"""Several processes at once: every event once, no error shown to any of them."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from projector.errors import ProjectorError
from projector.operate.quarantine import list_quarantine
from projector.store import schema
from projector.store.database import Database
from tests.concurrency.story import content, events, is_sqlite, tables_of
from tests.support.command import PROGRAM, Done, environment, run_program
from tests.support.given import created, in_shape
from tests.support.items import read_log

_DELIVERIES = 3000


def _at_once(folder: Path, url: str, *commands: Sequence[str]) -> list[Done]:
    """Run the program several times at once."""
    running = [
        subprocess.Popen(
            [*PROGRAM, *command],
            cwd=folder,
            env=environment(PROJECTOR_DATABASE_URL=url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    ended = [(each, *each.communicate()) for each in running]
    return [Done(each.returncode, out, err) for each, out, err in ended]


def test_two_processes_that_ingest_one_file_at_once_take_in_each_event_once(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(content(_DELIVERIES))
    if not is_sqlite(database_url):
        migrations = _at_once(tmp_path, database_url, ["migrate"], ["migrate"])
        assert [(each.code, each.err) for each in migrations] == [(0, "")] * 2
    ended = _at_once(tmp_path, database_url, *[["ingest", "file", "--json"]] * 2)
    assert [(each.code, each.err) for each in ended] == [(0, "")] * 2
    distinct = events(_DELIVERIES)
    assert sum(each.json["appended"] for each in ended) == distinct
    for each in ended:
        report = each.json
        outcomes = ("appended", "duplicates", "conflicts", "quarantined")
        assert report["read"] == sum(report[outcome] for outcome in outcomes)
    with closing(Database(database_url)) as database:
        recorded = read_log(database)
    assert [each.position for each in recorded] == list(range(1, distinct + 1))
    assert len({each.event_id for each in recorded}) == distinct
    found = run_program(tmp_path, "status", "--json", PROJECTOR_DATABASE_URL=database_url).json
    assert {each["lag"] for each in found["projections"]} == {0}
    assert tables_of(database_url) == _tables_of_one_process(tmp_path, database_url)


def test_two_processes_that_retry_the_quarantine_at_once_take_in_each_event_once(
    database_url: str, tmp_path: Path
) -> None:
    events = [created(f"cust_{n}", at="2024-03-04T10:00:00Z", id=f"e{n}") for n in range(600)]
    lines = [json.dumps(in_shape("activity", each)) for each in events]
    (tmp_path / "file").write_text("\n".join([*lines, "{"]))
    for command in (["migrate"], ["ingest", "file"]):
        assert run_program(tmp_path, *command, PROJECTOR_DATABASE_URL=database_url).code == 0
    retry = ["quarantine", "retry", "--all", "--project", "proj_1", "--json"]
    ended = _at_once(tmp_path, database_url, retry, retry)
    assert [(each.code, each.err) for each in ended] == [(0, "")] * 2
    assert all(each.json["reasons"] == {"broken_json": 1} for each in ended)
    with closing(Database(database_url)) as database:
        assert [each.event_id for each in read_log(database)] == [f"e{n}" for n in range(600)]
        waits = list_quarantine(database, resolved=True, limit=1000).quarantine
    assert [each.resolved_position for each in waits] == [*range(1, 601), None]
    assert tables_of(database_url) == _tables_of_one_process(tmp_path, database_url)


def _tables_of_one_process(folder: Path, url: str) -> object:
    """What the rebuild makes of the same log, with nobody beside it."""
    assert run_program(folder, "rebuild", PROJECTOR_DATABASE_URL=url).code == 0
    return tables_of(url)


def _connect(database: Database) -> None:
    with database.creating(), database.reading() as connection:
        schema.revision(connection)


def _at(moment: float, do: Callable[[Database], object], url: str) -> str:
    """Do something with a database at a moment; what came of it, in a word or a sentence."""
    with closing(Database(url)) as database:
        time.sleep(max(0, moment - time.time()))
        try:
            do(database)
        except ProjectorError as error:
            # Its cause cannot be sent from one process to another.
            return str(error)
    return "done"


def _race(pool: ProcessPoolExecutor, do: Callable[[Database], object], url: str) -> None:
    assert set(pool.map(partial(_at, time.time() + 0.02, do), [url] * 4)) == {"done"}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessPoolExecutor]:
    """Four processes that have opened a database before, so that they are equally quick."""
    folder = tmp_path_factory.mktemp("warm")
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        urls = [f"sqlite:///{folder}/{number}.db" for number in range(8)]
        list(pool.map(partial(_at, 0, schema.migrate), urls))
        yield pool


def test_several_processes_may_be_the_first_to_open_a_sqlite_file(
    pool: ProcessPoolExecutor, tmp_path: Path
) -> None:
    for number in range(50):
        _race(pool, _connect, f"sqlite:///{tmp_path}/{number}.db")


def test_several_processes_may_make_a_sqlite_file_at_the_same_moment(
    pool: ProcessPoolExecutor, tmp_path: Path
) -> None:
    for number in range(8):
        _race(pool, schema.prepare, f"sqlite:///{tmp_path}/{number}.db")


def test_several_processes_may_migrate_postgres_at_the_same_moment(
    pool: ProcessPoolExecutor, postgres_url: str
) -> None:
    _race(pool, schema.migrate, postgres_url)
    _race(pool, schema.check, postgres_url)
