"""The latest changes of tiers, from the events at the end of the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey, RecordedEvent
from projector.facts import codec
from projector.facts.events import FACTS, Tier, TierJoined, TierLeft, TierMove
from projector.projections import customer
from projector.store import log, table_rows, tier_events
from projector.store.database import Database

#: How many of the last events are looked at.
EVENTS_MAX = 10_000

#: The types of events that may change a tier.
_TYPES = tuple(
    name for name, fact in FACTS.items() if issubclass(fact, TierJoined | TierLeft | TierMove)
)


@frozen(kw_only=True)
class TierChange:
    """A customer who came to a tier, or left one, as the event says."""

    project_id: str
    customer_id: str
    #: The customer's name; None if no event shows one.
    name: str | None
    campaign_id: str
    #: The tier before; None if the event names none.
    before: Tier | None
    #: The tier after; None if the customer left.
    after: Tier | None
    occurred_at: datetime


@frozen(kw_only=True)
class TierMoves:
    """How many customers moved from one tier of a campaign to another."""

    #: By the ids of the tiers before and after; None for no tier, or for one that was not told.
    counts: dict[tuple[str | None, str | None], int]
    #: The instant from which on all moves are counted, so far as they are delivered.
    since: datetime
    #: Whether older events than those that are looked at might belong here.
    is_cut: bool


@frozen(kw_only=True)
class _Move:
    event: RecordedEvent
    campaign_id: str
    before: Tier | None
    after: Tier | None


def latest_changes(database: Database, *, limit: int) -> list[TierChange]:
    """Return the changes that were delivered last, by when they occurred, the latest first."""
    with database.reading_tables() as connection:
        moves = list(_moves(connection, limit=limit))
        keys = [_customer_of(each.event) for each in moves]
        rows = table_rows.load(connection, customer.PROJECTION, dict.fromkeys(keys))
    found = []
    for key, move in zip(keys, moves, strict=True):
        found.append(
            TierChange(
                project_id=key.project_id,
                customer_id=key.customer_id,
                name=next((row.name for row in rows.get(key, ())), None),
                campaign_id=move.campaign_id,
                before=move.before,
                after=move.after,
                occurred_at=move.event.occurred_at,
            )
        )
    return sorted(found, key=lambda each: each.occurred_at, reverse=True)


def moves_since(
    database: Database, campaign_id: str, *, project_id: str, since: datetime
) -> TierMoves:
    """Count the moves between a campaign's tiers since an instant.

    Only the last EVENTS_MAX events are looked at: if they do not reach back to the instant, the
    moves since the first of them are counted.
    """
    with database.reading_tables() as connection:
        first = max(1, log.head(connection) - EVENTS_MAX + 1)
        oldest = log.read_at(connection, [first])
        is_cut = first > 1 and bool(oldest) and oldest[0].received_at > since
        begins = oldest[0].received_at if is_cut else since
        counts = Counter(
            (_id(each.before), _id(each.after))
            for each in _moves(connection, limit=EVENTS_MAX)
            if (each.campaign_id, each.event.project_id) == (campaign_id, project_id)
            and each.event.occurred_at >= begins
        )
    return TierMoves(counts=dict(counts), since=begins, is_cut=is_cut)


def _moves(connection: Connection, *, limit: int) -> Iterator[_Move]:
    """Yield the last moves that can be decoded."""
    after = log.head(connection) - EVENTS_MAX
    for event in tier_events.last(connection, _TYPES, after=after, limit=limit):
        fact = codec.decode(event)
        if not isinstance(fact, TierJoined | TierLeft | TierMove):
            continue
        try:
            campaign_id = fact.campaign_id
        except ValueError:
            # No projection can tell the campaign either: it is a dead letter.
            continue
        came_from, came_to = _tiers(fact)
        yield _Move(event=event, campaign_id=campaign_id, before=came_from, after=came_to)


def _tiers(fact: TierJoined | TierLeft | TierMove) -> tuple[Tier | None, Tier | None]:
    if isinstance(fact, TierMove):
        return fact.loyalty_tier_from, fact.loyalty_tier_to
    if isinstance(fact, TierLeft):
        return fact.loyalty_tier, None
    return None, fact.loyalty_tier


def _id(tier: Tier | None) -> str | None:
    return None if tier is None else tier.id


def _customer_of(event: RecordedEvent) -> CustomerKey:
    return CustomerKey(event.project_id, event.customer_id or "")
