"""Generates whole histories and their arrivals, for the laws that hold for any history.

Every fact must be in KINDS.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from projector.envelope import Envelope
from projector.projections import discover
from tests.support import given
from tests.support.given import SHAPES, Delivery, delivery, envelope, envelopes

Build = Callable[..., Delivery]

# Few values each, so that many events concern the same ones.
PROJECTS = st.sampled_from(["proj_1", "proj_1", "proj_1", "proj_2"])
CUSTOMERS = st.sampled_from(["cust_1", "cust_1", "cust_2"])
CAMPAIGNS = st.sampled_from(["camp_1", "camp_1", "camp_2", None])
# The last one is cut within a character, as JavaScript cuts text.
NAMES = st.sampled_from(["", "Ada", "Ädä 😀", None, "Jo \ud83c"])

#: Ids whose byte order differs from the order of their UTF-16 code units and from any collation.
IDS = st.text("aZ1é\uffff😀", min_size=1, max_size=2)

_NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
_MOMENTS = st.sampled_from(
    [
        # The ends of the range, and instants that differ by microseconds only.
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
        *(_NOON + timedelta(microseconds=n) for n in (0, 0, 1, 2, 999, 1000, 1001)),
        *(_NOON + timedelta(hours=n) for n in (-5, -1, 1, 24)),
    ]
)
_OFFSETS = st.sampled_from(
    [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=8))]
)

#: RFC 3339 timestamps, often of the same instant.
TIMES = st.builds(lambda moment, offset: moment.astimezone(offset).isoformat(), _MOMENTS, _OFFSETS)
#: Values of `created_at` keys; one of them is before the year 1 in UTC, which the tables use.
CREATED_AT = TIMES | st.sampled_from(
    [None, None, "0001-01-01T00:00:00+05:45", "2016-12-31T23:59:60Z"]
)
DATES = st.sampled_from(["2025-06-30", "2025-12-31T23:00:00Z", None, "soon"])


def _maybe(**keys: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    """Generate objects that have some of the keys."""
    return st.fixed_dictionaries({}, optional=keys)


SEGMENTS = st.builds(
    lambda segment_id, more: given.segment(segment_id, **more),
    st.sampled_from(["seg_1", "seg_2"]),
    _maybe(name=NAMES),
)
#: The keys of a customer object, except for its id.
ATTRIBUTES = _maybe(
    source_id=NAMES | st.sampled_from([123, 123.0]),
    name=NAMES,
    email=NAMES,
    metadata=st.sampled_from([None, {}, {"b": 1, "a": [1.5, "ü"]}, {"big": 2**70, "nul": "\0"}]),
    created_at=CREATED_AT,
)
_POINTS = st.none() | _maybe(
    **{"from": st.sampled_from([0, 1, 2, 3.0]), "to": st.sampled_from([4, 5.0, 6, None])}
)
TIERS = st.builds(
    lambda tier_id, more: given.tier(tier_id, **more),
    st.sampled_from(["ltr_1", "ltr_2", "ltr_3"]),
    _maybe(
        name=NAMES,
        points=_POINTS,
        config=st.none() | _maybe(points=_POINTS),
        campaign_id=CAMPAIGNS,
        expiration=st.none() | _maybe(expiration_date=DATES),
    ),
)


def _with(build: Build, **arguments: SearchStrategy[Any]) -> SearchStrategy[Build]:
    return st.fixed_dictionaries(arguments).map(lambda drawn: partial(build, **drawn))


def _on_a_tier(build: Build, **more: SearchStrategy[Any]) -> SearchStrategy[Build]:
    return _with(build, which=TIERS, campaign_id=CAMPAIGNS, created_at=CREATED_AT, **more)


_move = {"from_": TIERS | st.none(), "to": TIERS, "campaign_id": CAMPAIGNS}

#: Builders of events, by event type.
KINDS: dict[str, SearchStrategy[Build]] = {
    "customer.created": st.just(given.created),
    "customer.updated": st.just(given.updated),
    "customer.confirmed": st.just(given.confirmed),
    "customer.deleted": st.just(given.deleted),
    "customer.segment.entered": _with(given.entered, segment_id=SEGMENTS),
    "customer.segment.left": _with(given.left, segment_id=SEGMENTS),
    "customer.loyalty.tier.joined": _on_a_tier(given.joined),
    "customer.loyalty.tier.left": _on_a_tier(given.tier_left),
    "customer.loyalty.tier.prolonged": _on_a_tier(given.prolonged),
    "customer.loyalty.tier.expiration.changed": _on_a_tier(
        given.expiration_changed, expiration_date=DATES
    ),
    "customer.loyalty.tier.upgraded": _with(given.upgraded, **_move),
    "customer.loyalty.tier.downgraded": _with(given.downgraded, **_move),
    # Not in the vocabulary.
    "customer.rewarded": st.just(partial(delivery, "customer.rewarded")),
    "projector.segments.observed": st.builds(
        lambda seen, more: (
            lambda customer, **header: given.segments_seen(customer, *seen, **more, **header)
        ),
        st.lists(SEGMENTS, max_size=2),
        _maybe(
            silent=st.lists(st.sampled_from(["seg_1", "seg_2"]), max_size=2),
            scope=st.none() | st.lists(st.sampled_from(["seg_1", "seg_2"]), max_size=2),
        ),
    ),
    "projector.tier.observed": _with(
        given.tier_seen,
        which=st.none() | TIERS,
        campaign_id=st.sampled_from(["camp_1", "camp_1", "camp_2"]),
    ),
    "projector.customer.absent": st.just(given.absent),
}

#: The keys of a customer object that is unreadable.
UNREADABLE_ATTRIBUTES = st.sampled_from([{"name": 7}, {"email": "\0"}, {"created_at": "today"}])

#: Events whose type is in the vocabulary, but whose body does not match the type.
UNREADABLE: SearchStrategy[Build] = st.sampled_from(
    [
        partial(given.joined, which=None),
        partial(given.joined, which="ltr_1", campaign_id=None),
        partial(given.upgraded, from_="ltr_1", to=None),
        partial(given.expiration_changed, which="ltr_1", expiration_date="soon"),
        partial(given.entered, segment_id={"name": "without id"}),
        partial(given.left, segment_id={"id": "seg_1", "name": "\0"}),
        lambda customer, **header: given.segments_seen(customer, {"name": "no id"}, **header),
        lambda customer, **header: given.segments_seen(
            customer, {"id": "seg_1", "name": "\0"}, **header
        ),
        partial(given.tier_seen, which={"id": ""}),
    ]
)

#: The parts of an offer, which make a sending of the webhook of a segment event.
OFFERS: SearchStrategy[dict[str, Any]] = st.just({}) | _maybe(
    campaign=st.sampled_from([{"id": "camp_9"}, None]),
    voucher=st.sampled_from([{"id": "v_1", "code": "A"}, {"code": "B \ud83c"}, None, "A"]),
    publication=st.builds(
        lambda at: {"id": "pub_1", "created_at": at, "customer": {"id": "cust_1"}}, CREATED_AT
    ),
)

#: Events without a customer: one is not in the vocabulary, the other becomes a dead letter.
WITHOUT_CUSTOMER: SearchStrategy[Build] = st.sampled_from(
    [
        partial(delivery, "voucher.created"),
        partial(delivery, "customer.segment.left", segment=given.segment("seg_1")),
    ]
)


@st.composite
def webhooks(draw: st.DrawFn, kinds: Sequence[str] = tuple(KINDS)) -> Delivery:
    """Generate one event; `kinds` limits the types of decodable events."""
    header = {"at": draw(TIMES), "id": draw(IDS), "project_id": draw(PROJECTS)}
    if draw(st.integers(0, 15)) == 15:
        return draw(WITHOUT_CUSTOMER)(None, **header)
    unreadable = draw(st.integers(0, 9)) == 9
    build = draw(UNREADABLE if unreadable else st.sampled_from(kinds).flatmap(KINDS.__getitem__))
    webhook = build(draw(CUSTOMERS), **header)
    attributes = UNREADABLE_ATTRIBUTES if draw(st.integers(0, 15)) == 15 else ATTRIBUTES
    webhook["data"]["customer"].update(draw(attributes))
    if webhook["event"]["type"].startswith("customer.segment."):
        webhook["data"].update(draw(OFFERS))
    return webhook


def histories(
    *, size_max: int = 14, kinds: Sequence[str] = tuple(KINDS)
) -> SearchStrategy[list[Delivery]]:
    """Generate lists of events with distinct identities."""
    # The size is drawn first, because Hypothesis by itself draws mostly short lists.
    return st.integers(1, size_max).flatmap(
        lambda size: st.lists(webhooks(kinds), min_size=size, max_size=size, unique_by=_identity)
    )


def by_customer(history: Sequence[Delivery]) -> list[list[Envelope]]:
    """Group events by customer, each group in canonical order."""
    streams: dict[Any, list[Envelope]] = {}
    for each in sorted(map(envelope, history), key=lambda each: each.key):
        if each.customer_id is not None:
            streams.setdefault((each.project_id, each.customer_id), []).append(each)
    return list(streams.values())


def around(events: Sequence[Envelope]) -> list[datetime]:
    """Return the instants of events, and those one microsecond before and after."""
    steps = [timedelta(microseconds=n) for n in (-1, 0, 1)]
    return sorted({each.occurred_at + step for each in events for step in steps})


def _identity(webhook: Delivery) -> tuple[str, str]:
    return webhook["project_id"], webhook["event"]["id"]


@st.composite
def contradicted(draw: st.DrawFn, history: Sequence[Delivery]) -> list[Delivery]:
    """Add events that reuse the identities of others with different content (conflicts)."""
    reused = draw(st.lists(st.sampled_from(history), min_size=1, max_size=len(history)))
    return [*history, *(_with_identity_of(each, draw(webhooks())) for each in reused)]


def _with_identity_of(known: Delivery, content: Delivery) -> Delivery:
    event = {**content["event"], "id": known["event"]["id"]}
    return {**content, "project_id": known["project_id"], "event": event}


@frozen
class Step:
    """An operation on some projections between two appends."""

    names: Sequence[str]
    #: Whether to rebuild them; if not, they project `batches` batches of `batch_events_max` events.
    rebuild: bool
    batches: int
    batch_events_max: int


@frozen
class Arrival:
    """A batch that is appended, and the steps before the next one."""

    envelopes: Sequence[Envelope]
    steps: Sequence[Step]


STEPS = st.builds(
    Step,
    names=st.lists(st.sampled_from([each.name for each in discover()]), min_size=1, unique=True),
    rebuild=st.integers(0, 5).map(lambda n: n == 5),
    batches=st.integers(1, 3),
    batch_events_max=st.integers(1, 4),
)


@st.composite
def arrivals(draw: st.DrawFn, history: Sequence[Delivery]) -> list[Arrival]:
    """Generate arrivals: any order, duplicates, shapes, batches, and steps between them."""
    duplicates = draw(st.lists(st.sampled_from(history), max_size=len(history)))
    order = draw(st.permutations([*history, *duplicates]))
    read = [envelopes(each, draw(st.sampled_from(SHAPES))) for each in order]
    return _split(draw, [item for items in read for item in items])


def _split(draw: st.DrawFn, envelopes: Sequence[Envelope]) -> list[Arrival]:
    batches: list[Arrival] = []
    while envelopes:
        size = draw(st.integers(1, len(envelopes)))
        steps = draw(st.lists(STEPS, max_size=2))
        batches.append(Arrival(envelopes[:size], steps))
        envelopes = envelopes[size:]
    return batches
