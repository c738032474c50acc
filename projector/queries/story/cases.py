"""Reads the evidence whether a customer was in a segment or on a tier on a day: see `why.case`."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve

from projector.envelope import CustomerKey
from projector.queries.customers import PointInTime
from projector.queries.story.timeline import WHOLE_MAX, count_events, position_of
from projector.queries.why.case import Case, Target, build_case
from projector.store import duplicates, log
from projector.store.database import Database


def find_case(
    database: Database,
    customer: CustomerKey,
    target: Target,
    *,
    as_of: datetime | None,
    at_position: int | None,
) -> Case | None:
    """Return the evidence as of an instant, by what was known at a position.

    None if the customer has more than WHOLE_MAX events. Raises PositionUnknown.
    """
    with database.reading_tables() as connection:
        if count_events(connection, customer) > WHOLE_MAX:
            return None
        until = position_of(connection, PointInTime(at_position=at_position))
        events = log.read_customer(connection, customer, until=until, as_of=None)
        day = PointInTime(as_of=as_of).day()
        case = build_case(target, events, as_of=as_of, day=day)
        repeated = duplicates.find(connection, [each.step.position for each in case.steps])
    return evolve(
        case,
        steps=tuple(
            evolve(each, step=evolve(each.step, duplicates=repeated[each.step.position].count))
            if each.step.position in repeated
            else each
            for each in case.steps
        ),
    )
