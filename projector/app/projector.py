"""An open database: takes deliveries, folds them into the tables, rebuilds and verifies these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from projector.app.archives import Archives
from projector.app.erasures import Erasures
from projector.app.operations import Operations
from projector.app.queries import Queries
from projector.app.sealed_log import SealedLog
from projector.envelope import NO_DEFAULTS, DeliveryDefaults
from projector.errors import DatabaseEmpty, DatabaseMissing, NotMigrated, NotOne, ProjectorError
from projector.facts.registry import facts
from projector.projections import discover, named
from projector.projections.projection import Projection
from projector.store import checkpoints, log_head, schema
from projector.store.database import Database
from projector.store.stream_cache import StreamCache

if TYPE_CHECKING:
    import replay
    from projector.intake.ingest import IngestReport
    from projector.runner.follower import Follower
    from projector.runner.lease_monitor import LeaseMonitor
    from projector.store.backup import BackupReport


class Projector(Queries, Operations, Archives, SealedLog, Erasures):
    """An open database; use it as a context manager, or close it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_checked = False
        #: What one ingest knows of streams serves the next one.
        self._streams = StreamCache()
        self._streams_lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def database(self) -> Database:
        """The database, once it was checked that it exists and has the schema and a sound head.

        Raises DatabaseMissing, DatabaseEmpty, NotMigrated, LogHeadBehind or another error of
        `schema.check` or `log_head.check`.
        """
        if not self._is_checked:
            schema.check(self._database)
            with self._database.reading() as connection:
                log_head.check(connection)
            self._is_checked = True
        return self._database

    def _migrated(self) -> Database:
        """Return the database, which has the schema; its log may be unsound."""
        if not self._is_checked:
            schema.check(self._database)
        return self._database

    def _prepared(self) -> Database:
        """Return the database for a writer: one of SQLite is created or migrated if necessary."""
        if not self._is_checked:
            schema.prepare(self._database)
        return self.database

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def ingest(
        self,
        chunks: Iterable[bytes],
        defaults: DeliveryDefaults = NO_DEFAULTS,
        *,
        on_batch: Callable[[int], None] = lambda _read: None,
    ) -> IngestReport:
        """Append the deliveries of a byte stream (NDJSON, arrays or documents of any layout).

        `defaults` fill in fields that deliveries leave out. `on_batch` receives the number of
        deliveries that are durable so far. The tables do not change before `catch_up`. A SQLite
        database is created or migrated if necessary.
        """
        from projector.intake.ingest import ingest

        database = self._prepared()
        if not self._streams_lock.acquire(blocking=False):
            # Another thread is using the cache.
            return ingest(database, chunks, defaults, on_batch=on_batch)
        try:
            return ingest(database, chunks, defaults, cache=self._streams, on_batch=on_batch)
        finally:
            self._streams_lock.release()

    def ingest_file(self, path: str, defaults: DeliveryDefaults = NO_DEFAULTS) -> IngestReport:
        """Append the deliveries of a file, plain or gzip; `-` is standard input."""
        from projector.intake.files import read_chunks

        return self.ingest(read_chunks(path), defaults)

    def catch_up(
        self,
        *,
        on_batch: Callable[[int], None] = lambda _position: None,
        on_progress: Callable[[str, int, int], None] = lambda _phase, _done, _total: None,
    ) -> list[ProjectorError]:
        """Fold the new events of the log into the tables; `on_batch` receives the position reached.

        Projections that are very far behind are rebuilt, as it is faster; `on_progress` then
        receives the phase, the number of its steps that are done, and their total. Returns the
        problems of projections of other packages, which cannot run. Raises ProjectionFailed or
        ProjectionOutdated for one of this package, once the others have caught up.
        """
        import replay

        return replay.catch_up(
            self.database, discover(), on_batch=on_batch, on_progress=on_progress
        )

    def rebuild(
        self,
        *names: str,
        engine: str | None = None,
        workers: int | None = None,
        spark: replay.engines.SparkOptions | None = None,
        dry_run: bool = False,
        change_percent_max: float | None = None,
        on_progress: Callable[[str, int, int], None] = lambda _phase, _done, _total: None,
    ) -> replay.RebuildReport:
        """Rebuild projections (default: all) from the log beside the live tables, then swap.

        `engine` is `in-process` or `parallel`; by default the size of the log decides. With `spark`
        in its place the engine is Spark, which folds an archive. Raises NotOne, ProjectionUnknown,
        EngineUnknown, and the errors of `replay.engines.on_spark` and `replay.rebuild`.
        """
        import replay

        if engine is not None and spark is not None:
            raise NotOne(options="engine and spark")
        chosen = None if engine is None else replay.engines.by_name(engine)
        if spark is not None:
            chosen = replay.engines.on_spark(spark)
        return replay.rebuild(
            self.database,
            self._chosen(self.database, names),
            chosen,
            workers=workers,
            dry_run=dry_run,
            change_percent_max=change_percent_max,
            on_progress=on_progress,
        )

    def rebuild_customer(
        self,
        identifier: str,
        *names: str,
        project_id: str | None = None,
        by_source_id: bool = False,
    ) -> replay.CustomerRebuild:
        """Rebuild one customer's rows in the named projections (default: all).

        Raises ProjectionUnknown, CustomerNotFound, CustomerAmbiguous or ProjectionOutdated.
        """
        import replay

        return replay.rebuild_customer(
            self.database,
            self._chosen(self.database, names),
            identifier,
            project_id=project_id,
            by_source_id=by_source_id,
        )

    def verify(
        self,
        *names: str,
        sample: int | None = None,
        on_piece: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> replay.VerifyReport:
        """Fold the log and compare every cell of the named projections' rows (default: all).

        `sample` is the number of customers to compare, chosen at random. `on_piece` receives the
        number of customers that are done, and their total. A head that is not that of the log is a
        problem in the report. Raises ProjectionUnknown.
        """
        import replay

        database = self._migrated()
        projections = self._chosen(database, names)
        return replay.verify(database, projections, sample=sample, on_piece=on_piece)

    def follower(
        self,
        *,
        holder: str | None = None,
        on_batch: Callable[[int], None] = lambda _position: None,
    ) -> Follower:
        """Create a follower, whose `run` folds new events until stopped; `holder` is its name.

        A SQLite database is created or migrated if necessary. Projections that are very far behind
        the log are rebuilt, which is faster.
        """
        import replay
        from projector.runner.follower import Follower

        return Follower(
            self._prepared(),
            discover(),
            holder=holder,
            on_batch=on_batch,
            rebuild_backlog=replay.rebuild_backlog,
        )

    def lease_monitor(self) -> LeaseMonitor:
        """Create a monitor of the lease, which reports whether any process folds new events."""
        from projector.runner.lease_monitor import LeaseMonitor

        return LeaseMonitor(self.database)

    def backup(
        self,
        path: str,
        *,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> BackupReport:
        """Copy a SQLite database, which may be in use, into a new file: one consistent snapshot.

        `on_progress` receives the number of bytes that are copied, and their total. Raises
        BackupUnsupported on Postgres, BackupExists, or OutputUnwritable.
        """
        from projector.store.backup import back_up

        return back_up(self._database, path, on_progress=on_progress)

    @staticmethod
    def _chosen(database: Database, names: Sequence[str]) -> list[Projection]:
        """Return the named projections; without names all but those that are set aside."""
        if names:
            return named(list(names))
        with database.reading() as connection:
            found = checkpoints.read(connection, discover())
        return [each for each in discover() if found[each.name].error is None]


def open_projector(
    url: str,
    *,
    create: bool = False,
    direct_url: str | None = None,
    lock_seconds_max: float | None = None,
    idle_seconds_max: float | None = None,
) -> Projector:
    """Open a database by its URL.

    A SQLite database that is missing, empty or of an older schema is created or migrated by the
    first `ingest` or `follower`, or at once with `create`; the other methods raise DatabaseMissing,
    DatabaseEmpty or NotMigrated. The direct URL, for rebuilds, and the timeouts, for long-lived
    processes, are those of `Database`. Raises BadDatabaseUrl, DatabaseUnreachable, NotMigrated (on
    Postgres), FactClaimedTwice or another error of `schema.check`.
    """
    database = Database(
        url,
        direct_url=direct_url,
        lock_seconds_max=lock_seconds_max,
        idle_seconds_max=idle_seconds_max,
    )
    try:
        # Two packages that claim one event type are refused before anything is read.
        facts()
        _check(database, create)
    except BaseException:
        database.close()
        raise
    return Projector(database)


def _check(database: Database, create: bool) -> None:
    if create:
        schema.prepare(database)
        return
    try:
        schema.check(database)
    except (DatabaseMissing, DatabaseEmpty, NotMigrated):
        # The first write creates or migrates it.
        if not database.is_sqlite:
            raise
