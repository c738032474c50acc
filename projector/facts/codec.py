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
from projector.facts.events import FACTS, CustomerFact
from projector.facts.leniency import mend
from projector.facts.registry import facts
from projector.text import surrogates
from projector.text.jsontext import is_object

#: The only way to write a NUL in JSON. Facts with a NUL are refused, because Postgres cannot store
#: it in text.
_ESCAPED_NUL = "\\u0000"


class Undecodable(ValueError):
    """The body of an event does not match its type; the event becomes a dead letter."""


class _Nested(Struct, gc=False):
    data: Raw = Raw(b"null")


#: The encoder of facts as JSON, without the parts of the body that no fold reads; its inverse is
#: `decode_encoded`.
encode: Callable[[CustomerFact], bytes] = msgspec.json.Encoder().encode

_nested = msgspec.json.Decoder(_Nested)


class _BareDecoders(dict[type[CustomerFact], msgspec.json.Decoder[Any]]):
    """The decoders of bare facts by class, each made on first use."""

    def __missing__(self, fact_type: type[CustomerFact]) -> msgspec.json.Decoder[Any]:
        """Make the decoder for a class of facts."""
        decoder = self[fact_type] = msgspec.json.Decoder(fact_type)
        return decoder


class _EnvelopedDecoders(dict[type[CustomerFact], msgspec.json.Decoder[Any]]):
    """The decoders of bodies with the fact in `data`, by its class: one pass over the body."""

    def __missing__(self, fact_type: type[CustomerFact]) -> msgspec.json.Decoder[Any]:
        """Make the decoder for bodies with a class of facts."""
        body = msgspec.defstruct("Body", [("data", fact_type)])
        decoder = self[fact_type] = msgspec.json.Decoder(body)
        return decoder


_bare = _BareDecoders()
_enveloped = _EnvelopedDecoders()


def decode(event: Envelope) -> CustomerFact | None:
    """Decode the fact that an event states; None if its type is not in the vocabulary.

    Raises Undecodable, with the reason as a sentence, if the body does not match the type or the
    event has no customer.
    """
    return decode_body(event.type, event.source, event.body, is_nameless=event.customer_id is None)


def decode_body(type_: str, source: str, body: str, *, is_nameless: bool) -> CustomerFact | None:
    """Decode as `decode` does, from the parts of an event.

    `is_nameless` means that the event has no customer.
    """
    fact_type = facts().get(type_)
    if fact_type is None:
        return None
    if is_nameless:
        raise Undecodable("The event names no customer.")
    try:
        fact = _decode_as(fact_type, source, body)
    except (ValueError, RecursionError) as error:
        # Make the JSON path start at the data, wherever the shape has them, so that the reason does
        # not depend on the shape in which the event was delivered.
        reason = str(error).replace("`$.data", "`$")
        raise Undecodable(f"The data do not state a {type_}: {reason}.") from None
    # The backslash first: searching for one character takes a tenth of the time of searching for
    # six, and few bodies have one.
    if "\\" in body and _ESCAPED_NUL in body:
        _refuse_nul(fact)
    return fact


def decode_encoded(type_: str, encoded: bytes) -> CustomerFact:
    """Decode the fact of an event of type `type_` from the JSON that `encode` wrote."""
    fact: CustomerFact = _bare[facts()[type_]].decode(encoded)
    return fact


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
    fact_type = FACTS.get(event.type)
    if fact_type is None:
        return None
    try:
        fact = _decode_as(fact_type, event.source, event.body)
    except (ValueError, RecursionError) as error:
        return str(error).replace("`$.data", "`$")
    return _without_customer(event.type)(fact)


@cache
def _without_customer(type_: str) -> Callable[[CustomerFact], object]:
    """Return the reader of the fields of a type's fact but for the customer."""
    names = [field.name for field in attrs.fields(FACTS[type_]) if field.name != "customer"]
    # At least one name: a fact may have no field of its own.
    return attrgetter("__class__", *names)


def _decode_as(fact_type: type[CustomerFact], source: str, body: str) -> CustomerFact:
    try:
        return _decode_strictly(fact_type, source, body)
    except msgspec.DecodeError:
        readable = surrogates.replace(body)
        facts_text = _facts_text(source, readable)
        if facts_text is None:
            # For its error, which must not depend on the place of half a character.
            return _decode_strictly(fact_type, source, readable)
        fact: CustomerFact = _bare[fact_type].decode(mend(fact_type, facts_text))
        return fact


def _decode_strictly(fact_type: type[CustomerFact], source: str, body: str) -> CustomerFact:
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


def _facts_text(source: str, body: str) -> str | None:
    """Return the JSON text of the facts in a body; None if they are no object."""
    if source == Shape.BARE:
        return body
    facts_ = _nested.decode(body).data
    if source == Shape.ACTIVITY and is_object(facts_):
        inner = _nested.decode(facts_).data
        facts_ = inner if is_object(inner) else facts_
    return bytes(facts_).decode() if is_object(facts_) else None


def _refuse_nul(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise Undecodable("A text in the event holds a NUL character.")
    elif attrs.has(type(value)):
        # A part that is kept as JSON text (Raw) has no NUL in it, only its escape.
        for attribute in attrs.fields(type(value)):
            _refuse_nul(getattr(value, attribute.name))
