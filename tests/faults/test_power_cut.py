"""The power is cut at any moment: what the program told to be kept is there, and the laws hold.

The disk then holds what was synced, and whatever it likes of the rest. No program can do more than
wait for the disk; that this one does so in time, and not only most times, shows here.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from alembic import command
from sqlalchemy import URL, Engine, event

from projector.app import Projector, open_projector
from projector.envelope import DeliveryDefaults
from projector.intake import sources
from projector.projections import discover
from projector.server.writer import Writer
from projector.store import schema, sqlite
from projector.store.sqlite import SqliteFile
from replay import rebuild
from replay.engines import ENGINES
from tests.concurrency.story import deliveries
from tests.faults.disk import Disk
from tests.faults.power_cut import Broken, Story, Survivor, cuts, recorded

#: In memory, where there is such a folder: a disk that is only played need not be waited for.
_SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the program works, and where what is left is laid."""
    memory = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="power-cut-", dir=memory) as name:
        yield Path(name)


def _first_use(story: Story) -> None:
    """A database is made and migrated, closed and opened again."""
    for _ in range(2):
        with open_projector(story.url, create=True) as projector:
            story.tell(projector.database)


def _in_turn(story: Story) -> None:
    """Batches are appended and projected in turn; the program ends and begins again."""
    for begin in (0, 60):
        with _opened(story) as projector:
            for number in range(begin, begin + 60, 15):
                _ingest(story, projector, number, number + 15)
                projector.catch_up()


def _checkpointed(story: Story) -> None:
    """The write-ahead log goes into the database again and again, and not all of it at once."""
    with _opened(story) as projector, closing(sqlite3.connect(story.file)) as reader:
        _checkpoint_after(projector, pages=12)
        for number in range(0, 120, 15):
            if number == 60:
                # As long as somebody reads what was, the write-ahead log cannot begin anew.
                reader.execute("BEGIN")
                reader.execute("SELECT * FROM log_head").fetchall()
            if number == 90:
                reader.rollback()
            _ingest(story, projector, number, number + 15)
            projector.catch_up()
        reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _ingest(story, projector, 120, 135)


def _together(story: Story) -> None:
    """Several requests are appended in one transaction, while tables are brought up to date."""

    async def send(projector: Projector) -> None:
        writer = Writer(projector.database, on_commit=lambda _: story.tell(projector.database))
        running = asyncio.create_task(writer.run())
        for number in range(0, 120, 20):
            items = [sources.read(line, DeliveryDefaults()) for line in _lines(number, number + 20)]
            appending = [writer.append(each, 1) for each in items]
            await asyncio.gather(*appending, asyncio.to_thread(projector.catch_up))
        writer.stop()
        await running

    with _opened(story) as projector:
        asyncio.run(send(projector))


def _rebuilt(story: Story) -> None:
    """Tables that are behind are rebuilt: first they are swapped, then their rows are moved."""
    with _opened(story) as projector:
        for number in range(0, 120, 40):
            _ingest(story, projector, number, number + 20)
            projector.catch_up()
            _ingest(story, projector, number + 20, number + 40)
            rebuild(projector.database, discover(), ENGINES["in-process"])
            with projector.database.writing() as connection:
                connection.exec_driver_sql(
                    f"CREATE VIEW IF NOT EXISTS mine_{number} AS SELECT * FROM customer"
                )


def _appended(story: Story) -> None:
    """Batches are appended and nothing else."""
    with _opened(story) as projector:
        _checkpoint_after(projector, pages=40)
        for number in range(0, 90, 15):
            _ingest(story, projector, number, number + 15)


def _directly(story: Story) -> None:
    """Batches of new events only are appended, some of one event."""
    begin = 0
    with _opened(story) as projector:
        _checkpoint_after(projector, pages=12)
        for size in [1, 10, 1, 1, 5, 19, 1, 1, 1, 15]:
            projector.ingest(_new_lines(begin, begin + size))
            story.tell(projector.database)
            begin += size


def _upgraded(story: Story) -> None:
    """A database of an older program is migrated."""
    with _opened(story) as projector:
        _ingest(story, projector, 0, 60)
        projector.catch_up()
        with projector.database.writing() as connection:
            command.downgrade(schema.alembic_config(connection), "0005")
    story.begin, story.told = len(story.operations), []
    with open_projector(story.url, create=True) as projector:
        story.tell(projector.database)


def _opened(story: Story) -> Projector:
    """With the power on until it is made, for that is a story of its own."""
    projector = open_projector(story.url, create=True)
    if not story.told:
        story.begin = len(story.operations)
        story.tell(projector.database)
    return projector


def _checkpoint_after(projector: Projector, *, pages: int) -> None:
    with projector.database.connected() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        # What is in the write-ahead log already would be enough.
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _lines(begin: int, end: int) -> list[bytes]:
    lines = [json.dumps(each).encode() + b"\n" for each in deliveries(end)][begin:]
    # What cannot be read is kept as well.
    return [*lines, lines[-1][:100]]


def _new_lines(begin: int, end: int) -> list[bytes]:
    """Lines of a history in which nothing is repeated."""
    new = {each["event"]["id"]: each for each in deliveries(2 * end)}
    return [json.dumps(each).encode() + b"\n" for each in [*new.values()][begin:end]]


def _ingest(story: Story, projector: Projector, begin: int, end: int) -> None:
    projector.ingest(_lines(begin, end))
    story.tell(projector.database)


def _told(folder: Path, tells: Callable[[Story], None]) -> Story:
    """Let the program run, and write down what it does to the disk."""
    live = folder / "live"
    live.mkdir()
    with recorded(live) as story:
        tells(story)
    disk = Disk()
    for operation in story.operations:
        disk.do(operation)
    # What was written down is what happened.
    assert disk.most() == {path.name: path.read_bytes() for path in live.iterdir()}
    return story


@pytest.mark.parametrize(
    "tells", [_first_use, _in_turn, _checkpointed, _together, _rebuilt, _directly, _upgraded]
)
def test_acknowledged_deliveries_survive_a_power_cut(
    folder: Path, tells: Callable[[Story], None], record_property: Callable[[str, object], None]
) -> None:
    story = _told(folder, tells)
    survivor = Survivor(story, folder / "left")
    for cut in cuts(story, each=4, chance=Random(tells.__name__)):
        survivor.check(cut)
    record_property("power cuts", survivor.count)


@pytest.mark.parametrize("tells", [_appended, _directly])
@pytest.mark.parametrize(
    ("level", "breach"),
    [("NORMAL", "what was told to be kept is not there"), ("OFF", "corrupt|malformed")],
)
def test_a_program_that_does_not_wait_for_the_disk_is_found_out(
    folder: Path,
    tells: Callable[[Story], None],
    level: str,
    breach: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(url: URL, lock_seconds_max: float, file: SqliteFile) -> Engine:
        engine = create(url, lock_seconds_max, file)
        event.listen(engine, "connect", weaken)
        return engine

    def weaken(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA synchronous = {level}")

    create = sqlite.create_sqlite_engine
    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "create_sqlite_engine", careless)
        story = _told(folder, tells)
    survivor = Survivor(story, folder / "left")
    assert any(re.search(breach, each) for each in _breaches(survivor))


def _breaches(survivor: Survivor) -> Iterator[str]:
    """How cuts broke laws, one after the other."""
    for cut in cuts(survivor.story, each=4, chance=Random(1)):
        try:
            survivor.check(cut)
        except Broken as error:
            yield str(error)
