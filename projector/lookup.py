"""The states of many customers in one go, from one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from projector.answer import PROJECTIONS, Answer, answer_from_rows
from projector.envelope import id_problem
from projector.errors import BadNumber
from projector.store import checkpoints, customers, dead_letters, state
from projector.store.engine import Database

#: The most ids in one go.
IDS_MAX = 1_000


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
        keys = customers.by_customer_ids(
            connection, [each for each in asked if id_problem(each) is None]
        )
        keys = [key for key in keys if project_id in (None, key.project_id)]
        rows = {each.name: state.load(connection, each, keys) for each in PROJECTIONS}
        names = [each.name for each in PROJECTIONS]
        doubtful = set(dead_letters.concerned_among(connection, names, keys))
        marks = checkpoints.read(connection, PROJECTIONS)
    position = min(mark.position for mark in marks.values())
    found: dict[str, list[Answer]] = {}
    for key in keys:
        mine = {name: each.get(key, []) for name, each in rows.items()}
        answer = answer_from_rows(key, rows=mine, complete=key not in doubtful, position=position)
        if answer is not None:
            found.setdefault(key.customer_id, []).append(answer)
    return Customers(
        customers=tuple(found[each][0] for each in asked if len(found.get(each, ())) == 1),
        not_found=tuple(each for each in asked if each not in found),
        ambiguous=tuple(each for each in asked if len(found.get(each, ())) > 1),
        position=position,
    )
