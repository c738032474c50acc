"""Customers' states: now, from the tables, and in the past, from the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TypeVar

from attrs import field, frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey, RecordedEvent, id_problem
from projector.errors import BadNumber, CustomerAmbiguous, CustomerNotFound, PositionUnknown
from projector.queries import customers_now, past
from projector.queries.customer_state import PROJECTIONS, CustomerState, state_from_rows
from projector.queries.erased import find_erased, or_erased
from projector.store import checkpoints, customers, dead_letters, log, table_rows
from projector.store.customer_rows import By
from projector.store.database import Database
from projector.text.instants import check_instant, to_text, to_utc


@frozen(kw_only=True)
class PointInTime:
    """A bitemporal point in time; the default is now, as the tables have it.

    `as_of` asks what was true then (valid time), `at_position` what was known then (transaction
    time), and both together what was known at that position to be true at that instant.
    """

    #: Events that occurred later are ignored.
    as_of: datetime | None = field(default=None)
    #: Events beyond this position of the log are ignored.
    at_position: int | None = None

    @as_of.validator
    def _is_placed(self, _attribute: object, value: datetime | None) -> None:
        check_instant(value)

    @property
    def is_now(self) -> bool:
        """Whether every known event counts."""
        return self.as_of is None and self.at_position is None

    def day(self) -> date:
        """Return the day of the moment in UTC; today unless `as_of` is given."""
        return datetime.now(UTC).date() if self.as_of is None else to_utc(self.as_of).date()

    def __str__(self) -> str:
        """Return the end of a sentence, such as ` at position 5`; empty for now."""
        then = "" if self.as_of is None else f" as of {to_text(self.as_of)}"
        return then if self.at_position is None else f"{then} at position {self.at_position}"


#: The maximum number of ids in one query.
IDS_MAX = 1_000

NOW = PointInTime()

#: A customer, with the state or only the key.
Found = TypeVar("Found", CustomerState, CustomerKey)

_NAMES = tuple(each.name for each in PROJECTIONS)


@frozen(kw_only=True)
class CustomerBatch:
    """The states of several customers, and the ids without a state."""

    #: In the order of the requested ids.
    customers: tuple[CustomerState, ...]
    #: The ids that no customer has.
    not_found: tuple[str, ...]
    #: The ids of customers who were erased.
    erased: tuple[str, ...]
    #: The ids that customers of several projects have.
    ambiguous: tuple[str, ...]
    #: The position of the log up to which the states reflect every event.
    position: int


def find_customer(
    database: Database,
    identifier: str,
    *,
    project_id: str | None = None,
    by_source_id: bool = False,
    moment: PointInTime = NOW,
) -> CustomerState:
    """Return the state of the customer with this id, or with this source_id, now or at a moment.

    A source_id is looked up among the present ones, whatever the moment. Raises CustomerNotFound;
    CustomerErased, which is one; CustomerAmbiguous if several projects have the id, or if several
    customers that are not deleted have the source_id; PositionUnknown.
    """
    with or_erased(database, identifier, project_id, by_source_id=by_source_id):
        if moment.is_now:
            found = find_customer_now(
                database, identifier, project_id=project_id, by_source_id=by_source_id
            )
            if found is not None:
                return found[0]
        with database.reading_tables() as connection:
            return read_customer(connection, identifier, project_id, by_source_id, moment)


def find_customer_now(
    database: Database, identifier: str, *, project_id: str | None, by_source_id: bool
) -> tuple[CustomerState, int] | None:
    """Return the state that `find_customer` returns, and the head of the log, by the direct path.

    None if `read_customer` must be called instead: see `customers_now`.
    """
    found = customers_now.find_by(database, By.SOURCE_ID if by_source_id else By.ID, identifier)
    if found is None:
        return None
    states = [each for each in found.states if project_id in (None, each.project_id)]
    if by_source_id:
        states = _meant_by_source_id(states, identifier)
    return require_one(states, identifier, project_id), found.head


def find_customers(
    database: Database, identifiers: Sequence[str], *, project_id: str | None = None
) -> CustomerBatch:
    """Return the states of the customers with these ids, as `find_customer` returns each of them.

    A repeated id is answered once. Raises BadNumber for more than IDS_MAX.
    """
    if len(identifiers) > IDS_MAX:
        raise BadNumber(name="The number of ids", value=len(identifiers), range=f"0 to {IDS_MAX}")
    unique_ids = list(dict.fromkeys(identifiers))
    direct = customers_now.find_by_ids(database, unique_ids)
    if direct is not None:
        known, position = by_id(direct.states), direct.position
    else:
        with database.reading_tables() as connection:
            known, position = read_customers(connection, unique_ids)
    found = {
        each: [state for state in known.get(each, ()) if project_id in (None, state.project_id)]
        for each in unique_ids
    }
    missing = [each for each, states in found.items() if not states]
    erased = find_erased(database, missing, project_id) if missing else {}
    return CustomerBatch(
        customers=tuple(states[0] for states in found.values() if len(states) == 1),
        not_found=tuple(each for each in missing if each not in erased),
        erased=tuple(each for each in missing if each in erased),
        ambiguous=tuple(each for each, states in found.items() if len(states) > 1),
        position=position,
    )


def read_customer(
    connection: Connection,
    identifier: str,
    project_id: str | None,
    by_source_id: bool,
    moment: PointInTime,
) -> CustomerState:
    """Read the state that `find_customer` returns, within a snapshot."""
    keys = find_keys(connection, identifier, project_id, by_source_id)
    found = [state for key in keys if (state := state_at(connection, key, moment)) is not None]
    if by_source_id:
        found = _meant_by_source_id(found, identifier)
    return require_one(found, identifier, project_id, moment)


def read_customers(
    connection: Connection, identifiers: Sequence[str]
) -> tuple[dict[str, list[CustomerState]], int]:
    """Read by id the states of all customers with it, and the position that they reflect."""
    ids = [each for each in identifiers if id_problem(each) is None]
    rows = {each.name: table_rows.load_by_ids(connection, each, ids) for each in PROJECTIONS}
    doubtful = dead_letters.customers_with_any(connection, _NAMES, ids)
    position = checkpoints.least_position(connection, PROJECTIONS)
    day = NOW.day()
    states = []
    for key in sorted(doubtful.union(*rows.values())):
        own_rows = {name: each.get(key, ()) for name, each in rows.items()}
        state = state_from_rows(
            key, rows=own_rows, complete=key not in doubtful, position=position, day=day
        )
        if state is not None:
            states.append(state)
    return by_id(states), position


def by_id(states: Iterable[CustomerState]) -> dict[str, list[CustomerState]]:
    """Group states by the id of the customer."""
    grouped: dict[str, list[CustomerState]] = {}
    for each in states:
        grouped.setdefault(each.customer_id, []).append(each)
    return grouped


def require_one(
    found: Sequence[Found], identifier: str, project_id: str | None, moment: PointInTime = NOW
) -> Found:
    """Return the only customer found; raises CustomerNotFound or CustomerAmbiguous."""
    if not found:
        where = f" in project {project_id!r}" if project_id is not None else ""
        raise CustomerNotFound(identifier=identifier, where=f"{where}{moment}")
    if len(found) > 1:
        candidates = ", ".join(f"{each.customer_id} in {each.project_id}" for each in found)
        raise CustomerAmbiguous(identifier=identifier, candidates=candidates)
    return found[0]


def find_key(
    connection: Connection,
    identifier: str,
    project_id: str | None,
    by_source_id: bool,
    moment: PointInTime = NOW,
) -> CustomerKey:
    """Find the key of the customer that `find_customer` finds by an id or a source_id.

    No state is read if there is only one candidate, who may then be unknown at the moment. Raises
    CustomerNotFound or CustomerAmbiguous.
    """
    keys = find_keys(connection, identifier, project_id, by_source_id)
    if len(keys) == 1:
        return keys[0]
    found = read_customer(connection, identifier, project_id, by_source_id, moment)
    return CustomerKey(found.project_id, found.customer_id)


def find_keys(
    connection: Connection, identifier: str, project_id: str | None, by_source_id: bool
) -> list[CustomerKey]:
    """Find the keys of all customers who have an id or a source_id, whatever the moment."""
    if id_problem(identifier):
        # Such a text cannot be a parameter of a SQL statement.
        return []
    look_up = customers.by_source_id if by_source_id else customers.by_customer_id
    return [key for key in look_up(connection, identifier) if project_id in (None, key.project_id)]


def state_at(connection: Connection, key: CustomerKey, moment: PointInTime) -> CustomerState | None:
    """Read a customer's state at a moment; None if nothing was known of the customer then."""
    return _now(connection, key) if moment.is_now else _then(connection, key, moment)


