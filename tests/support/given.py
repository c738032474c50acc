"""Provides the test vocabulary: builders of deliveries, and given/then sentences.

    given(
        entered("cust_1", "seg_1", at="2024-03-01T10:00:00Z"),
        left("cust_1", "seg_1", at="2024-03-02T10:00:00Z"),
    ).delivered(times=2, order=reversed).then_rows("segment_membership") == [...]

A delivery is a dict in the shape of a webhook; `in_shape` converts it to another shape. `then_rows`
runs only the pure functions, from bytes to rows without a database; after `.into(database)` it
reads the rows that were projected in a database.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from projector.envelope import CustomerKey, DeliveryDefaults, Envelope
from projector.facts.codec import decode
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

#: The time of receipt of all deliveries in tests, which is later than all events.
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
    """Build the delivery of any event; the default id is a hash of the content."""
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
    """Return a builder `(customer_id, *, at, …, **keys)` with the keys of the customer object."""

    def build(
        customer_id: str, *, at: str, id: str | None = None, project_id: str = "proj_1", **keys: Any
    ) -> Delivery:
        customer = {"id": customer_id, "object": "customer", **keys}
        more: Json = {"id": id, "project_id": project_id, "customer": customer}
        return delivery(f"customer.{kind}", customer_id, at=at, **more)

    return build


def _about_a_segment(kind: str) -> Callable[..., Delivery]:
    """Return a builder `(customer_id, segment_id, *, at, …)`."""

    def build(customer_id: str, segment_id: str | Json | None, **more: Any) -> Delivery:
        built = segment(segment_id) if isinstance(segment_id, str) else segment_id
        return delivery(f"customer.segment.{kind}", customer_id, segment=built, **more)

    return build


def _about_a_tier(kind: str) -> Callable[..., Delivery]:
    """Return a builder `(customer_id, tier_id, campaign_id, *, at, …)`.

    With None as campaign, the tier may still have a `campaign_id`.
    """

    def build(
        customer_id: str, which: str | Json, campaign_id: str | None = "camp_1", **more: Any
    ) -> Delivery:
        data = {"loyalty_tier": _tier(which), **_campaign(campaign_id), **more}
        return delivery(f"customer.loyalty.tier.{kind}", customer_id, **data)

    return build


def _between_tiers(kind: str) -> Callable[..., Delivery]:
    """Return a builder `(customer_id, from_tier_id, to_tier_id, campaign_id, *, at, …)`."""

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
    """Build the `segment` object of an event."""
    return {"id": segment_id, "name": f"Segment {segment_id}", "object": "segment", **more}


def tier(tier_id: str, *points: int, **more: Any) -> Json:
    """Build the `loyalty_tier` object of an event; `points` are from and to."""
    if points:
        more = {"points": dict(zip(("from", "to"), points, strict=False)), **more}
    # The time at which the tier was defined, which must not be taken for the time of a change.
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


def segments_seen(
    customer_id: str,
    *seen: str | Json,
    silent: Sequence[str] = (),
    scope: Sequence[str] | None = None,
    **more: Any,
) -> Delivery:
    """Build the observation of the segments that a customer was in, at the time `at`."""
    segments = [segment(each) if isinstance(each, str) else each for each in seen]
    data: Json = {"segments": segments, "silent": list(silent), "scope": scope}
    return delivery("projector.segments.observed", customer_id, **data, **more)


def tier_seen(
    customer_id: str, which: str | Json | None, campaign_id: str = "camp_1", **more: Any
) -> Delivery:
    """Build the observation of the tier that a customer was on, or of none, at the time `at`."""
    data = {**_campaign(campaign_id), "loyalty_tier": _tier(which)}
    return delivery("projector.tier.observed", customer_id, **data, **more)


def absent(customer_id: str, **more: Any) -> Delivery:
    """Build the observation that the source did not know a customer, at the time `at`."""
    return delivery("projector.customer.absent", customer_id, **more)


#: The shapes in which an event may be delivered.
SHAPES = ("webhook", "another webhook", "activity", "minimal", "cloudevents")


def in_shape(shape: str, webhook: Delivery) -> Delivery:
    """Convert a delivery to one of SHAPES; an activity entry loses the project."""
    event, data, project_id = webhook["event"], webhook["data"], webhook["project_id"]
    entry = {key: event[key] for key in ("id", "type", "created_at")}
    match shape:
        case "another webhook":
            sending = {"id": "whs_2", "created_at": "2024-12-31T23:59:59.999999Z"}
            source = {"id": "wh_1", "object": "webhook"}
            more = {"referrals": {"total": 0}, **dict(reversed(data.items()))}
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


def envelopes(webhook: Delivery, shape: str = "webhook") -> list[Envelope]:
    """Convert a delivery to a shape, and read its event, and the sending of an offer if any."""
    body = json.dumps(in_shape(shape, webhook)).encode()
    defaults = DeliveryDefaults(project_id=webhook["project_id"])
    items = sources.read(body, defaults, allows_own_types=True)
    read = [item for item in items if isinstance(item, Envelope)]
    assert read == items, items
    return read


def envelope(webhook: Delivery, shape: str = "webhook") -> Envelope:
    """Convert a delivery to a shape, and read the envelope of its event."""
    return envelopes(webhook, shape)[0]


def given(*webhooks: Delivery) -> "Events":
    """Collect the events of a test case."""
    return Events(webhooks)


@frozen
class Events:
    """The events of a test case, before delivery."""

    webhooks: Sequence[Delivery]

    def delivered(
        self,
        *,
        times: int = 1,
        order: Callable[[Sequence[Delivery]], Iterable[Delivery]] = iter,
        shape: str = "webhook",
    ) -> "Delivered":
        """Deliver all events in an order and a shape, repeatedly if `times` is greater than 1."""
        return Delivered(
            [item for each in order(self.webhooks) for item in envelopes(each, shape)] * times
        )

    def then_rows(self, projection: str, **which: str) -> list[Any]:
        """Return a customer's rows after one delivery of all events, in order."""
        return self.delivered().then_rows(projection, **which)


