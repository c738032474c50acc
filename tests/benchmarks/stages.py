"""What each stage of an archive and of a rebuild from it takes, without Spark."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path

from attrs import frozen

from projector import open_projector
from projector.projections import discover
from projector.store import schema
from projector.store.database import Database
from replay import rebuild
from replay.archive import check, read, shelf, write
from replay.engines import ENGINES, Engine, EnginePiece, Job
from replay.engines.spark import archive_fold, results
from replay.engines.spark.archive_fold import ArchiveWork, FactRow, FoldResult
from replay.engines.spark.file_parts import FilePart
from tests.benchmarks.measure import processors
from tests.benchmarks.processes import seconds_of_server
from tests.support.postgres import Server

#: The streams whose events one task folds here.
_TASK_STREAMS = 5_000


@frozen(kw_only=True)
class Stage:
    """The processor time of a stage, of all processes that have a part."""

    database: str
    name: str
    #: `event` or `row`.
    unit: str
    #: For each unit.
    microseconds: float

    def line(self) -> str:
        """The stage in a line."""
        unit = f"µs of processors {'an event' if self.unit == 'event' else 'a row'}"
        return f"{self.database:9} {self.name:34} {self.microseconds:7.2f} {unit}"


@frozen(kw_only=True)
class Sizes:
    """The sizes of what a log of one database becomes."""

    database: str
    archive_bytes: float
    #: Of the database with the log alone; SQLite only.
    log_bytes: float | None
    facts_bytes: float
    rows: float
    row_bytes: float

    def line(self) -> str:
        """The sizes in a line."""
        log = "" if self.log_bytes is None else f"{self.log_bytes:,.0f} in the log, "
        return (
            f"{self.database:9} bytes an event: {log}{self.archive_bytes:.1f} in the archive, "
            f"{self.facts_bytes:.0f} as facts before the shuffle compresses them; "
            f"{self.rows:.2f} rows an event of {self.row_bytes:.0f} bytes"
        )


class _Clock:
    """Takes stages: the time of this process, its ended children and the server's processes."""

    def __init__(self, database: str, server: Server | None) -> None:
        self._database, self._server = database, server
        self.stages: list[Stage] = []

    def take(self, name: str, units: int, work: Callable[[], object], unit: str = "event") -> float:
        """Run a stage, and print what it takes; return its seconds."""
        begin = self._now()
        work()
        seconds = self._now() - begin
        stage = Stage(
            database=self._database, name=name, unit=unit, microseconds=seconds / units * 1e6
        )
        print(stage.line(), flush=True)
        self.stages.append(stage)
        return seconds

    def _now(self) -> float:
        return processors() + seconds_of_server(self._server)


def measure(
    name: str, url: str, server: Server | None, deliveries: Path, folder: Path, events: int
) -> tuple[list[Stage], Sizes]:
    """Ingest deliveries into an empty database, archive it, and rebuild it stage by stage."""
    clock = _Clock(name, server)
    stored = shelf.opened(tempfile.mkdtemp(dir=folder, prefix="archive-"))
    with closing(Database(url)) as database:
        schema.migrate(database)
    with open_projector(url) as projector:
        database = projector.database
        clock.take("append", events, lambda: projector.ingest_file(str(deliveries)))
        log_bytes = None
        if database.is_sqlite:
            with database.connected() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            log_bytes = Path(str(database.url.database)).stat().st_size / events
        clock.take("archive write", events, lambda: write.write(database, stored, until="head"))
        clock.take("archive check", events, lambda: check.check(stored))
        clock.take("archive check --contents", events, lambda: check.check(stored, contents=True))
        clock.take("archive check --log", events, lambda: check.check(stored, database))
        engine = ENGINES["in-process"]
        clock.take("rebuild, in-process", events, lambda: rebuild(database, discover(), engine))
        facts, sizes = _by_hand(clock, database, stored, events)
    archive_bytes = sum(each.size for each in stored.names("events/")) / events
    rows, row_bytes = sizes
    found = Sizes(
        database=name,
        archive_bytes=archive_bytes,
        log_bytes=log_bytes,
        facts_bytes=facts,
        rows=rows,
        row_bytes=row_bytes,
    )
    print(found.line(), flush=True)
    return clock.stages, found


def _by_hand(
    clock: _Clock, database: Database, stored: shelf.Shelf, events: int
) -> tuple[float, tuple[float, float]]:
    """Do what executors and the driver do; return the bytes of facts, and rows with their bytes."""
    work = ArchiveWork(
        archive_url=stored.url,
        prefix="work/benchmark/",
        projections=tuple(each.name for each in discover()),
        is_sqlite=database.is_sqlite,
        identity={},
    )
    facts: list[FactRow] = []
    found: list[FoldResult] = []
    clock.take("executor: read and decode", events, lambda: facts.extend(_read(work, stored)))
    facts.sort(key=lambda row: row[:3])
    clock.take("executor: fold, and write rows", events, lambda: found.extend(_fold(work, facts)))
    row_bytes = sum(each.size for each in stored.names("work/") if each.name.endswith(".rows"))
    engine = _loading(stored, found)
    rows = 0

    def load() -> None:
        nonlocal rows
        rows = sum(each.rows for each in rebuild(database, discover(), engine).rebuilt)

    seconds = clock.take("driver: load, index and swap", events, load)
    per_row = Stage(
        database=clock.stages[-1].database,
        name="driver: load, index and swap",
        unit="row",
        microseconds=seconds / rows * 1e6,
    )
    print(per_row.line(), flush=True)
    clock.stages.append(per_row)
    size = sum(len(row.fact) + len(row.event_id) + len(row.type) + 24 for row in facts) / len(facts)
    return size, (rows / events, row_bytes / rows)


def _read(work: ArchiveWork, stored: shelf.Shelf) -> Iterator[FactRow]:
    for file in read.read(stored).files:
        for rows in archive_fold.read_facts(
            work, FilePart(name=file.name, sha256=file.sha256, index=0, parts=1)
        ):
            yield from rows


def _fold(work: ArchiveWork, facts: Sequence[FactRow]) -> Iterator[FoldResult]:
    """Fold facts, in tasks of some streams each."""
    tasks = groupby(facts, key=lambda row: row.stream // _TASK_STREAMS)
    for number, (_, rows) in enumerate(tasks):
        yield archive_fold.fold_facts(work, f"{number}", rows)


def _loading(stored: shelf.Shelf, found: Sequence[FoldResult]) -> Engine:
    """An engine whose results are there already."""

    def run(job: Job) -> Iterator[EnginePiece]:
        for number, each in enumerate(found):
            if each.name is not None and each.sha256 is not None:
                path = job.folder / f"rows-{number}"
                folded = results.take(stored, each.name, path, sha256=each.sha256)
                yield EnginePiece(folded=folded, path=path)

    return Engine(name="loading", run=run)