def events_at(
    connection: Connection, key: CustomerKey, moment: PointInTime
) -> tuple[int, Iterator[RecordedEvent]]:
    """Read the log's end at a moment, and the customer's events until then in canonical order."""
    until = log_end(connection, moment)
    return until, log.read_customer(connection, key, until=until, as_of=moment.as_of)


def log_end(connection: Connection, moment: PointInTime) -> int:
    """Return the last position that counts; raises PositionUnknown if it is not in the log."""
    head = log.head(connection)
    until = head if moment.at_position is None else moment.at_position
    if not 0 <= until <= head:
        raise PositionUnknown(position=until, head=head)
    return until


def _now(connection: Connection, key: CustomerKey) -> CustomerState | None:
    return state_from_rows(
        key,
        rows={each.name: table_rows.load_one(connection, each, key) for each in PROJECTIONS},
        complete=not dead_letters.has_any(connection, _NAMES, *key),
        position=checkpoints.least_position(connection, PROJECTIONS),
        day=NOW.day(),
    )


def _then(connection: Connection, key: CustomerKey, moment: PointInTime) -> CustomerState | None:
    until = log_end(connection, moment)
    states = past.states_at(connection, PROJECTIONS, key, until=until, as_of=moment.as_of)
    return state_from_rows(
        key,
        rows={each.name: each.to_rows(states[each.name].state) for each in PROJECTIONS},
        complete=all(each.complete for each in states.values()),
        position=until,
        day=moment.day(),
    )


def _meant_by_source_id(found: Sequence[CustomerState], source_id: str) -> list[CustomerState]:
    """Select, per project, the customers that a source_id means at a moment.

    `found` are the states at that moment of all customers who have the source_id today. Customers
    who had it at that moment come before those who had another one then; among these, customers
    who were not deleted come before deleted ones; of several deleted ones the last deleted counts.
    """
    had_it = {each.project_id for each in found if each.source_id == source_id}
    found = [each for each in found if each.source_id == source_id or each.project_id not in had_it]
    live = [each for each in found if each.deleted_at is None]
    with_live = {each.project_id for each in live}
    deleted = [each for each in found if each.project_id not in with_live and each.deleted_at]
    deleted.sort(key=lambda each: (each.deleted_at, each.customer_id))
    return [*live, *{each.project_id: each for each in deleted}.values()]
