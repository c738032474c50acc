"""Decodes the body of an event to its fact. PURE.

Once a fact has a second version, its upcasters belong here and nowhere else: folds know only the
newest version.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any

import attrs
import msgspec
from msgspec import Raw, Struct

from projector.envelope import Envelope, Shape
from projector.facts import sendings
from projector.facts.events import (
    Customer,
    CustomerFact,
    DecodedFact,
    UndecodableFact,
    UnreadableCustomer,
)
from projector.facts.leniency import mend
from projector.facts.registry import OWN_FACTS, class_of
from projector.text import surrogates
from projector.text.jsontext import is_object

#: The only way to write a NUL in JSON. Facts with a NUL are refused, because Postgres cannot store
#: it in text.
_ESCAPED_NUL = "\\u0000"


class _Nested(Struct, gc=False):
    data: Raw = Raw(b"null")


_encode = msgspec.json.Encoder().encode
_nested = msgspec.json.Decoder(_Nested)
#: The encoded form of an event of which a part cannot be decoded: the readable part, why the
#: customer object is unreadable, and why the fact is undecodable.
_parts = msgspec.json.Decoder(tuple[Raw, str | None, str | None])
_keys = msgspec.json.Decoder(dict[str, Raw])


#: A function that decodes JSON.
_Decode = Callable[[Any], Any]


class _BareDecoders(dict[type[CustomerFact], _Decode]):
    """The decoders of bare facts by class, each made on first use."""

    def __missing__(self, fact_type: type[CustomerFact]) -> _Decode:
        """Make the decoder for a class of facts."""
        decode = self[fact_type] = msgspec.json.Decoder(fact_type).decode
        return decode


class _EnvelopedDecoders(dict[type[CustomerFact], _Decode]):
    """The decoders of bodies with the fact in `data`, by its class: one pass over the body."""

    def __missing__(self, fact_type: type[CustomerFact]) -> _Decode:
        """Make the decoder for bodies with a class of facts."""
        body = msgspec.defstruct("Body", [("data", fact_type)])
        decode = self[fact_type] = msgspec.json.Decoder(body).decode
        return decode


class _EncodedDecoders(dict[str, _Decode]):
    """The decoders of encoded facts by event type; only of the known types, which are few."""

    def __missing__(self, type_: str) -> _Decode:
        """Return the decoder of an event type."""
        fact_type = class_of(type_) or CustomerFact
        decode = _bare[fact_type]
        return decode if fact_type is CustomerFact else self.setdefault(type_, decode)


_bare = _BareDecoders()
_enveloped = _EnvelopedDecoders()
_encoded = _EncodedDecoders()

#: The shapes whose facts are not in `data`, or may be one level deeper. As plain text: to compare
#: with the members themselves takes a tenth of the time of decoding a body.
_NOT_ENVELOPED = frozenset({Shape.BARE.value, Shape.ACTIVITY.value})


def decode(event: Envelope) -> DecodedFact | None:
    """Decode the fact that an event states.

    None if no projection can read it: an event that this program wrote itself, or one of a type
    that is not in the vocabulary and about no customer.
    """
    return decode_body(event.type, event.source, event.body, is_nameless=event.customer_id is None)


def decode_body(type_: str, source: str, body: str, *, is_nameless: bool) -> DecodedFact | None:
    """Decode as `decode` does, from the parts of an event.

    `is_nameless` means that the event has no customer.
    """
    fact_type = class_of(type_)
    if fact_type is None or (is_nameless and fact_type is CustomerFact):
        return None
    if is_nameless:
        return UndecodableFact(fact_type, "The event names no customer.", None)
    fact: CustomerFact
    try:
        if source in _NOT_ENVELOPED:
            fact = _bare[fact_type](_data(source, body))
        else:
            fact = _enveloped[fact_type](body).data
    except (ValueError, RecursionError):
        return _decode_parts(fact_type, type_, source, body)
    # The backslash first: searching for one character takes a tenth of the time of searching for
    # six, and few bodies have one.
    if "\\" in body and _ESCAPED_NUL in body and _has_nul(fact):
        return _decode_parts(fact_type, type_, source, body)
    return fact


def encode(fact: DecodedFact) -> bytes:
    """Encode what an event states as JSON, without the parts of the body that no fold reads."""
    if isinstance(fact, UndecodableFact):
        customer_problem, readable = _without_unreadable_customer(fact.readable)
        return _encode([readable, customer_problem, fact.reason])
    if isinstance(fact.customer, UnreadableCustomer):
        customer_problem, readable = _without_unreadable_customer(fact)
        return _encode([readable, customer_problem, None])
    return _encode(fact)


def decode_encoded(type_: str, encoded: bytes) -> DecodedFact:
    """Decode what `encode` encoded of an event of type `type_`."""
    if not encoded.startswith(b"["):
        fact: CustomerFact = _encoded[type_](encoded)
        return fact
    fact_type = class_of(type_) or CustomerFact
    raw, customer_problem, problem = _parts.decode(encoded)
    readable_type = fact_type if problem is None else CustomerFact
    readable: CustomerFact | None = None
    if is_object(raw):
        readable = _bare[readable_type](raw)
    if readable is not None and customer_problem is not None:
        customer = UnreadableCustomer(reason=customer_problem)
        readable = attrs.evolve(readable, customer=customer)
    if problem is not None:
        return UndecodableFact(fact_type, problem, readable)
    assert readable is not None, "only an undecodable fact has no readable part"  # noqa: S101
    return readable


def _without_unreadable_customer(
    fact: CustomerFact | None,
) -> tuple[str | None, CustomerFact | None]:
    """Return why the customer object is unreadable, and the fact without it."""
    if fact is None or not isinstance(fact.customer, UnreadableCustomer):
        return None, fact
    return fact.customer.reason, attrs.evolve(fact, customer=None)


def same_facts(delivery: Envelope, recorded: Envelope) -> bool:
    """Return whether a delivery repeats a recorded event: a duplicate, and not a conflict.

    Duplicates are equal in the facts that this package reads, without the `customer` object: it is
    a snapshot of the moment of the sending. Facts of other packages are not compared. Otherwise the
    outcome of a delivery would depend on the packages that are installed when it arrives.
    """
    if delivery.customer_id not in (None, recorded.customer_id):
        # Only a delivery may lack the customer. If the record lacked it, the event would never be
        # counted for the customer that the delivery names, and nothing would show that.
        return False
    if (delivery.type, delivery.occurred_at) != (recorded.type, recorded.occurred_at):
        return False
    if delivery.body == recorded.body and delivery.source == recorded.source:
        return True
    return _comparable(delivery) == _comparable(recorded)


def _comparable(event: Envelope) -> object:
    """Return the facts of an event without its customer, for comparison."""
    if event.type == sendings.TYPE:
        return sendings.offer(event.body)
    if event.type not in OWN_FACTS:
        return None
    fact = decode_body(event.type, event.source, event.body, is_nameless=False)
    if isinstance(fact, UndecodableFact):
        return fact.reason
    return fact and _without_customer(event.type)(fact)


@cache
def _without_customer(type_: str) -> Callable[[CustomerFact], object]:
    """Return the reader of the fields of a type's fact but for the customer."""
    names = [field.name for field in attrs.fields(OWN_FACTS[type_]) if field.name != "customer"]
    # At least one name: a fact may have no field of its own.
    return attrgetter("__class__", *names)


