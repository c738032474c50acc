"""The words that the tests are written in.

    given(
        entered("cust_1", "seg_1", at="2024-03-01T10:00:00Z"),
        left("cust_1", "seg_1", at="2024-03-02T10:00:00Z"),
    ).delivered(times=2, order=reversed).then_rows("segment_membership") == [...]

A delivery is a dict in the shape of a webhook; `in_shape` gives the same event in another one.
`then_rows` goes the pure road, from bytes to rows without a database; `.into(database)` before it
goes the whole one.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from projector.envelope import CustomerKey, DeliveryDefaults, Envelope
from projector.facts.codec import Undecodable, decode
from projector.intake import sources
from projector.projections import discover, named
from projector.projections.projection import Failure, Projection, fold
from projector.queries.customer_state import CustomerState
from projector.queries.customers import find_customer
from projector.runner.runner import BATCH_EVENTS_MAX, catch_up
from projector.store import table_rows
from projector.store.append import Outcome, append
from projector.store.database import Database

Delivery = dict[str, Any]
Json = dict[str, Any]

#: When everything in a test is received: later than all that happened.
RECEIVED_AT = datetime(2025, 1, 1, tzinfo=UTC)


def delivery(
    type: str,
    customer_id: str | None,
    *,
    at: str,
    id: str | None = None,
    project_id: str = "proj_1",
    **data: Any,
) -> Delivery:
    """Any event. `data` is what it says; without an id, the content gives one."""
    data = {"customer": customer_id and {"id": customer_id, "object": "customer"}, **data}
    content = json.dumps([type, project_id, at, data], sort_keys=True)
    return {
        "id": "whs_1",
        "project_id": project_id,
        "created_at": "2024-12-31T23:59:59.999Z",
        "type": "My distribution",
        "source": {"id": "distr_1", "object": "distribution", "target_url": "https://x.test"},
        "event": {
            "id": id or f"evcus_{hashlib.sha256(content.encode()).hexdigest()[:12]}",
            "type": type,
            "created_at": at,
            "group_id": "v-1",
        },
        "data": data,
    }


def _about_a_customer(kind: str) -> Callable[..., Delivery]:
    """`(customer_id, *, at, …, **keys)`, where the keys are those of the customer object."""

    def build(
        customer_id: str, *, at: str, id: str | None = None, project_id: str = "proj_1", **keys: Any
    ) -> Delivery:
        customer = {"id": customer_id, "object": "customer", **keys}
        more: Json = {"id": id, "project_id": project_id, "customer": customer}
        return delivery(f"customer.{kind}", customer_id, at=at, **more)

    return build


def _about_a_segment(kind: str) -> Callable[..., Delivery]:
    """`(customer_id, segment_id, *, at, …)`."""

    def build(customer_id: str, segment_id: str | Json | None, **more: Any) -> Delivery:
        what = segment(segment_id) if isinstance(segment_id, str) else segment_id
        return delivery(f"customer.segment.{kind}", customer_id, segment=what, **more)

    return build


def _about_a_tier(kind: str) -> Callable[..., Delivery]:
    """`(customer_id, tier_id, campaign_id, *, at, …)`; without a campaign the tier may tell it."""

    def build(
        customer_id: str, which: str | Json, campaign_id: str | None = "camp_1", **more: Any
    ) -> Delivery:
        data = {"loyalty_tier": _tier(which), **_campaign(campaign_id), **more}
        return delivery(f"customer.loyalty.tier.{kind}", customer_id, **data)

    return build


def _between_tiers(kind: str) -> Callable[..., Delivery]:
    """`(customer_id, from_tier_id, to_tier_id, campaign_id, *, at, …)`."""

    def build(
        customer_id: str,
        from_: str | Json | None,
        to: str | Json | None,
        campaign_id: str | None = "camp_1",
        **more: Any,
    ) -> Delivery:
        tiers = {"loyalty_tier_from": _tier(from_), "loyalty_tier_to": _tier(to)}
        data = {**tiers, **_campaign(campaign_id), **more}
        return delivery(f"customer.loyalty.tier.{kind}", customer_id, **data)

    return build


def segment(segment_id: str, **more: Any) -> Json:
    """The `segment` object of an event."""
    return {"id": segment_id, "name": f"Segment {segment_id}", "object": "segment", **more}


def tier(tier_id: str, *points: int, **more: Any) -> Json:
    """The `loyalty_tier` object of an event; `points` are from and to."""
    if points:
        more = {"points": dict(zip(("from", "to"), points, strict=False)), **more}
    # When it was defined: nobody may take it for the time of a change.
    defined = "2020-01-01T00:00:00.000Z"
    return {"id": tier_id, "name": f"Tier {tier_id}", "created_at": defined, **more}


def _tier(which: str | Json | None) -> Json | None:
    return tier(which) if isinstance(which, str) else which


def _campaign(campaign_id: str | None) -> Json:
    if campaign_id is None:
        return {}
    return {"campaign": {"id": campaign_id, "name": f"Campaign {campaign_id}"}}


created = _about_a_customer("created")
updated = _about_a_customer("updated")
confirmed = _about_a_customer("confirmed")
deleted = _about_a_customer("deleted")
entered = _about_a_segment("entered")
left = _about_a_segment("left")
joined = _about_a_tier("joined")
tier_left = _about_a_tier("left")
prolonged = _about_a_tier("prolonged")
expiration_changed = _about_a_tier("expiration.changed")
upgraded = _between_tiers("upgraded")
downgraded = _between_tiers("downgraded")


#: The shapes that one event may come in.
SHAPES = ("webhook", "another webhook", "activity", "minimal", "cloudevents")


def in_shape(shape: str, webhook: Delivery) -> Delivery:
    """The same event in one of SHAPES; an entry of the activity does not tell the project."""
    event, data, project_id = webhook["event"], webhook["data"], webhook["project_id"]
    entry = {key: event[key] for key in ("id", "type", "created_at")}
    match shape:
        case "another webhook":
            sending = {"id": "whs_2", "created_at": "2024-12-31T23:59:59.999999Z"}
            source = {"id": "wh_1", "object": "webhook"}
            more = {"voucher": {"id": "v_1"}, **dict(reversed(data.items()))}
            return {**webhook, **sending, "source": source, "data": more}
        case "activity":
            return {**entry, "group_id": "v-1", "data": {"data": data, "event_source": None}}
        case "minimal":
            return {**entry, "project_id": project_id, "data": data}
        case "cloudevents":
            entry["time"] = entry.pop("created_at")
            return {
                "specversion": "1.0",
                "source": f"//shop.test/{project_id}",
                **entry,
                "data": data,
            }
    return webhook


def envelope(webhook: Delivery, shape: str = "webhook") -> Envelope:
    """What a delivery becomes when it comes in a shape."""
    body = json.dumps(in_shape(shape, webhook)).encode()
    [item] = sources.read(body, DeliveryDefaults(project_id=webhook["project_id"]))
    assert isinstance(item, Envelope), item
    return item


def given(*webhooks: Delivery) -> "Events":
    """Begin a sentence: these events happened."""
    return Events(webhooks)


@frozen
class Events:
    """What happened, and how it may arrive."""

    webhooks: Sequence[Delivery]

    def delivered(
        self,
        *,
        times: int = 1,
        order: Callable[[Sequence[Delivery]], Iterable[Delivery]] = iter,
        shape: str = "webhook",
    ) -> "Delivered":
        """All of them arrive in an order, in a shape, and once more for each time."""
        return Delivered([envelope(each, shape) for each in order(self.webhooks)] * times)

    def then_rows(self, projection: str, **which: str) -> list[Any]:
        """As if all arrived once and in order."""
        return self.delivered().then_rows(projection, **which)


@frozen
class Delivered:
    """What arrived, in this order."""

    envelopes: Sequence[Envelope]

    def then_rows(
        self, projection: str, *, customer_id: str = "cust_1", project_id: str = "proj_1"
    ) -> list[Any]:
        """A customer's rows by the pure road: read, decode, sort, fold."""
        mine = [each for each in self.envelopes if each.project_id == project_id]
        return folded(projection, [each for each in mine if each.customer_id == customer_id])[0]

    def into(self, database: Database, *, batch_events_max: int = BATCH_EVENTS_MAX) -> "Stored":
        """Append them one by one, each projected before the next one comes."""
        outcomes = []
        for each in self.envelopes:
            receipts = append(database, [each], received_at=RECEIVED_AT)
            outcomes += [receipt.outcome for receipt in receipts]
            catch_up(database, named([]), batch_events_max=batch_events_max)
        return Stored(database, outcomes)


