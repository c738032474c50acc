"""Forgets customers: takes the locks, erases in one transaction, and purges the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from attrs import evolve
from sqlalchemy import Connection

from projector.erasure import subjects, transaction
from projector.erasure.needles import Needles, is_long_enough
from projector.erasure.report import ErasureReport
from projector.erasure.subjects import ErasureOrder, Subjects
from projector.errors import BadNumber, NeedleTooShort, PurgeIncomplete, ReferenceNamesSomebody
from projector.store import customers
from projector.store.database import Database
from projector.store.erasure import purge
from projector.store.erasure import subjects as stored_subjects
from replay.exclusive import exclusively

#: The most positions of events that name the person.
MENTIONS_MAX = 1_000

#: A hundred years.
DAYS_MAX = 36_525


class _TrialEnded(Exception):
    """Rolls a trial back."""


def forget(
    database: Database,
    identifiers: Sequence[str] = (),
    *,
    project_id: str | None = None,
    by_source_id: bool = False,
    positions: Sequence[int] = (),
    reference: str | None = None,
    also: Sequence[str] = (),
    scan: bool = False,
    dry_run: bool = False,
) -> ErasureReport:
    """Erase customers, and events without a customer: wholly or not at all.

    `also` are more texts that name the person. `scan` searches all other events for such texts,
    which are reported and stay. A trial (`dry_run`) does all of it, and rolls back. Raises
    CustomerNotFound, CustomerAmbiguous, ProjectsDiffer, PositionUnknown, PositionNotErasable,
    NeedleTooShort, ReferenceNamesSomebody, ProjectionAbsent, RebuildRunning, DatabaseBusy or
    RowsUnreadable, with nothing erased.
    """
    order = ErasureOrder(
        identifiers=identifiers,
        project_id=project_id,
        by_source_id=by_source_id,
        positions=positions,
        reference=reference,
        also=also,
    )
    return carry_out(database, order, scan=scan, dry_run=dry_run)


def forget_deleted(
    database: Database,
    *,
    days: int,
    project_id: str | None = None,
    reference: str | None = None,
    dry_run: bool = False,
) -> list[ErasureReport]:
    """Erase the customers of whom `customer.deleted` said so `days` ago or earlier.

    One erasure for each project. Raises BadNumber, and the errors of `forget`.
    """
    before = days_ago(days)
    with database.reading_tables() as connection:
        found = customers.deleted_before(connection, before)
    by_project: dict[str, list[str]] = {}
    for key in found:
        if project_id in (None, key.project_id):
            by_project.setdefault(key.project_id, []).append(key.customer_id)
    return [
        forget(database, ids, project_id=each, reference=reference, dry_run=dry_run)
        for each, ids in by_project.items()
    ]


def days_ago(days: int) -> datetime:
    """Return the time so many days ago; raises BadNumber."""
    if not 0 <= days <= DAYS_MAX:
        raise BadNumber(name="The number of days", value=days, range=f"0 to {DAYS_MAX}")
    return datetime.now(UTC) - timedelta(days=days)


def carry_out(
    database: Database, order: ErasureOrder, *, scan: bool = False, dry_run: bool = False
) -> ErasureReport:
    """Carry an order out; raises the errors of `forget`."""
    report, found = _erase(database, order, dry_run=dry_run)
    if scan:
        report = evolve(report, mentions=_mentions(database, found))
    return report if dry_run or report.erasure_id is None else _purged(database, report)


def _erase(
    database: Database, order: ErasureOrder, *, dry_run: bool
) -> tuple[ErasureReport, Subjects | None]:
    with (
        database.direct() as direct,
        exclusively(direct) as (_, _, check_lock),
        _overwriting(direct) as connection,
    ):
        try:
            with direct.writing(connection) as begun:
                report, found = _erase_within(begun, order)
                # Otherwise a rebuild may have begun to fold what is erased here.
                check_lock()
                if dry_run:
                    raise _TrialEnded
        except _TrialEnded:
            report = evolve(report, erasure_id=None, position=None, erased_at=None)
        return report, found


def _erase_within(
    connection: Connection, order: ErasureOrder
) -> tuple[ErasureReport, Subjects | None]:
    if not all(map(is_long_enough, order.also)):
        raise NeedleTooShort()
    locked = transaction.lock(connection)
    chosen = subjects.choose(connection, order)
    if chosen.project_id is None:
        nothing = dict.fromkeys(locked.projections.names, 0)
        return ErasureReport(rows=nothing, already=chosen.already), None
    found = subjects.find(connection, order, chosen)
    names = Needles((), filter(is_long_enough, found.identifiers.names))
    if order.reference and (found.needles.are_in(order.reference) or names.are_in(order.reference)):
        raise ReferenceNamesSomebody()
    report = transaction.erase(connection, order, found, locked, at=datetime.now(UTC))
    return evolve(report, already=chosen.already), found


@contextmanager
def _overwriting(database: Database) -> Iterator[Connection]:
    """Yield a connection to SQLite that overwrites what it deletes, or any one to Postgres."""
    with database.connected() as connection:
        if not database.is_sqlite:
            yield connection
            return
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101 - the connection is open
        driver.execute("PRAGMA secure_delete = ON")
        try:
            yield connection
        finally:
            driver.execute("PRAGMA secure_delete = FAST")


def _mentions(database: Database, found: Subjects | None) -> tuple[int, ...]:
    """Return the positions of the first events of others that name the person."""
    mentions: list[int] = []
    if found is None:
        return ()
    # Those of the person are there still if it was a trial.
    own = frozenset(found.positions)
    with database.reading() as connection:
        for position, body in stored_subjects.all_bodies(connection):
            if position not in own and found.needles.are_in(body):
                mentions.append(position)
                if len(mentions) == MENTIONS_MAX:
                    break
    return tuple(mentions)


def _purged(database: Database, report: ErasureReport) -> ErasureReport:
    try:
        purge.purge(database)
    except PurgeIncomplete as error:
        return evolve(report, purge_problem=str(error))
    return evolve(report, purged=True)
