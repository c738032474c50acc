"""Deliveries: from a body to envelopes, to a fact, to rows."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import msgspec
from msgspec import UNSET, Raw, structs
from msgspec.structs import astuple

from projector.envelope import NO_DEFAULTS, DeliveryDefaults, Envelope, Rejected, id_problem
from projector.facts.codec import decode, decode_encoded, encode, same_facts
from projector.facts.events import (
    CustomerFact,
    UndecodableFact,
    UnreadableCustomer,
)
from projector.facts.metadata import canonical_json
from projector.intake import sources
from projector.intake.formats import text_of
from projector.intake.sources import raw_envelope, voucherify, webhook
from projector.intake.sources.header import LEVELS_MAX, Unreadable, read_header
from projector.intake.webhook_secrets import WebhookSecret
from projector.projections import discover
from projector.projections.projection import fold
from projector.server.errors import SignatureWrong
from projector.server.webhooks import verify_and_read
from projector.store import digest
from projector.text import instants, surrogates
from projector.text.jsontext import compact, is_deeper, is_object
from tests.support.http_client import sign

_AT = datetime(2024, 1, 1, tzinfo=UTC)

#: What the caller says of a delivery, by the first letter of an input.
GIVEN = {
    b"n": DeliveryDefaults(),
    b"p": DeliveryDefaults(project_id="proj_1"),
    b"s": DeliveryDefaults(project_id="proj_1", type="customer.segment.entered", occurred_at=_AT),
    b"t": DeliveryDefaults(
        project_id="proj_1", type="customer.loyalty.tier.upgraded", occurred_at=_AT
    ),
    b"c": DeliveryDefaults(project_id="proj_1", type="customer.updated", occurred_at=_AT),
    b"k": DeliveryDefaults(project_id="proj_1", customer_id="cust_1"),
}
_SHAPES = {"webhook", "activity", "minimal", "cloudevents", "bare", "sending"}


def told(data: bytes) -> tuple[DeliveryDefaults, bytes]:
    """What the caller says, and the body."""
    return GIVEN.get(data[:1], GIVEN[b"p"]), data[1:]


def read(data: bytes) -> None:
    """One envelope or one entry of the quarantine for each delivery, with its bytes as they came;
    the same by every road; and a fact, or a sentence why there is none.
    """
    given, body = told(data)
    items = sources.read(body, given)
    arrived = [item for at, item in enumerate(items) if not _was_cut(items, at)]
    kept = [item.body.encode() if isinstance(item, Envelope) else item.body for item in arrived]
    if kept != [body]:
        assert kept == _entries(body)
    for item in items:
        check(item, given)
        if isinstance(item, Envelope):
            _check_filed(item, given)
            check_fact(item)


def _was_cut(items: Sequence[Envelope | Rejected], at: int) -> bool:
    """Whether an item is the sending of the webhook before it."""
    item, before = items[at], items[at - 1]
    if not isinstance(item, Envelope) or not isinstance(before, Envelope):
        return False
    if at == 0 or item.source != "sending" or before.source != "webhook":
        return False
    data = json.loads(item.body, parse_int=_int)["data"]
    assert data["because"]["event_id"] == before.event_id
    assert (item.project_id, item.customer_id) == (before.project_id, before.customer_id)
    sent = facts_of("webhook", json.loads(before.body, parse_int=_int))
    for part in ("campaign", "voucher", "promotion_tier"):
        assert (part in data) == (part in sent)
        assert data.get(part) == sent.get(part)
    return True


def _entries(body: bytes) -> list[bytes]:
    """The entries of a page of activity, as they came."""
    page = msgspec.json.decode(surrogates.mask(body.decode()), type=dict[str, Raw])
    assert json.loads(bytes(page["object"])) == "list"
    entries = [bytes(entry) for entry in msgspec.json.decode(page["data"], type=list[Raw])]
    if not surrogates.has_lone(body.decode()):
        return entries
    return [surrogates.unmask(entry.decode()).encode() for entry in entries]


def check(item: Envelope | Rejected, given: DeliveryDefaults) -> None:
    """An item can be stored on any database."""
    if isinstance(item, Rejected):
        assert item.defaults == given
        assert item.detail.endswith(".")
        storable([item.reason, item.detail])
        assert all(
            each is None or not id_problem(each) for each in (item.project_id, item.event_id)
        )
        return
    ids = (item.project_id, item.event_id, item.type)
    assert not any(map(id_problem, ids))
    assert item.customer_id is None or not id_problem(item.customer_id)
    assert item.occurred_at.tzinfo is UTC
    assert item.source in _SHAPES
    storable([item.body])


def storable(values: Sequence[object]) -> None:
    """Columns can hold values: text without NUL or halves of characters, integers of 64 bits."""
    for value in values:
        if isinstance(value, str):
            assert b"\0" not in value.encode()
        elif isinstance(value, int):
            assert -(2**63) <= value < 2**63
        elif isinstance(value, datetime):
            assert value.tzinfo is UTC


def _check_filed(item: Envelope, given: DeliveryDefaults) -> None:
    """By the quick road or the slow one, and however it is laid out: it is the same event."""
    # Who sent it is not in the body of an offer, which was cut out of a delivery.
    found = sources.read(item.body.encode(), given, allows_own_types=True)[0]
    assert isinstance(found, Envelope)
    assert structs.replace(found, sender=item.sender) == item
    if item.source == "webhook" and webhook.decode(item.body, NO_DEFAULTS) is not None:
        parts = _outline(item.body)
        assert parts is None or parts.event is not None
        if parts is not None:
            assert (
                raw_envelope.to_envelope(
                    voucherify.to_raw_envelope(parts, parts.event, given), item.body, given
                )
                == item
            )
    layouts = [compact(item.body.encode())]
    if not surrogates.has_lone(item.body):
        layouts.append(msgspec.json.format(item.body.encode(), indent=1))
    for again in layouts:
        other = sources.read(again, given, allows_own_types=True)[0]
        assert isinstance(other, Envelope)
        assert structs.replace(other, body=item.body, sender=item.sender) == item
        assert same_facts(item, other)
    _check_filing(item, given, json.loads(item.body, parse_int=_int))


def _outline(text: str) -> Any:
    """None where a number that the quick road steps over is beyond what Python can hold."""
    try:
        return read_header(text)
    except Unreadable:
        return None


def _int(text: str) -> int | str:
    return int(text) if len(text) < 1000 else text


def _float(text: str) -> float | Decimal:
    """A number as Python has it; exactly where it is whole, as a whole number of 64 bits may be."""
    number = Decimal(text)
    return number if abs(number) < 10**20 and number == int(number) else float(text)


def _check_filing(item: Envelope, given: DeliveryDefaults, document: Any) -> None:
    """A plain reader of JSON finds the same six things."""
    event = document["event"] if item.source == "webhook" else document
    if not item.event_id.startswith("sha256:"):
        assert item.event_id == event["id"]
    if item.source != "bare":
        assert item.type == event.get("type") or item.type in (document.get("type"), given.type)
        when = event.get("time" if item.source == "cloudevents" else "created_at")
        assert item.occurred_at == (instants.parse(when) if when else given.occurred_at)
    customer = (facts_of(item.source, document) or {}).get("customer")
    if isinstance(customer, dict) and isinstance(customer.get("id"), str) and customer["id"]:
        assert item.customer_id == customer["id"]


def facts_of(source: str, document: Any) -> Any:
    """Where the facts are in a body."""
    if source == "bare":
        return document
    data = document.get("data")
    inner = data.get("data") if isinstance(data, dict) else None
    if source == "activity" and isinstance(inner, dict):
        return inner
    return data if isinstance(data, dict) else None


def _facts_alone(item: Envelope) -> str:
    """The facts of an event, as they were written."""
    if item.source == "bare":
        return item.body
    outer = _member(Raw(surrogates.replace(item.body).encode()), "data")
    inner = _member(outer, "data") if item.source == "activity" else outer
    # An entry of the activity may have them where a minimal envelope has them.
    return bytes(inner if is_object(inner) else outer).decode()


def _member(facts: Raw, name: str) -> Raw:
    try:
        return msgspec.json.decode(facts, type=dict[str, Raw]).get(name, Raw(b"null"))
    except ValueError:
        return Raw(b"null")


def check_fact(item: Envelope) -> None:
    """A fact is what the body says; it comes back from the disk; folds take it or say why not."""
    fact, reason = _decoded(item)
    # Whatever is around the facts, they are the same.
    alone = structs.replace(item, source="bare", body=_facts_alone(item))
    assert _decoded(alone)[0] == fact
    if reason is not None:
        assert reason.endswith(".")
        storable([reason])
    if fact is None:
        return
    # What is half a character in the body is U+FFFD in the fact.
    document = json.loads(surrogates.replace(item.body), parse_int=_int, parse_float=_float)
    _agrees(fact, facts_of(item.source, document))
    kept = encode(fact)
    again = decode_encoded(item.type, kept)
    assert again == fact
    assert encode(again) == kept
    _check_folds(item, fact, again)


def _decoded(item: Envelope) -> tuple[CustomerFact | None, str | None]:
    fact = decode(item)
    return (None, fact.reason) if isinstance(fact, UndecodableFact) else (fact, None)


def _check_folds(item: Envelope, fact: CustomerFact, again: CustomerFact) -> None:
    projections = discover()
    initial = [each.initial for each in projections]
    facts = [(item.key, fact, 1), (item.key, fact, 2)]
    states, failures = fold(projections, initial, facts)
    assert fold(projections, initial, [(item.key, again, 1), (item.key, again, 2)])[0] == states
    storable([failure.reason for failure in failures])
    for projection, state in zip(projections, states, strict=True):
        rows = projection.to_rows(state)
        assert projection.from_rows(rows) == state
        for row in rows:
            storable(astuple(row))
            digest.of([astuple(row)])


def _agrees(found: Any, document: Any) -> None:
    """What was decoded is what a plain reader of JSON finds under the same names."""
    for field in attrs.fields(type(found)):
        value = getattr(found, field.name)
        if isinstance(value, UnreadableCustomer):
            storable([value.reason])
        elif field.name == "customer" and value is None:
            assert not isinstance((document or {}).get("customer"), dict)
        elif value is UNSET:
            assert field.name not in document
        else:
            _equals(value, document.get(field.name))


def _equals(value: Any, known: Any) -> None:
    if isinstance(value, Raw):
        assert json.loads(bytes(value), parse_int=_int, parse_float=_float) == known
    elif attrs.has(type(value)):
        _agrees(value, known)
    elif isinstance(value, datetime):
        # A leap second is read as the last microsecond before it.
        assert value == msgspec.convert(instants.before_leap_second(known) or known, datetime)
    elif isinstance(value, dict):
        assert all(known[name] == each for name, each in value.items())
    elif isinstance(value, str) and isinstance(known, int | float | Decimal):
        # The shop's own id.
        assert not isinstance(known, bool)
        assert int(value) == known
    else:
        assert value == known, (value, known)


def metadata(data: bytes) -> None:
    """Any JSON in one form: it says the same, and is its own form."""
    try:
        text = data.decode()
        value = msgspec.json.decode(text, type=Raw)
    except (ValueError, RecursionError):
        return
    if is_deeper(text, LEVELS_MAX):
        return
    found = canonical_json(value)
    known = json.loads(data, parse_int=_int)
    if found is None:
        assert known is None
        return
    assert json.loads(found, parse_int=_int) == known
    assert canonical_json(Raw(found.encode())) == found
    assert canonical_json(Raw(compact(data))) == found
    storable([found])


_SECRETS = (
    WebhookSecret(project_id="proj_1", text="one"),
    WebhookSecret(project_id="proj_1", text="two"),
    WebhookSecret(project_id="proj_2", text="three"),
)


def opened(data: bytes) -> None:
    """A signature opens its project and no other; the first letter says who signs what."""
    how, body = data[:1], data[1:]
    text = compact(text_of(body))
    project = "proj_1" if how in b"abc" else None
    secret = {b"a": "one", b"b": "two", b"c": "three"}.get(how, "three")
    try:
        items = verify_and_read(body, sign(text, secret), project, _SECRETS)
    except SignatureWrong:
        named = sources.read(text_of(body), DeliveryDefaults(project_id=project or "proj_2"))
        mine = "proj_1" if secret in ("one", "two") else "proj_2"
        wrong = project not in (None, mine)
        assert wrong or any(item.project_id not in (None, mine) for item in named)
        return
    assert items
    for item in items:
        assert item.project_id in (None, "proj_2" if secret == "three" else "proj_1")
    try:
        verify_and_read(body, sign(text + b"x", secret), project, _SECRETS)
    except SignatureWrong:
        return
    raise AssertionError("it is not signed")