def append_webhooks(
    database: Database, *webhooks: Delivery, received_at: datetime = RECEIVED_AT
) -> None:
    """Append one batch without projecting it."""
    append(database, [envelope(each) for each in webhooks], received_at=received_at)


def append_and_project(
    database: Database,
    *webhooks: Delivery,
    received_at: datetime = RECEIVED_AT,
    projections: Sequence[Projection] = discover(),
) -> None:
    """Append one batch and bring the projections up to the head."""
    append_webhooks(database, *webhooks, received_at=received_at)
    catch_up(database, projections)


@frozen
class Stored:
    """What a database has taken in."""

    database: Database
    outcomes: list[Outcome]

    def then_rows(
        self, projection: str, *, customer_id: str = "cust_1", project_id: str = "proj_1"
    ) -> list[Any]:
        """A customer's rows as they are in the table."""
        key = CustomerKey(project_id, customer_id)
        with self.database.reading() as connection:
            return list(table_rows.load(connection, named([projection])[0], [key]).get(key, []))

    def then_answer(self, customer_id: str = "cust_1") -> CustomerState:
        """What is said of a customer."""
        return find_customer(self.database, customer_id)


def folded(projection: str, envelopes: Iterable[Envelope]) -> tuple[list[Any], list[Failure]]:
    """One customer's rows, in the order of their keys, and the facts that the fold refused."""
    [which] = named([projection])
    distinct = {(each.project_id, each.event_id): each for each in reversed([*envelopes])}
    facts = []
    for position, each in enumerate(sorted(distinct.values(), key=lambda each: each.key), 1):
        try:
            fact = decode(each)
        except Undecodable:
            continue
        if fact is not None:
            facts.append((each.key, fact, position))
    [result], failures = fold([which], [which.initial], facts)
    rows = which.to_rows(result)
    return sorted(rows, key=lambda row: [getattr(row, name) for name in which.key]), failures
