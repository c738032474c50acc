"""Current customer state: the answer to "which segments, which tier, since when, is that so?"."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, bindparam, select

from projector.envelope import CustomerKey, id_problem
from projector.errors import CustomerAmbiguous, CustomerNotFound
from projector.instants import to_text
from projector.projections import customer, loyalty_tier, segment_membership
from projector.store import checkpoints, dead_letters, state, tables
from projector.store.engine import Database

_PROJECTS_OF = (
    select(tables.stream.c.project_id, tables.stream.c.customer_id)
    .where(tables.stream.c.customer_id == bindparam("customer_id"))
    .order_by(tables.stream.c.project_id)
)

_PROJECTIONS = (customer.PROJECTION, segment_membership.PROJECTION, loyalty_tier.PROJECTION)


@frozen(kw_only=True)
class Segment:
    """A membership that holds."""

    segment_id: str
    name: str | None
    entered_at: datetime


@frozen(kw_only=True)
class Tier:
    """The tier that a customer has in a campaign."""

    campaign_id: str
    campaign_name: str | None
    tier_id: str
    name: str | None
    points_from: int | None
    points_to: int | None
    joined_at: datetime | None
    expires_on: date | None
    #: Whether the tier still follows from the evidence.
    certain: bool


@frozen(kw_only=True)
class Answer:
    """A customer's state; the arrays are sorted by id."""

    project_id: str
    customer_id: str
    source_id: str | None
    name: str | None
    email: str | None
    deleted_at: datetime | None
    segments: tuple[Segment, ...]
    tiers: tuple[Tier, ...]
    #: False while an event of the customer could not be folded.
    complete: bool
    #: How many deliveries are proven to be lost.
    gaps: int
    #: The answer reflects every event up to here.
    position: int
    last_event_at: datetime | None


def find_customer(
    database: Database,
    identifier: str,
    *,
    project_id: str | None = None,
    by_source_id: bool = False,
) -> Answer:
    """The state of the customer with this id, or with this source_id, as the tables have it.

    Raises CustomerNotFound; CustomerAmbiguous where several projects have the id, or several
    customers that are not deleted have the source_id.
    """
    where = f" in project {project_id!r}" if project_id is not None else ""
    if id_problem(identifier):
        # The database could not even be asked.
        raise CustomerNotFound(identifier=identifier, where=where)
    with database.reading() as connection:
        keys = (
            _by_source_id(connection, identifier, project_id)
            if by_source_id
            else _by_customer_id(connection, identifier, project_id)
        )
        found = [answer for key in keys if (answer := _answer(connection, key)) is not None]
    if not found:
        raise CustomerNotFound(identifier=identifier, where=where)
    if len(found) > 1:
        candidates = ", ".join(f"{each.customer_id} in {each.project_id}" for each in found)
        raise CustomerAmbiguous(identifier=identifier, candidates=candidates)
    return found[0]


def _by_customer_id(
    connection: Connection, customer_id: str, project_id: str | None
) -> list[CustomerKey]:
    rows = connection.execute(_PROJECTS_OF, {"customer_id": customer_id}).all()
    return [CustomerKey(*row) for row in rows if project_id in (None, row.project_id)]


def _by_source_id(
    connection: Connection, source_id: str, project_id: str | None
) -> list[CustomerKey]:
    """Those that are not deleted; else, in each project, the one that was deleted last."""
    table = tables.state["customer"]
    statement = select(table.c.project_id, table.c.customer_id, table.c.deleted_at).where(
        table.c.source_id == source_id
    )
    if project_id is not None:
        statement = statement.where(table.c.project_id == project_id)
    order = (table.c.project_id, table.c.deleted_at, table.c.customer_id)
    rows = connection.execute(statement.order_by(*order)).all()
    live = [row for row in rows if row.deleted_at is None]
    taken = {row.project_id for row in live}
    last = {row.project_id: row for row in rows if row.project_id not in taken}
    return [CustomerKey(row.project_id, row.customer_id) for row in (*live, *last.values())]


def _answer(connection: Connection, key: CustomerKey) -> Answer | None:
    """The answer for a customer of whom anything is known, all of it in one snapshot."""
    rows = {
        projection.name: state.load_one(connection, projection, key) for projection in _PROJECTIONS
    }
    complete = not dead_letters.concern(connection, *key)
    if complete and not any(rows.values()):
        return None
    marks = checkpoints.read(connection, _PROJECTIONS)
    return answer_from_rows(
        key,
        customers=rows["customer"],
        memberships=rows["segment_membership"],
        tiers=rows["loyalty_tier"],
        complete=complete,
        position=min(mark.position for mark in marks.values()),
    )


def answer_from_rows(
    key: CustomerKey,
    *,
    customers: Sequence[customer.Row],
    memberships: Sequence[segment_membership.Row],
    tiers: Sequence[loyalty_tier.Row],
    complete: bool,
    position: int,
) -> Answer:
    """The answer that the rows of one customer give."""
    who = customers[0] if customers else None
    return Answer(
        project_id=key.project_id,
        customer_id=key.customer_id,
        source_id=who.source_id if who else None,
        name=who.name if who else None,
        email=who.email if who else None,
        deleted_at=who.deleted_at if who else None,
        segments=_segments(memberships),
        tiers=_tiers(tiers),
        complete=complete,
        gaps=sum(row.gaps for row in memberships) + sum(row.gaps for row in tiers),
        position=position,
        last_event_at=who.last_event_at if who else None,
    )


def _segments(rows: Sequence[segment_membership.Row]) -> tuple[Segment, ...]:
    return tuple(
        Segment(segment_id=row.segment_id, name=row.segment_name, entered_at=row.entered_at)
        for row in sorted(rows, key=lambda row: row.segment_id)
        if row.is_member and row.entered_at is not None
    )


def _tiers(rows: Sequence[loyalty_tier.Row]) -> tuple[Tier, ...]:
    return tuple(
        Tier(
            campaign_id=row.campaign_id,
            campaign_name=row.campaign_name,
            tier_id=row.tier_id,
            name=row.tier_name,
            points_from=row.points_from,
            points_to=row.points_to,
            joined_at=row.joined_at,
            expires_on=row.expires_on,
            certain=row.certain,
        )
        for row in sorted(rows, key=lambda row: row.campaign_id)
        if row.tier_id is not None
    )


def as_json(value: Any) -> Any:
    """A value as JSON has it: classes as objects in the order of their fields, instants as text."""
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if hasattr(value, "__attrs_attrs__"):
        return {field.name: as_json(getattr(value, field.name)) for field in value.__attrs_attrs__}
    return value