def _data(source: str, body: str) -> str | Raw:
    """Return the part of a body that has the shape of the fact, as JSON text."""
    if source == Shape.BARE:
        return body
    outer = _nested.decode(body).data
    if source != Shape.ACTIVITY or not is_object(outer):
        return outer
    inner = _nested.decode(outer).data
    return inner if is_object(inner) else outer


def _decode_parts(fact_type: type[CustomerFact], type_: str, source: str, body: str) -> DecodedFact:
    """Decode the customer object and the rest of an event separately, as far as each is readable.

    So each projection folds what it can read, and an unreadable part makes a dead letter only
    where it is read. The JSON paths in the reasons begin at the data, wherever the shape has them,
    so that a reason does not depend on the shape in which the event was delivered.
    """
    try:
        parts = _keys.decode(mend(fact_type, _data(source, surrogates.replace(body))))
    except (ValueError, RecursionError):
        parts = {}
    customer = _decode_customer(parts.pop("customer", Raw(b"null")))
    try:
        fact: CustomerFact = _bare[fact_type](_encode(parts))
        if _has_nul(fact):
            raise ValueError("a text in it holds a NUL character")
    except (ValueError, RecursionError) as error:
        reason = f"The data do not state a {type_}: {error}."
        return UndecodableFact(fact_type, reason, CustomerFact(customer=customer))
    return attrs.evolve(fact, customer=customer)


def _decode_customer(raw: Raw) -> Customer | None:
    if not is_object(raw):
        return None
    try:
        fact: CustomerFact = _bare[CustomerFact](b'{"customer":%b}' % bytes(raw))
        if _has_nul(fact):
            raise ValueError("a text in it holds a NUL character")
    except (ValueError, RecursionError) as error:
        return UnreadableCustomer(reason=f"The customer object is unreadable: {error}.")
    return fact.customer


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, tuple | frozenset):
        return any(map(_has_nul, value))
    # A part that is kept as JSON text (Raw) has no NUL in it, only its escape.
    return attrs.has(type(value)) and any(
        _has_nul(getattr(value, attribute.name)) for attribute in attrs.fields(type(value))
    )
