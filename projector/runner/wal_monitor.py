"""Warns when the write-ahead log of a SQLite database grows, because a reader holds it."""

from __future__ import annotations

import logging

from projector.store.database import Database

#: The size of the write-ahead log, in bytes, above which a warning is logged.
WAL_BYTES_MAX = 256 * 1024 * 1024

_logger = logging.getLogger(__name__)


class WalMonitor:
    """The size of a write-ahead log, looked at now and then."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_large = False

    def look(self) -> None:
        """Log once that the file is large, and once that it is not any more."""
        size = self._database.wal_bytes()
        if self._is_large == (size > WAL_BYTES_MAX):
            return
        self._is_large = not self._is_large
        if self._is_large:
            _logger.warning(
                "%s has %d MiB: a transaction that has been reading for long (an export, a backup, "
                "a client that was forgotten) keeps SQLite from emptying it.",
                self._database.file.wal,
                size // 1024**2,
            )
        else:
            _logger.info("%s has %d MiB again.", self._database.file.wal, size // 1024**2)
