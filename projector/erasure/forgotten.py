"""The record of erasures: lists them, lifts what keeps a customer out, drops what is old."""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import asdict, frozen

from projector.envelope import ERASURE_TYPE, OWN_SOURCE, id_problem
from projector.erasure import transaction
from projector.erasure.forget import days_ago
from projector.errors import BadIdentifier, ErasureNotFound, NotSuppressed
from projector.store import log, log_head
from projector.store.database import Database
from projector.store.erasure import digest_list, digests, keys, records, told
from projector.store.erasure.records import Erasure

#: The references of erasures of nothing, which record that something is let in again.
ALLOWED = "A customer is let in again."
EXPIRED = "What was erased long ago is kept out no longer."


@frozen(kw_only=True)
class ErasureDetail(Erasure):
    """An erasure with the positions of its markers."""

    #: Ranges, each with its first and its last position.
    positions: tuple[tuple[int, int], ...]


@frozen(kw_only=True)
class ErasureList:
    """All erasures, in their order."""

    erasures: tuple[Erasure, ...]
    #: The number of digests of what is not let in again.
    suppressed: int


def list_erasures(database: Database) -> ErasureList:
    """Return all erasures."""
    with database.reading() as connection:
        return ErasureList(
            erasures=tuple(records.list_all(connection)),
            suppressed=digest_list.count(connection),
        )


def show_erasure(database: Database, erasure_id: int) -> ErasureDetail:
    """Return an erasure with the positions of its markers; raises ErasureNotFound."""
    ranges: list[tuple[int, int]] = []
    with database.reading() as connection:
        found = records.find(connection, erasure_id)
        if found is None:
            raise ErasureNotFound(erasure_id=erasure_id)
        # The events that tell of it stand one behind the other; the last one is recorded.
        position = found.position or 0
        while events := log.read_at(connection, [position]):
            [event] = events
            if event.type != ERASURE_TYPE or event.source != OWN_SOURCE:
                break
            body = told.decode_body(event.body)
            if body.erasure_id != erasure_id:
                break
            ranges = [*body.positions, *ranges]
            position -= 1
    return ErasureDetail(**asdict(found), positions=tuple(ranges))


def allow(database: Database, customer_id: str, *, project_id: str | None = None) -> int:
    """Let a customer's new events in again, from now on; return the number of projects concerned.

    What was erased stays erased, and those events stay out. The log tells of it, as an erasure of
    nothing.
    Raises BadIdentifier or NotSuppressed.
    """
    problem = id_problem(customer_id)
    if problem:
        raise BadIdentifier(name="the customer", text=customer_id, reason=problem)
    with database.writing() as connection:
        head = log_head.lock(connection)
        key = keys.read(connection)
        projects = [project_id] if project_id is not None else records.projects(connection)
        sought = {digests.of_customer(key or b"", each, customer_id): each for each in projects}
        found = digest_list.find(connection, [*sought])
        if not found:
            raise NotSuppressed(identifier=customer_id)
        digest_list.remove(connection, [*found])
        for each in found:
            head = transaction.record_nothing(
                connection, sought[each], head, ALLOWED, at=datetime.now(UTC)
            )
    return len(found)


def drop_older(database: Database, *, days: int) -> int:
    """Drop the digests of erasures before `days` ago; return how many. Raises BadNumber.

    What they kept out is let in again if it is delivered.
    """
    before = days_ago(days)
    with database.writing() as connection:
        head = log_head.lock(connection)
        projects = digest_list.projects_older(connection, before)
        dropped = digest_list.remove_older(connection, before)
        for each in projects:
            head = transaction.record_nothing(connection, each, head, EXPIRED, at=datetime.now(UTC))
    return dropped
