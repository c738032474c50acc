"""The methods that copy the log to an archive, and fill it from one; they need the extra."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from projector.store.database import Database

if TYPE_CHECKING:
    from replay.archive.check import CheckReport
    from replay.archive.restore import RestoreReport
    from replay.archive.write import WriteReport


class Archives:
    """The tasks with archives on a Projector.

    An archive is a folder, or the URL of a prefix in an object store. All raise BadArchiveUrl,
    ArchiveUnreachable, ArchiveBroken, ArchiveSchemaUnknown or ExtraMissing.
    """

    @property
    def database(self) -> Database:
        """The database."""
        raise NotImplementedError

    def _prepared(self) -> Database:
        """Return the database, which is created or migrated if necessary."""
        raise NotImplementedError

    def write_archive(
        self,
        url: str,
        *,
        until: int | Literal["head"] | None = None,
        range_events: int | None = None,
        zstd_level: int | None = None,
        encrypt: bool = False,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> WriteReport:
        """Copy the events that are not archived yet, in complete ranges, to an archive.

        `until` is the position at which a shorter last range ends. With `encrypt`, a new archive is
        encrypted; one that exists stays as it is. `on_progress` receives the number of events that
        are done, and their total. Raises BadNumber, PositionUnknown, ArchiveForeign, ArchiveAhead,
        ArchiveUnencrypted, ArchiveKeysMissing, ArchiveKeyMissing, LogHole, LogUnreadable or
        OutputUnwritable.
        """
        from replay.archive import shelf
        from replay.archive.local import requiring_extra

        with requiring_extra():
            from replay.archive import rows, write
        return write.write(
            self.database,
            shelf.opened(url),
            until=until,
            range_events=write.RANGE_EVENTS if range_events is None else range_events,
            zstd_level=rows.ZSTD_LEVEL if zstd_level is None else zstd_level,
            encrypt=encrypt,
            on_progress=on_progress,
        )

    def check_archive(
        self,
        url: str,
        *,
        contents: bool = False,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> CheckReport:
        """Compare an archive with its manifests and with the log.

        With `contents`, decode all of its rows, too. `on_progress` receives the number of files
        that are done, and their total. Raises NotArchived.
        """
        from replay.archive import shelf
        from replay.archive.local import requiring_extra

        with requiring_extra():
            from replay.archive.check import check
        return check(shelf.opened(url), self.database, contents=contents, on_progress=on_progress)

    def write_archive_keys(self, path: str) -> int:
        """Write the keys of encrypted archives to a new file; return their number.

        The file opens all that is not erased. Raises NoArchiveKeys, KeyExists or OutputUnwritable.
        """
        from replay.archive import keys

        return keys.write_file(self.database, path)

    def restore_archive(
        self,
        url: str,
        *,
        key_file: str | None = None,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> RestoreReport:
        """Append the events that the log lacks of an archive; the tables stay until `catch_up`.

        A SQLite database is created or migrated if necessary. An encrypted archive needs the keys
        of the database, or those of a file, which are then stored in the database. `on_progress`
        receives the number of events that are done, and their total. Raises NotArchived,
        ArchiveForeign if the log has other events, ArchiveKeysMissing, ArchiveKeyMissing,
        ArchiveKeysUnreadable, KeyExposed, or DatabaseBusy if another process appends.
        """
        from replay.archive import keys, read
        from replay.archive.local import requiring_extra

        with requiring_extra():
            from replay.archive.restore import restore
        archive = read.opened(url)
        # Before a database is created for nothing.
        read.require_files(archive)
        known = None if key_file is None else keys.read_file(key_file)
        return restore(self._prepared(), archive, known, on_progress=on_progress)
