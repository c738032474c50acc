"""The answer to "which segments, which tier, since when, is that so?", from rows. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from attrs import frozen

from projector.envelope import CustomerKey
from projector.projections import customer, loyalty_tier, segment_membership
from projector.text.instants import to_text

#: The projections that an answer is made of.
PROJECTIONS = (customer.PROJECTION, segment_membership.PROJECTION, loyalty_tier.PROJECTION)


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


def answer_from_rows(
    key: CustomerKey,
    *,
    rows: Mapping[str, Sequence[Any]],
    complete: bool,
    position: int,
) -> Answer | None:
    """The answer that the rows of one customer give, by projection; None if nothing is known."""
    customers, memberships, tiers = (rows.get(each.name, ()) for each in PROJECTIONS)
    if complete and not (customers or memberships or tiers):
        return None
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
    """A value as JSON has it: classes as objects in the order of their fields, instants as text.

    A field that Python can only name with an underscore at its end (`not_`) is a key without it.
    """
    kind = type(value)
    write = _WRITERS.get(kind)
    if write is None:
        write = _WRITERS[kind] = _writer(kind)
    return write(value)


def _as_it_is(value: Any) -> Any:
    return value


def _writer(kind: type[Any]) -> Callable[[Any], Any]:
    """How values of a type are written: found out once, for an answer has many of few types."""
    if hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__]
        keys = [name.removesuffix("_") for name in names]
        # attrgetter gives no tuple for a single name.
        read = attrgetter(*names, names[0]) if names else lambda _value: ()
        return lambda value: dict(zip(keys, map(as_json, read(value)), strict=False))
    bases = (base for base in kind.__mro__ if base in _WRITERS)
    return _WRITERS[next(bases, object)]


_WRITERS: dict[type[Any], Callable[[Any], Any]] = {
    object: _as_it_is,
    datetime: to_text,
    date: date.isoformat,
    # Only what is no text stays bytes; JSON has but text.
    bytes: repr,
    list: lambda values: [as_json(value) for value in values],
    tuple: lambda values: [as_json(value) for value in values],
    dict: lambda values: {key: as_json(value) for key, value in values.items()},
}
