"""Checks an archive against its manifests and against the log, and removes what none of them names.

Problems are reported, not raised: each names the manifest or the file that has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import define, field, frozen

from projector.errors import ArchiveBroken, LogUnreadable
from projector.store import log
from projector.store.database import Database
from replay.archive import compare, manifest, read, rows
from replay.archive.compare import LogRange
from replay.archive.encryption import KeyMissing
from replay.archive.local import downloaded
from replay.archive.manifest import EVENTS, MANIFESTS, WORK, File, Link, Manifest
from replay.archive.shelf import Entry, Shelf
from replay.archive.tally import EncryptedTally, Tally

#: A file that no manifest names is kept so long, in seconds: an archiver may be about to name it,
#: or a rebuild to read it.
KEPT_SECONDS = 24 * 60 * 60


@frozen(kw_only=True)
class Fault:
    """A problem of an archive."""

    #: The manifest or file that has it.
    name: str
    problem: str


@frozen(kw_only=True)
class CheckReport:
    """The result of a check."""

    #: The files that the manifests name, their events and bytes, and the last archived position.
    files: int
    events: int
    bytes: int
    last: int
    #: Whether the archive is encrypted.
    encrypted: bool
    #: The archived events that were erased since, if the log was compared. Those of an encrypted
    #: archive are unreadable; those of another one are faults.
    erased: int = 0
    faults: tuple[Fault, ...] = field(default=())
    #: The files that no manifest names; they are no fault. `prune` removes them.
    unnamed: tuple[str, ...] = field(default=())

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@frozen(kw_only=True)
class PruneReport:
    """The result of `prune`."""

    #: The names of the files that were removed, and their bytes.
    removed: tuple[str, ...]
    bytes: int
    #: The names of those that are too young to be removed.
    kept: tuple[str, ...]


def check(
    shelf: Shelf,
    database: Database | None = None,
    *,
    contents: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CheckReport:
    """Check the chain of manifests, and that each file is there with its size and SHA-256.

    With `contents`, decode all rows and compare their digests and counts with the manifest's; with
    a `database`, compare the log's rows with them, too. `on_progress` receives the number of files
    that are done, and their total. Raises NotArchived, ArchiveUnreachable or ArchiveSchemaUnknown.
    """
    files, faults, is_encrypted = _check_manifests(shelf)
    checks = _Checks(shelf=shelf, database=database, contents=contents, is_encrypted=is_encrypted)
    stored = {each.name: each for each in shelf.names(EVENTS)}
    for done, file in enumerate(files):
        on_progress(done, len(files))
        found = checks.file(file, stored.get(file.name))
        faults += [Fault(name=file.name, problem=problem) for problem in found]
    on_progress(len(files), len(files))
    named = {file.name for file in files}
    return CheckReport(
        files=len(files),
        events=sum(file.events for file in files),
        bytes=sum(file.bytes for file in files),
        last=files[-1].last if files else 0,
        encrypted=is_encrypted,
        erased=checks.erased,
        faults=tuple(faults),
        unnamed=tuple(sorted(stored.keys() - named)),
    )


def prune(shelf: Shelf, *, kept_seconds: float = KEPT_SECONDS) -> PruneReport:
    """Remove files that no manifest names, and what killed archivers and rebuilds left behind.

    Files younger than `kept_seconds` stay. Removes nothing unless the whole chain of manifests can
    be read: raises ArchiveBroken, NotArchived, or another error of `read.opened`.
    """
    candidates = [*shelf.names(EVENTS), *shelf.names(WORK), *shelf.leftovers()]
    # Read after the files were listed: what is named meanwhile is known.
    archive = read.read(shelf)
    read.require_files(archive)
    named = {file.name for file in archive.files}
    unnamed = [each for each in candidates if each.name not in named]
    removed = [each for each in unnamed if each.age >= kept_seconds]
    for each in removed:
        shelf.remove(each.name)
    return PruneReport(
        removed=tuple(each.name for each in removed),
        bytes=sum(each.size for each in removed),
        kept=tuple(each.name for each in unnamed if each not in removed),
    )


def _check_manifests(shelf: Shelf) -> tuple[list[File], list[Fault], bool]:
    """Return the files of all manifests that can be read, the faults of the chain, and whether
    the files are encrypted.
    """
    files: dict[str, File] = {}
    faults: list[Fault] = []
    before: tuple[Manifest, Link] | None = None
    page: Link | None = None
    is_first, is_encrypted = True, False
    for entry in shelf.names(MANIFESTS):
        try:
            encoded = shelf.read(entry.name)
            found = manifest.decode(entry.name, encoded, url=shelf.url)
        except ArchiveBroken as error:
            faults.append(Fault(name=entry.name, problem=str(error.details["reason"])))
            before, is_first = None, False
            continue
        link = manifest.link_to(entry.name, encoded)
        if before is not None or is_first:
            problem = _find_break(found, before, page)
            faults += [] if problem is None else [Fault(name=entry.name, problem=problem)]
        page, is_encrypted = found.page, found.is_encrypted
        before, is_first = (found, link), False
        files.update((file.name, file) for file in found.files)
    if not files and not faults:
        read.require_files(read.read(shelf))
    ordered = sorted(files.values(), key=lambda file: (file.first, file.last))
    return ordered, faults + list(_find_holes(ordered)), is_encrypted


def _find_break(
    found: Manifest, before: tuple[Manifest, Link] | None, page: Link | None
) -> str | None:
    """Return how a manifest does not go on from the one before; `page` is the link of that one."""
    if before is None:
        return None if found.parent is None else f"{found.parent.name} is missing"
    parent, link = before
    if found.parent is None or found.parent.name != link.name:
        return f"it follows {found.parent and found.parent.name}, which is missing"
    if found.parent != link:
        return f"{link.name} has changed since this was written"
    if (found.log, found.schema) != (parent.log, parent.schema):
        return f"it is of another log than {link.name}, or of another schema"
    is_new_page = found.page != page
    expected = () if is_new_page else parent.files
    if found.files[:-1] != expected or (is_new_page and found.page != link):
        return f"its files are not those of {link.name} and one more"
    return None


def _find_holes(files: list[File]) -> Iterator[Fault]:
    last = 0
    for file in files:
        if file.first != last + 1:
            problem = f"it begins at position {file.first}, but the files before end at {last}"
            yield Fault(name=file.name, problem=problem)
        last = file.last


@define(kw_only=True)
class _Checks:
    """The checks of the files of an archive."""

    shelf: Shelf
    database: Database | None
    contents: bool
    is_encrypted: bool
    #: The events that were erased since they were archived.
    erased: int = 0

    def file(self, file: File, entry: Entry | None) -> list[str]:
        """Return the problems of a file."""
        if entry is None:
            return ["it is missing", *self._log(file, None)]
        if entry.size != file.bytes:
            problem = f"it has {entry.size} bytes, not {file.bytes}"
            return [problem, *self._log(file, None)]
        try:
            with downloaded(self.shelf, file) as path:
                problems = [*check_contents(file, path, is_encrypted=self.is_encrypted)] * (
                    self.contents
                )
                return [*problems, *self._log(file, None if problems else path)]
        except ArchiveBroken as error:
            return [str(error.details["reason"]), *self._log(file, None)]

    def _log(self, file: File, path: Path | None) -> Iterator[str]:
        """Yield how the log's rows of a file's range differ from those that were archived.

        `path` is that of the file; None if it is damaged.
        """
        if self.database is None:
            return
        try:
            with self.database.reading() as connection:
                head = log.head(connection)
                if head < file.last:
                    yield f"the log ends at position {head}, before it"
                    return
                found = compare.read_log(connection, file, is_encrypted=self.is_encrypted)
        except KeyMissing as error:
            yield f"{error}, but its event is not erased"
            return
        except LogUnreadable as error:
            yield str(error)
            return
        self.erased += len(found.erased)
        yield from self._compare(file, path, found)

    def _compare(self, file: File, path: Path | None, found: LogRange) -> Iterator[str]:
        # Without the file, what was erased of it since cannot be compared.
        if path is None:
            is_same = bool(found.erased) or found.digest == file.digest
        else:
            is_same = compare.is_same(found, file, path, is_encrypted=self.is_encrypted)
        if not is_same:
            yield (
                f"the log's rows from position {file.first} to {file.last} are not those that were "
                "archived"
            )
        if found.erased and not self.is_encrypted:
            yield f"it has {len(found.erased)} events of erased customers, and all can read them"
        if found.with_keys:
            yield f"the keys of {len(found.with_keys)} erased events of it are still there"


def check_contents(file: File, path: Path, *, is_encrypted: bool = False) -> Iterator[str]:
    """Yield how the rows of a stored file are not those of its entry."""
    tally = EncryptedTally(file.first) if is_encrypted else Tally(file.first)
    try:
        for block in rows.blocks(path, rows.layout_of(is_encrypted=is_encrypted)):
            tally.add(block)
    except ValueError as error:
        yield str(error)
        return
    if tally.hole is not None:
        yield f"position {tally.hole} is missing or out of order"
    found = tally.as_file(size=file.bytes, sha256=file.sha256, erasure_id=file.erasure_id)
    if found != file:
        yield "its rows are not those that the manifest counts and digests"