@frozen
class Delivered:
    """The delivered events, in the order of arrival."""

    envelopes: Sequence[Envelope]

    def then_rows(
        self, projection: str, *, customer_id: str = "cust_1", project_id: str = "proj_1"
    ) -> list[Any]:
        """Return a customer's rows, computed without a database: read, decode, sort, fold."""
        stream = [
            each
            for each in self.envelopes
            if (each.project_id, each.customer_id) == (project_id, customer_id)
        ]
        return folded(projection, stream)[0]

    def into(self, database: Database, *, batch_events_max: int = BATCH_EVENTS_MAX) -> "Stored":
        """Append the events one by one, and project each before the next is appended."""
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
    projections: Sequence[Projection] | None = None,
) -> None:
    """Append one batch and bring the projections up to the head."""
    append_webhooks(database, *webhooks, received_at=received_at)
    catch_up(database, discover() if projections is None else projections)


@frozen
class Stored:
    """A database with the delivered events, and their outcomes."""

    database: Database
    outcomes: list[Outcome]

    def then_rows(
        self, projection: str, *, customer_id: str = "cust_1", project_id: str = "proj_1"
    ) -> list[Any]:
        """Load a customer's rows from the table."""
        key = CustomerKey(project_id, customer_id)
        with self.database.reading() as connection:
            return list(table_rows.load(connection, named([projection])[0], [key]).get(key, []))

    def then_answer(self, customer_id: str = "cust_1") -> CustomerState:
        """Query the state of a customer."""
        return find_customer(self.database, customer_id)


def folded(projection: str, envelopes: Iterable[Envelope]) -> tuple[list[Any], list[Failure]]:
    """Fold one customer's events; return the rows, sorted by key, and the failures."""
    [found] = named([projection])
    distinct = {(each.project_id, each.event_id): each for each in reversed([*envelopes])}
    facts = []
    for position, each in enumerate(sorted(distinct.values(), key=lambda each: each.key), 1):
        fact = decode(each)
        if fact is not None:
            facts.append((each.key, fact, position))
    [state], failures = fold([found], [found.initial], facts)
    rows = found.to_rows(state)
    return sorted(rows, key=lambda row: [getattr(row, name) for name in found.key]), failures
