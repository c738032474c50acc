"""Projects `customer`: the present attributes of each customer, one row per customer. PURE."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, Struct
from msgspec.structs import replace

from projector.envelope import CanonicalKey
from projector.facts.events import (
    CustomerCreated,
    CustomerDeleted,
    CustomerFact,
    UnreadableCustomer,
)
from projector.facts.metadata import canonical_json
from projector.facts.observations import (
    CustomerAbsent,
    Observation,
    SegmentsObserved,
    TierObserved,
)
from projector.projections.projection import Identifier, Projection
from projector.text.instants import to_utc
from projector.text.search_keys import search_key


class Row(Struct, frozen=True):
    """A customer, with the attributes that its latest events show."""

    #: The shop's own id; after a deletion another customer may get it.
    source_id: Identifier | None
    name: str | None
    email: str | None
    #: JSON text.
    metadata: str | None
    created_at: datetime | None
    deleted_at: datetime | None
    #: Null for a customer of whom only the source spoke, when it was asked.
    first_event_at: datetime | None
    last_event_at: datetime | None
    event_count: int
    #: The id of the event that last changed the row.
    changed_by: Identifier
    #: The name and the e-mail in the form in which they are searched.
    search_name: Identifier | None
    search_email: Identifier | None
    #: When the source was last asked for all the customer's segments, or for the customer.
    checked_at: datetime | None = None


State = Row | None


def counted(state: State, fact: CustomerFact, key: CanonicalKey) -> Row:
    """Count an event of any type, and copy the attributes that its customer object has.

    Raises ValueError if that object is unreadable.
    """
    row = _known(state, key)
    customer = fact.customer
    if customer is None:
        return _counted(row, key)
    if isinstance(customer, UnreadableCustomer):
        raise ValueError(customer.reason)
    source_id, name, email = customer.source_id, customer.name, customer.email
    metadata, created_at = customer.metadata, customer.created_at
    if name is UNSET:
        name = row.name
    if email is UNSET:
        email = row.email
    return Row(
        row.source_id if source_id is UNSET else source_id,
        name,
        email,
        row.metadata if metadata is UNSET else canonical_json(metadata),
        row.created_at if created_at is UNSET else created_at and to_utc(created_at),
        row.deleted_at,
        row.first_event_at,
        key.occurred_at,
        row.event_count + 1,
        key.event_id,
        row.search_name if name == row.name else search_key(name),
        row.search_email if email == row.email else search_key(email),
        row.checked_at,
    )


def created(state: State, fact: CustomerCreated, key: CanonicalKey) -> Row:
    """Apply a creation: as any event, and clear `deleted_at`."""
    return _with_deletion(counted(state, fact, key), None)


def deleted(state: State, _fact: CustomerDeleted, key: CanonicalKey) -> Row:
    """Apply a deletion: count it, and set only `deleted_at`.

    The attributes are ignored, because the sender mangles the source_id of a deleted customer.
    """
    row = _known(state, key)
    return _with_deletion(_counted(row, key), key.occurred_at)


def checked(state: State, fact: Observation, key: CanonicalKey) -> Row:
    """Record when the source was asked; an observation counts as no event."""
    row = _new(key, first_event_at=None) if state is None else state
    if isinstance(fact, CustomerAbsent) or (
        isinstance(fact, SegmentsObserved) and fact.scope is None
    ):
        return replace(row, checked_at=key.occurred_at)
    return row


def _known(state: State, key: CanonicalKey) -> Row:
    """Return the row of a customer of whom an event is about to be counted."""
    if state is None:
        return _new(key, first_event_at=key.occurred_at)
    if state.first_event_at is None:
        return replace(state, first_event_at=key.occurred_at)
    return state


def _new(key: CanonicalKey, *, first_event_at: datetime | None) -> Row:
    return Row(
        source_id=None,
        name=None,
        email=None,
        metadata=None,
        created_at=None,
        deleted_at=None,
        first_event_at=first_event_at,
        last_event_at=first_event_at,
        event_count=0,
        changed_by=key.event_id,
        search_name=None,
        search_email=None,
    )


def _counted(row: Row, key: CanonicalKey) -> Row:
    return replace(
        row,
        last_event_at=key.occurred_at,
        event_count=row.event_count + 1,
        changed_by=key.event_id,
    )


def _with_deletion(row: Row, deleted_at: datetime | None) -> Row:
    return row if row.deleted_at == deleted_at else replace(row, deleted_at=deleted_at)


def to_rows(state: State) -> list[Row]:
    """Return the customer's row; no row for a customer without events."""
    return [] if state is None else [state]


def from_rows(rows: list[Row]) -> State:
    """Invert `to_rows`."""
    return rows[0] if rows else None


PROJECTION: Projection[State, Row] = Projection(
    name="customer",
    version=4,
    row=Row,
    key=(),
    indexes=(("source_id",), ("search_name",), ("search_email",)),
    initial=None,
    evolvers={
        # Every event of whatever type: a new type of fact does not change what this fold means.
        CustomerFact: counted,
        CustomerCreated: created,
        CustomerDeleted: deleted,
        SegmentsObserved: checked,
        TierObserved: checked,
        CustomerAbsent: checked,
    },
    to_rows=to_rows,
    from_rows=from_rows,
)
