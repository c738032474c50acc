"""Customer state: as it is now, from the tables, and as it was, from the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from attrs import field, frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey, RecordedEvent, id_problem
from projector.errors import BadNumber, CustomerAmbiguous, CustomerNotFound, PositionUnknown
from projector.queries.customer_state import PROJECTIONS, CustomerState, state_from_rows
from projector.runner.batch import fold_streams
from projector.store import checkpoints, customers, dead_letters, log, table_rows
from projector.store.database import Database
from projector.text.instants import check_instant, to_text


@frozen(kw_only=True)
class PointInTime:
    """A moment to look back from; the default is now, as the tables have it.

    `as_of` asks what was true then, `at_position` what was known then, both of them what was known
    at that position to have been true at that instant.
    """

    #: Events that occurred later do not count.
    as_of: datetime | None = field(default=None)
    #: Events beyond this position of the log do not count.
    at_position: int | None = None

    @as_of.validator
    def _is_placed(self, _attribute: object, value: datetime | None) -> None:
        check_instant(value)

    @property
    def is_now(self) -> bool:
        """Whether all that is known counts."""
        return self.as_of is None and self.at_position is None

    def __str__(self) -> str:
        """The end of a sentence; empty for now."""
        then = "" if self.as_of is None else f" as of {to_text(self.as_of)}"
        return then if self.at_position is None else f"{then} at position {self.at_position}"


#: The most ids in one go.
IDS_MAX = 1_000

NOW = PointInTime()

#: A customer, with or without the state.
Found = TypeVar("Found", CustomerState, CustomerKey)

_NAMES = tuple(each.name for each in PROJECTIONS)


@frozen(kw_only=True)
class CustomerBatch:
    """What is known of those who were asked for."""

    #: In the order in which they were asked for.
    customers: tuple[CustomerState, ...]
    #: The ids that nobody has.
    not_found: tuple[str, ...]
    #: The ids that several projects have.
    ambiguous: tuple[str, ...]
    #: The answers reflect every event up to here.
    position: int


def find_customer(
    database: Database,
    identifier: str,
    *,
    project_id: str | None = None,
    by_source_id: bool = False,
    moment: PointInTime = NOW,
) -> CustomerState:
    """The state of the customer with this id, or with this source_id, now or at a moment.

    A source_id is looked up among those of today. Raises CustomerNotFound; CustomerAmbiguous where
    several projects have the id, or several customers that are not deleted have the source_id;
    PositionUnknown.
    """
    with database.reading_tables() as connection:
        return read_customer(connection, identifier, project_id, by_source_id, moment)


def find_customers(
    database: Database, identifiers: Sequence[str], *, project_id: str | None = None
) -> CustomerBatch:
    """The state of each of the customers with these ids, as query.find_customer tells it.

    An id that is asked for twice is answered once. Raises BadNumber for more than IDS_MAX.
    """
    if len(identifiers) > IDS_MAX:
        raise BadNumber(name="The number of ids", value=len(identifiers), range=f"0 to {IDS_MAX}")
    asked = list(dict.fromkeys(identifiers))
    with database.reading_tables() as connection:
        known, position = read_customers(connection, asked)
    found = {
        each: [answer for answer in known.get(each, ()) if project_id in (None, answer.project_id)]
        for each in asked
    }
    return CustomerBatch(
        customers=tuple(answers[0] for answers in found.values() if len(answers) == 1),
        not_found=tuple(each for each, answers in found.items() if not answers),
        ambiguous=tuple(each for each, answers in found.items() if len(answers) > 1),
        position=position,
    )


def read_customer(
    connection: Connection,
    identifier: str,
    project_id: str | None,
    by_source_id: bool,
    moment: PointInTime,
) -> CustomerState:
    """As find_customer, within a snapshot."""
    keys = find_keys(connection, identifier, project_id, by_source_id)
    found = [answer for key in keys if (answer := state_at(connection, key, moment)) is not None]
    if by_source_id:
        found = _meant_by_source_id(found, identifier)
    return require_one(found, identifier, project_id, moment)


def read_customers(
    connection: Connection, identifiers: Sequence[str]
) -> tuple[dict[str, list[CustomerState]], int]:
    """By id: the state of each customer who has it; and the position that the states reflect."""
    ids = [each for each in identifiers if id_problem(each) is None]
    rows = {each.name: table_rows.load_by_ids(connection, each, ids) for each in PROJECTIONS}
    doubtful = dead_letters.customers_with_any(connection, _NAMES, ids)
    position = checkpoints.least_position(connection, PROJECTIONS)
    found: dict[str, list[CustomerState]] = {}
    for key in sorted(doubtful.union(*rows.values())):
        mine = {name: each.get(key, ()) for name, each in rows.items()}
        answer = state_from_rows(key, rows=mine, complete=key not in doubtful, position=position)
        if answer is not None:
            found.setdefault(key.customer_id, []).append(answer)
    return found, position


def require_one(
    found: Sequence[Found], identifier: str, project_id: str | None, moment: PointInTime = NOW
) -> Found:
    """The one who is meant; raises CustomerNotFound or CustomerAmbiguous for none or several."""
    if not found:
        where = f" in project {project_id!r}" if project_id is not None else ""
        raise CustomerNotFound(identifier=identifier, where=f"{where}{moment}")
    if len(found) > 1:
        each_of_them = ", ".join(f"{each.customer_id} in {each.project_id}" for each in found)
        raise CustomerAmbiguous(identifier=identifier, candidates=each_of_them)
    return found[0]


def find_key(
    connection: Connection,
    identifier: str,
    project_id: str | None,
    by_source_id: bool,
    moment: PointInTime = NOW,
) -> CustomerKey:
    """Find who is meant by an id, or by a source_id, as `find_customer` does.

    Where only one customer may be meant, no state is read. Raises CustomerNotFound or
    CustomerAmbiguous.
    """
    keys = find_keys(connection, identifier, project_id, by_source_id)
    if len(keys) == 1:
        return keys[0]
    found = read_customer(connection, identifier, project_id, by_source_id, moment)
    return CustomerKey(found.project_id, found.customer_id)


def find_keys(
    connection: Connection, identifier: str, project_id: str | None, by_source_id: bool
) -> list[CustomerKey]:
    """Who may be meant, at whatever moment."""
    if id_problem(identifier):
        # The database could not even be asked.
        return []
    look_up = customers.by_source_id if by_source_id else customers.by_customer_id
    return [key for key in look_up(connection, identifier) if project_id in (None, key.project_id)]


def state_at(connection: Connection, key: CustomerKey, moment: PointInTime) -> CustomerState | None:
    """The answer for a customer at a moment; None if nothing was known of it."""
    return _now(connection, key) if moment.is_now else _then(connection, key, moment)


def events_at(
    connection: Connection, key: CustomerKey, moment: PointInTime
) -> tuple[int, Iterator[RecordedEvent]]:
    """The log's end at a moment, and a customer's events that count then, in canonical order."""
    until = log_end(connection, moment)
    return until, log.read_customer(connection, key, until=until, as_of=moment.as_of)


def log_end(connection: Connection, moment: PointInTime) -> int:
    """The last position that counts; raises PositionUnknown for one that is not in the log."""
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
    )


def _then(connection: Connection, key: CustomerKey, moment: PointInTime) -> CustomerState | None:
    until, events = events_at(connection, key, moment)
    changes = dict(zip(PROJECTIONS, fold_streams(PROJECTIONS, events), strict=True))
    return state_from_rows(
        key,
        rows={each.name: change.new.get(key, []) for each, change in changes.items()},
        complete=not any(change.dead_letters for change in changes.values()),
        position=until,
    )


def _meant_by_source_id(found: Sequence[CustomerState], source_id: str) -> list[CustomerState]:
    """Of those that bear a source_id today, in each project: who is meant by it at a moment.

    Who bore it then goes before who had another one then; among these, who is not deleted. Of
    several deleted ones it is the last.
    """
    bore = {each.project_id for each in found if each.source_id == source_id}
    found = [each for each in found if each.source_id == source_id or each.project_id not in bore]
    live = [each for each in found if each.deleted_at is None]
    taken = {each.project_id for each in live}
    gone = [each for each in found if each.project_id not in taken and each.deleted_at]
    gone.sort(key=lambda each: (each.deleted_at, each.customer_id))
    return [*live, *{each.project_id: each for each in gone}.values()]
