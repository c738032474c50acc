"""Folds an archive on Spark: on a cluster, or on all cores of this machine.

Executors read the archive and put their results into its folder `work`; they reach no database.
The driver loads the results into the shadows. Executors name their results by the attempt at a
task, and the driver takes those of the attempt that Spark kept: so one that was killed, or ran
twice, leaves results that are not used. See docs/adr/0021.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress

from attrs import frozen

from projector.errors import EventsMissing, ProjectorError
from projector.store.erasure import archive_keys, told
from replay import workspace
from replay.archive import compare, read
from replay.archive.manifest import WORK, File
from replay.archive.read import Archive
from replay.engines.engine import Engine, EnginePiece, Job
from replay.engines.spark import archive_fold, install, results, session
from replay.engines.spark.archive_fold import NO_TALLY, ArchiveWork, FoldResult
from replay.engines.spark.file_parts import FilePart
from replay.engines.spark.options import SparkOptions

#: The approximate number of events that one task reads, and that another one folds.
PARTITION_EVENTS = 50_000


@frozen(kw_only=True)
class _Spark:
    archive: Archive
    options: SparkOptions

    def reach(self, job: Job) -> int:
        """Return the end of the last whole file.

        Raises ArchiveForeign, ArchiveAhead or NotArchived.
        """
        with job.database.reading() as connection:
            read.require_same_log(connection, self.archive)
        return max((each.last for each in self._files(job.plan.until)), default=0)

    def clear(self, job: Job) -> bool:
        """Remove the results of killed rebuilds of this database; return whether there were any."""
        return self._remove(_folder(job))

    def run(self, job: Job) -> Iterator[EnginePiece]:
        """Fold all files up to the plan's position; raises EventsMissing and Spark's errors."""
        files = self._files(job.plan.until)
        if not files:
            return
        projections = tuple(each.live.name for each in job.plan.pairs)
        work = ArchiveWork(
            archive_url=self.archive.shelf.url,
            prefix=f"{_folder(job)}{secrets.token_hex(4)}-",
            projections=projections,
            is_sqlite=job.database.is_sqlite,
            identity=archive_fold.identity(projections),
        )
        try:
            yield from self._fold(job, work, files)
        finally:
            # The next rebuild removes what is left, if the archive cannot be reached now.
            with suppress(ProjectorError):
                self._remove(work.prefix)

    def _fold(self, job: Job, work: ArchiveWork, files: Sequence[File]) -> Iterator[EnginePiece]:
        partitions = self.options.partitions or -(-job.plan.until // PARTITION_EVENTS)
        with session.opened(self.options, job.folder, work, job.on_progress) as opened:
            found = opened.fold(work, [*self._parts(job, files)], partitions)
        _require_all(found, events=job.plan.until)
        for done, result in enumerate(found):
            job.on_progress("loading", done, len(found))
            if result.name is None or result.sha256 is None:
                continue
            path = job.folder / f"rows-{done}"
            folded = results.take(self.archive.shelf, result.name, path, sha256=result.sha256)
            yield EnginePiece(folded=folded, path=path, cost=result.cost)

    def _remove(self, prefix: str) -> bool:
        """Remove the files whose names begin with a prefix, and the hidden ones of their folder."""
        shelf, folder = self.archive.shelf, prefix.rpartition("/")[0] + "/"
        hidden = (each.name for each in shelf.leftovers() if each.name.startswith(folder))
        found = (each.name for each in shelf.names(folder) if each.name.startswith(prefix))
        names = [*found, *hidden]
        for name in names:
            shelf.remove(name)
        return bool(names)

    def _parts(self, job: Job, files: Sequence[File]) -> Iterator[FilePart]:
        """Divide files into parts of about PARTITION_EVENTS, each of which one task reads.

        With each goes what was erased of its file since; and the keys, if the file is encrypted.
        """
        is_encrypted = self.archive.is_encrypted
        for file in files:
            with job.database.reading() as connection:
                erased = compare.erased_since(connection, file, file.last)
                nodes = archive_keys.read(connection, file.first, file.last) if is_encrypted else []
            parts = -(-file.events // PARTITION_EVENTS)
            for index in range(parts):
                yield FilePart(
                    name=file.name,
                    sha256=file.sha256,
                    index=index,
                    parts=parts,
                    erased=tuple(told.ranges_of(erased)),
                    keys=tuple(nodes) if is_encrypted else None,
                )

    def _files(self, until: int) -> list[File]:
        return [each for each in self.archive.files if each.last <= until]


def engine(options: SparkOptions) -> Engine:
    """Return the engine that folds an archive on Spark.

    Raises JavaMissing, and the errors of opening the archive.
    """
    install.require_java()
    spark = _Spark(archive=read.opened(options.archive_url), options=options)
    return Engine(name="spark", run=spark.run, reach=spark.reach, clear=spark.clear)


def _folder(job: Job) -> str:
    """Return the folder for the results of a database's rebuilds."""
    return f"{WORK}{workspace.key_of(job.database)}/"


def _require_all(found: Sequence[FoldResult], *, events: int) -> None:
    """Raise EventsMissing unless all events were read once, and all facts of them folded."""
    tally = sum((each.tally for each in found), NO_TALLY)
    if tally.events != events:
        raise EventsMissing(found=tally.events, expected=events)
    folded = sum(each.facts for each in found)
    if folded != tally.facts:
        raise EventsMissing(found=folded, expected=tally.facts)
