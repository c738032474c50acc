"""From a body to a fact. PURE.

Where upcasters come in, once a fact has a second version: here and nowhere else, so that folds know
only the newest one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import msgspec
from msgspec import Raw, Struct

from projector.envelope import Envelope
from projector.facts.events import FACTS, CustomerFact
from projector.text.jsontext import is_object

#: Postgres keeps no NUL in text, so no fact has one; JSON can write it in this way only.
_ESCAPED_NUL = "\\u0000"


class Undecodable(ValueError):
    """An event of a type that we read does not state its fact: it becomes a dead letter."""


class _Nested(Struct, gc=False):
    data: Raw = Raw(b"null")


#: A fact as JSON, without what nobody reads; `DECODE_ENCODED` has the inverse.
encode: Callable[[CustomerFact], bytes] = msgspec.json.Encoder().encode

_nested = msgspec.json.Decoder(_Nested)

_Decoders = dict[type[CustomerFact], msgspec.json.Decoder[Any]]

#: Decoders of the facts by themselves.
_BARE: _Decoders = {fact_type: msgspec.json.Decoder(fact_type) for fact_type in FACTS.values()}

#: By the type of the event: from what `encode` made of a fact to the fact.
DECODE_ENCODED: dict[str, Callable[[bytes], CustomerFact]] = {
    type_: _BARE[fact_type].decode for type_, fact_type in FACTS.items()
}

#: Decoders of bodies that hold the fact in `data`: one pass over the body.
_ENVELOPED: _Decoders = {
    fact_type: msgspec.json.Decoder(msgspec.defstruct("Body", [("data", fact_type)]))
    for fact_type in FACTS.values()
}


def decode(event: Envelope) -> CustomerFact | None:
    """The fact that an event states; None for the types that nobody reads.

    Raises Undecodable, with a sentence, where the body does not hold what its type promises.
    """
    return decode_body(event.type, event.source, event.body, is_nameless=event.customer_id is None)


def decode_body(type_: str, source: str, body: str, *, is_nameless: bool) -> CustomerFact | None:
    """As `decode`, of an event's parts; it is nameless where it names no customer."""
    fact_type = FACTS.get(type_)
    if fact_type is None:
        return None
    if is_nameless:
        raise Undecodable("The event names no customer.")
    try:
        fact = _decode_as(fact_type, source, body)
    except (ValueError, RecursionError) as error:
        # Paths begin at the data, wherever the shape has them: one event, one reason.
        reason = str(error).replace("`$.data", "`$")
        raise Undecodable(f"The data do not state a {type_}: {reason}.") from None
    # One character is found ten times as fast as six, and few bodies have it.
    if "\\" in body and _ESCAPED_NUL in body:
        _refuse_nul(fact)
    return fact


def same_facts(one: Envelope, other: Envelope) -> bool:
    """Whether two deliveries of one event say the same, as far as it is read."""
    if one.body == other.body and one.source == other.source:
        return _envelope_facts(one) == _envelope_facts(other)
    return _comparable(one) == _comparable(other)


def _envelope_facts(event: Envelope) -> tuple[object, ...]:
    return event.type, event.occurred_at, event.customer_id


def _comparable(event: Envelope) -> tuple[object, ...]:
    try:
        fact = decode(event)
    except Undecodable as error:
        return *_envelope_facts(event), str(error)
    if fact is None:
        # Nobody reads the customer of such an event, and not every shape tells it.
        return event.type, event.occurred_at
    return *_envelope_facts(event), fact


def _decode_as(fact_type: type[CustomerFact], source: str, body: str) -> CustomerFact:
    fact: CustomerFact
    if source == "bare":
        fact = _BARE[fact_type].decode(body)
    elif source == "activity":
        outer = _nested.decode(body).data
        inner = _nested.decode(outer).data
        fact = _BARE[fact_type].decode(inner if is_object(inner) else outer)
    else:
        fact = _ENVELOPED[fact_type].decode(body).data
    return fact


def _refuse_nul(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise Undecodable("A text in the event holds a NUL character.")
    elif attrs.has(type(value)):
        # A JSON part that is kept as text has no NUL in it, only its escape.
        for attribute in attrs.fields(type(value)):
            _refuse_nul(getattr(value, attribute.name))
