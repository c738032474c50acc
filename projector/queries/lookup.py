"""The states of many customers in one go, from one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import id_problem
from projector.errors import BadNumber
from projector.queries.customer_state import PROJECTIONS, Answer, answer_from_rows
from projector.store import checkpoints, states
from projector.store.database import Database

#: The most ids in one go.
IDS_MAX = 1_000

_NAMES = tuple(each.name for each in PROJECTIONS)


@frozen(kw_only=True)
class Customers:
    """What is known of those who were asked for."""

    #: In the order in which they were asked for.
    customers: tuple[Answer, ...]
    #: The ids that nobody has.
    not_found: tuple[str, ...]
    #: The ids that several projects have.
    ambiguous: tuple[str, ...]
    #: The answers reflect every event up to here.
    position: int


def find_customers(
    database: Database, identifiers: Sequence[str], *, project_id: str | None = None
) -> Customers:
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
    return Customers(
        customers=tuple(answers[0] for answers in found.values() if len(answers) == 1),
        not_found=tuple(each for each, answers in found.items() if not answers),
        ambiguous=tuple(each for each, answers in found.items() if len(answers) > 1),
        position=position,
    )


def read_customers(
    connection: Connection, identifiers: Sequence[str]
) -> tuple[dict[str, list[Answer]], int]:
    """By id: the state of each customer who has it; and the position that the states reflect."""
    ids = [each for each in identifiers if id_problem(each) is None]
    rows = {each.name: states.of_customers(connection, each, ids) for each in PROJECTIONS}
    doubtful = states.concerned(connection, _NAMES, ids)
    marks = checkpoints.read(connection, PROJECTIONS)
    position = min(mark.position for mark in marks.values())
    found: dict[str, list[Answer]] = {}
    for key in sorted(doubtful.union(*rows.values())):
        mine = {name: each.get(key, ()) for name, each in rows.items()}
        answer = answer_from_rows(key, rows=mine, complete=key not in doubtful, position=position)
        if answer is not None:
            found.setdefault(key.customer_id, []).append(answer)
    return found, position
