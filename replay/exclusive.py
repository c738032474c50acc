"""Keeps rebuilds out: one rebuild at a time, and none while an erasure deletes rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from projector.projections import discover
from projector.store import schema
from projector.store.database import Database
from projector.store.rebuild import shadow
from replay import workspace


@contextmanager
def exclusively(
    database: Database,
) -> Iterator[tuple[workspace.Workspace, bool, Callable[[], None]]]:
    """Lock out rebuilds of the database, and remove shadows and files before and after.

    Yields the workspace, whether leftovers were found, and a function that raises if the lock is
    gone.
    """
    with workspace.opened(database) as space, shadow.lock(database) as check_lock:
        found_leftovers = _remove_shadows(database)
        schema.create_missing_tables(database)
        try:
            yield space, found_leftovers or space.had_leftovers, check_lock
        finally:
            _remove_shadows(database)


def _remove_shadows(database: Database) -> bool:
    """Drop the shadows of any rebuild; return whether any were found."""
    with database.reading() as connection:
        found = shadow.find_leftovers(connection, discover())
    if found:
        with database.writing() as connection:
            shadow.drop(connection, discover())
    return bool(found)
