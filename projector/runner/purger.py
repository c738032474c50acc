"""Purges in the background what an earlier purge has left in the files, when a follower starts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from projector.store.database import Database
from projector.store.erasure.purge import purge_files, unpurged

#: The longest wait for a purge that is told to stop, in seconds. On Postgres it is one statement,
#: which ends with the process.
STOP_SECONDS_MAX = 5.0

_logger = logging.getLogger(__name__)


@contextmanager
def purging(database: Database, stop: Event) -> Iterator[None]:
    """Purge in a thread while the block runs, if an erasure was not purged yet."""
    thread = Thread(target=_purge, args=(database, stop), name="purge", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(STOP_SECONDS_MAX)


def _purge(database: Database, stop: Event) -> None:
    """Purge, and log how it went; an error is tried again at the next start."""
    try:
        with database.reading() as connection:
            waiting = unpurged(connection)
        if waiting:
            report = purge_files(database, is_stopped=stop.is_set)
            _logger.info("Purged the files of erasures %s.", ", ".join(map(str, report.erasures)))
    except Exception as error:
        _logger.warning("The purge is left to the next start: %s", " ".join(str(error).split()))
