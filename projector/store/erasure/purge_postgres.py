"""Vacuums the tables of a Postgres database, so that no dead row is left; rewrites them if told so.

VACUUM puts dead rows beyond the reach of SQL, but leaves their bytes in the pages until new rows
take the space. VACUUM FULL writes tables anew, each under an exclusive lock. The planner's
statistics hold values of rows, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from projector.errors import DatabaseBusy, PurgeIncomplete
from projector.store import projection_tables
from projector.store.database import Database
from projector.store.erasure.cleaning import Cleaning, OnProgress, Part
from projector.store.tables import metadata

#: The time for which a purge waits for transactions that see dead rows, in seconds, and the pause
#: between two looks.
READERS_SECONDS_MAX, _PAUSE_SECONDS = 10.0, 0.2

#: The wait for an exclusive lock, in milliseconds: new readers and writers queue behind it. And the
#: time for which it is tried, in seconds, for each table.
_LOCK_MS, _LOCK_SECONDS_MAX = 1_000, 60.0

#: The first version that can clear the statistics of a column.
_CLEARS_STATISTICS = 180000

#: The statistics of columns that keep none, and of empty tables: ANALYZE leaves these as they are.
_OUTDATED_STATISTICS = """
SELECT format('%%I.%%I.%%I', schemaname, tablename, stats.attname),
  schemaname, tablename, stats.attname, inherited
FROM pg_stats AS stats
JOIN pg_attribute AS part ON part.attname = stats.attname
  AND part.attrelid = to_regclass(format('%%I.%%I', schemaname, tablename))
JOIN pg_class AS relation ON relation.oid = part.attrelid
WHERE relation.oid = ANY(%s::regclass[]) AND (part.attstattarget = 0 OR relation.reltuples = 0)
"""

_LEFT = (
    "The write-ahead log has what was erased until its segments are reused or removed, and so do "
    "archives of it, standbys and snapshots.",
    "Backups and dumps still have what was erased: let them expire.",
    "The disk may have the blocks of deleted files: encrypt it.",
)
_LEFT_IN_PAGES = (
    "The pages of the tables have bytes of erased rows, which no SQL reaches, until other rows "
    "take their place or `projector purge --full` rewrites the tables."
)


def parts(database: Database) -> list[Part]:
    """Return the tables that a full purge writes anew, each with the size of its files."""
    with database.direct() as direct, direct.outside_of_transactions() as driver:
        return [Part(name=name, bytes=_bytes(driver, name)) for name in _tables(direct)]


def clean(database: Database, *, full: bool, on_progress: OnProgress) -> Cleaning:
    """Vacuum all tables, or write each anew if `full`.

    Raises PurgeIncomplete if a transaction still sees dead rows, if a table cannot be locked, or if
    rights are missing.
    """
    rewritten = 0
    with database.direct() as direct, direct.outside_of_transactions() as driver:
        tables = _tables(direct)
        _wait_for_readers(database, driver)
        for done, name in enumerate(tables):
            on_progress("rewriting" if full else "vacuuming", done, len(tables))
            if full:
                rewritten += _bytes(driver, name)
                _rewrite(database, driver, name)
            else:
                _vacuum(database, driver, f"VACUUM (ANALYZE) {name}")
        left = _clean_statistics(driver, tables, full=full)
        left += _checkpoint(driver) if full else [_LEFT_IN_PAGES]
    return Cleaning(is_full=full, bytes=rewritten, left=(*left, *_LEFT))


def _tables(database: Database) -> list[str]:
    """Return the tables of the program and of all projections, also of those not installed."""
    with database.reading() as connection:
        return [*sorted(metadata.tables), *projection_tables.existing(connection)]


def _bytes(driver: Any, name: str) -> int:
    found = driver.execute("SELECT pg_total_relation_size(%s::regclass)", (name,)).fetchone()
    return int(found[0])


def _wait_for_readers(database: Database, driver: Any) -> None:
    """Wait until no transaction sees the rows that an erasure has changed; raises PurgeIncomplete.

    Each erasure leaves a dead version of its own row in `erasure`. VACUUM counts it until no
    snapshot of the database, also of a standby or a replication slot, is older than the erasure.
    """
    deadline = time.monotonic() + READERS_SECONDS_MAX
    while True:
        _vacuum(database, driver, "VACUUM erasure")
        dead = driver.execute("SELECT pg_stat_get_dead_tuples('erasure'::regclass)").fetchone()
        if not dead[0]:
            return
        if time.monotonic() > deadline:
            reason = (
                "a transaction that is older than the erasure still sees the rows. It may be an "
                "export, a dump, an idle session, a prepared transaction or a replication slot."
            )
            raise PurgeIncomplete(url=database, reason=reason)
        time.sleep(_PAUSE_SECONDS)


def _rewrite(database: Database, driver: Any, name: str) -> None:
    """Write a table anew, under an exclusive lock; raises PurgeIncomplete if it gets none."""
    deadline = time.monotonic() + _LOCK_SECONDS_MAX
    driver.execute(f"SET lock_timeout = {_LOCK_MS}")
    while True:
        try:
            return _vacuum(database, driver, f"VACUUM (FULL, ANALYZE) {name}")
        except _errors().LockNotAvailable as error:
            if time.monotonic() > deadline:
                raise DatabaseBusy(url=database, reason=f"{name} is in use") from error
        time.sleep(_PAUSE_SECONDS)


def _vacuum(database: Database, driver: Any, statement: str) -> None:
    """Run a VACUUM; raise PurgeIncomplete for a warning: it has skipped a table then."""
    with _warnings(driver) as warnings:
        driver.execute(statement)
    if warnings:
        raise PurgeIncomplete(url=database, reason=f"{warnings[0]}.")


@contextmanager
def _warnings(driver: Any) -> Iterator[list[str]]:
    """Collect the server's warnings."""
    found: list[str] = []

    def collect(notice: Any) -> None:
        if notice.severity_nonlocalized == "WARNING":
            found.append(notice.message_primary)

    driver.add_notice_handler(collect)
    try:
        yield found
    finally:
        driver.remove_notice_handler(collect)


def _clean_statistics(driver: Any, tables: Sequence[str], *, full: bool) -> list[str]:
    """Clear outdated statistics, and let no dead ones be; return what is left as sentences."""
    left = []
    outdated = driver.execute(_OUTDATED_STATISTICS, (list(tables),)).fetchall()
    if driver.info.server_version >= _CLEARS_STATISTICS:
        for _, *column in outdated:
            driver.execute("SELECT pg_clear_attribute_stats(%s, %s, %s, %s)", column)
    elif outdated:
        names = ", ".join(name for name, *_ in outdated)
        left.append(
            f"The planner's statistics of {names} are those of rows that are gone. As a superuser, "
            "delete them from pg_statistic."
        )
    with _warnings(driver) as warnings:
        driver.execute(f"VACUUM {'(FULL) ' if full else ''}pg_catalog.pg_statistic")
    if warnings:
        left.append(
            "Old statistics of the planner stay in pg_statistic: its VACUUM FULL takes the owner "
            "of the database."
        )
    return left


def _checkpoint(driver: Any) -> list[str]:
    """Make the server remove the files that were replaced; return what is left."""
    try:
        driver.execute("CHECKPOINT")
    except _errors().InsufficientPrivilege:
        return [
            "The server removes the old files of the tables at its next checkpoint, for which "
            "this role may not ask."
        ]
    return []


def _errors() -> Any:
    """Return the driver's errors; the driver is an extra."""
    from psycopg import errors

    return errors
