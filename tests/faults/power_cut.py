"""Power cuts: what a program does to its database ends at any moment, on a disk of any luck."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field, frozen
from sqlalchemy.exc import DBAPIError

from projector.app import Projector, open_projector
from projector.errors import CopyIncomplete, ProjectorError
from projector.projections import discover
from projector.store import log
from projector.store.append import append
from projector.store.database import Database
from replay import rebuild, verify
from replay.engines import ENGINES
from tests.concurrency.rebuilds import left
from tests.faults.disk import Disk, Image, Operation, Write
from tests.faults.sqlite_vfs import recording
from tests.support.databases import dead_letters, positions, rows
from tests.support.items import RECEIVED_AT, envelope, read_log
from tests.support.oracle import Truth, truth

_FILE = "projector.db"

#: What the program answers for; the rest follows from it.
_KEPT = ("event", "stream", "log_head", "quarantine", "duplicate", "token")

#: The rows of tables as they are stored, by the tables' names.
Contents = dict[str, list[tuple[Any, ...]]]


def contents(database: Database) -> Contents:
    """All that is in a database, with how its tables, indexes and triggers were made."""
    with database.reading() as connection:
        found = connection.exec_driver_sql("SELECT tbl_name, type, name, sql FROM sqlite_schema")
        schema = sorted(tuple(map(str, row)) for row in found)
        rows = {
            name: [*map(tuple, connection.exec_driver_sql(f"SELECT * FROM {name}"))]
            for _, kind, name, _ in schema
            if kind == "table"
        }
    return {**rows, "sqlite_schema": [*schema]}


def _kept(found: Contents) -> Contents:
    made = [row for row in found["sqlite_schema"] if row[0] in _KEPT]
    return {**{name: found[name] for name in _KEPT}, "sqlite_schema": made}


@define
class Story:
    """What a program did to the disk, and what it told meanwhile."""

    folder: Path
    operations: Sequence[Operation] = ()
    #: After how many operations it was told that what is there is kept, and what that was.
    told: list[tuple[int, Contents]] = field(factory=list)
    #: The power stays on until so many operations are done.
    begin: int = 0

    @property
    def url(self) -> str:
        """The database that it is about."""
        return f"sqlite:///{self.file}"

    def tell(self, database: Database) -> None:
        """To be called when somebody was told that all is kept."""
        self.told.append((len(self.operations), _kept(contents(database))))

    @property
    def file(self) -> Path:
        return self.folder / _FILE

    def told_until(self, after: int) -> int:
        """How often something had been told when so many operations were done."""
        return sum(moment <= after for moment, _ in self.told)


@contextmanager
def recorded(folder: Path) -> Iterator[Story]:
    """A story that begins with an empty folder."""
    with recording(folder) as operations:
        yield Story(folder, operations)


#: Which part of the moments amid a row of writes is tried.
_WITHIN = 0.25


@frozen
class Cut:
    """What the disk held when the power came back."""

    #: So many operations were done before.
    after: int
    image: Image

    def digest(self) -> bytes:
        """Of the image."""
        found = blake2b(digest_size=16)
        for name, content in sorted(self.image.items()):
            found.update(name.encode() + b"\0" + blake2b(content).digest())
        return found.digest()


def cuts(story: Story, *, each: int, chance: Random) -> Iterator[Cut]:
    """Cuts with different outcomes, in the order of a story.

    At each moment with nothing that was not synced on the disk, with everything, and `each` times
    with some of it; amid a row of writes, when nothing was told, only now and then, and once.
    """
    disk, seen = Disk(), set()
    moments = {moment for moment, _ in story.told}
    is_write = [isinstance(operation, Write) for operation in story.operations]
    for after in range(len(story.operations) + 1):
        if after:
            disk.do(story.operations[after - 1])
        is_within = after not in moments and all(is_write[max(after - 1, 0) : after + 1])
        if after < story.begin or (is_within and chance.random() > _WITHIN):
            continue
        torn: Callable[[], Image] = partial(disk.torn, chance)
        outcomes = [disk.least, disk.most, *[torn] * each]
        for outcome in chance.sample(outcomes, 1) if is_within else outcomes:
            cut = Cut(after, outcome())
            # The same files are not the same outcome once more was told.
            key = story.told_until(after), cut.digest()
            if key not in seen:
                seen.add(key)
                yield cut


class Broken(Exception):
    """A power cut broke a law."""


@define
class Survivor:
    """Opens what cuts of a story left, and looks whether the laws hold."""

    story: Story
    #: Where to lay the files.
    folder: Path
    #: How many cuts there were.
    count: int = 0
    #: What has been looked at: however it lay on the disk, it leads to the same.
    _seen: set[bytes] = field(factory=set)

    def check(self, cut: Cut) -> None:
        """Raise Broken where a law is broken after a cut."""
        self.count += 1
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for name, content in cut.image.items():
            (self.folder / name).write_bytes(content)
        try:
            with self._open() as projector:
                found = self._check_log(projector.database, cut)
                if found not in self._seen:
                    self._seen.add(found)
                    _check_tables(projector)
        except (Broken, ProjectorError, DBAPIError, sqlite3.Error) as error:
            raise Broken(f"after operation {cut.after}: {error}") from error

    def _open(self) -> Projector:
        """Open what was left, as an operator does who follows the hints."""
        url = f"sqlite:///{self.folder / _FILE}"
        try:
            return open_projector(url, create=True)
        except CopyIncomplete:
            # The power went while the file was made: it looks like a copy without its log.
            (self.folder / _FILE).unlink()
            return open_projector(url, create=True)

    def _check_log(self, database: Database, cut: Cut) -> bytes:
        """What was told is there; returns a digest of all that is."""
        with database.reading() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        _demand(found == ["ok"], f"the file is corrupt: {found}")
        there = contents(database)
        # Of what was under way either all or nothing.
        told = self.story.told_until(cut.after)
        states = [state for _, state in self.story.told[max(told - 1, 0) :][:2]]
        _demand(_kept(there) in states, "what was told to be kept is not there")
        return blake2b(repr(there).encode()).digest()


def _check_tables(projector: Projector) -> None:
    """They may be behind the log, but are what they say; and the work goes on."""
    database = projector.database
    with database.reading() as connection:
        head = log.head(connection)
    _demand(max(positions(database).values(), default=0) <= head, "tables are ahead of the log")
    _demand(verify(database, discover()).is_right, "tables are not what they say")
    if left(database):
        rebuild(database, discover(), ENGINES["in-process"])
        _demand(not left(database), "a rebuild leaves what the one before it left")
    projector.catch_up()
    _demand(verify(database, discover()).is_right, "tables do not catch up")
    expected = truth(discover(), read_log(database))
    _demand(
        Truth(rows(database), dead_letters(database)) == expected, "tables are not what is true"
    )
    [receipt] = append(database, [envelope("afterwards")], received_at=RECEIVED_AT)
    _demand(receipt.position == head + 1, "the log does not go on")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)
