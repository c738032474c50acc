"""The codec: from the body of an event to its fact. PURE.

Upcasters belong here and nowhere else, once a fact has a second version: folds know only the newest
one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import msgspec
from msgspec import Raw, Struct

from projector.envelope import Envelope, Shape
from projector.facts.events import FACTS, CustomerFact
from projector.facts.registry import facts
from projector.text.jsontext import is_object

#: Postgres keeps no NUL in text, so no fact has one; JSON can write it in this way only.
_ESCAPED_NUL = "\\u0000"


class Undecodable(ValueError):
    """An event does not state the fact that its type promises: it becomes a dead letter."""


class _Nested(Struct, gc=False):
    data: Raw = Raw(b"null")


#: Encodes a fact as JSON, without the parts of the body that no fold reads; `decode_encoded`
#: reverses it.
encode: Callable[[CustomerFact], bytes] = msgspec.json.Encoder().encode

_nested = msgspec.json.Decoder(_Nested)


class _BareDecoders(dict[type[CustomerFact], msgspec.json.Decoder[Any]]):
    """Decoders of facts by themselves, each made when it is first needed."""

    def __missing__(self, fact_type: type[CustomerFact]) -> msgspec.json.Decoder[Any]:
        """Make the decoder of a class of facts."""
        decoder = self[fact_type] = msgspec.json.Decoder(fact_type)
        return decoder


class _EnvelopedDecoders(dict[type[CustomerFact], msgspec.json.Decoder[Any]]):
    """Decoders of bodies that hold the fact in `data`: one pass over the body."""

    def __missing__(self, fact_type: type[CustomerFact]) -> msgspec.json.Decoder[Any]:
        """Make the decoder of bodies with a class of facts."""
        body = msgspec.defstruct("Body", [("data", fact_type)])
        decoder = self[fact_type] = msgspec.json.Decoder(body)
        return decoder


_bare = _BareDecoders()
_enveloped = _EnvelopedDecoders()


def decode(event: Envelope) -> CustomerFact | None:
    """Decode the fact that an event states; None if its type is not in the vocabulary.

    Raises Undecodable, with a sentence, if the body does not hold what its type promises.
    """
    return decode_body(event.type, event.source, event.body, is_nameless=event.customer_id is None)


def decode_body(type_: str, source: str, body: str, *, is_nameless: bool) -> CustomerFact | None:
    """Decode as `decode` does, from an event's parts; nameless means without a customer."""
    fact_type = facts().get(type_)
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
    # Looking for one character takes a tenth of looking for six, and few bodies have it.
    if "\\" in body and _ESCAPED_NUL in body:
        _refuse_nul(fact)
    return fact


def decode_encoded(type_: str, encoded: bytes) -> CustomerFact:
    """Decode a fact of an event type that `encode` encoded."""
    fact: CustomerFact = _bare[facts()[type_]].decode(encoded)
    return fact


def same_facts(one: Envelope, other: Envelope) -> bool:
    """Whether two deliveries of one event are duplicates: equal in all that this package reads.

    Facts of other packages are not compared. Otherwise the outcome of a delivery would depend on
    the packages that are installed when it arrives.
    """
    if one.body == other.body and one.source == other.source:
        return _envelope_facts(one) == _envelope_facts(other)
    return _comparable(one) == _comparable(other)


def _envelope_facts(event: Envelope) -> tuple[object, ...]:
    return event.type, event.occurred_at, event.customer_id


def _comparable(event: Envelope) -> tuple[object, ...]:
    if event.type not in FACTS:
        # No projection reads the customer of such an event, and not every shape has it.
        return event.type, event.occurred_at
    try:
        fact = decode(event)
    except Undecodable as error:
        return *_envelope_facts(event), str(error)
    return *_envelope_facts(event), fact


def _decode_as(fact_type: type[CustomerFact], source: str, body: str) -> CustomerFact:
    fact: CustomerFact
    if source == Shape.BARE:
        fact = _bare[fact_type].decode(body)
    elif source == Shape.ACTIVITY:
        outer = _nested.decode(body).data
        inner = _nested.decode(outer).data
        fact = _bare[fact_type].decode(inner if is_object(inner) else outer)
    else:
        fact = _enveloped[fact_type].decode(body).data
    return fact


def _refuse_nul(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise Undecodable("A text in the event holds a NUL character.")
    elif attrs.has(type(value)):
        # A JSON part that is kept as text has no NUL in it, only its escape.
        for attribute in attrs.fields(type(value)):
            _refuse_nul(getattr(value, attribute.name))
