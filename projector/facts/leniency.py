"""Mends JSON that states a fact in a way that the strict decoder refuses. PURE.

JSON can write one value in several ways, and programs between the sender and the log rewrite it:

- a whole number as `100.0` or `1e2`, because some JSON writers make every number a double,
- the shop's own id of a customer as a number,
- a leap second (`23:59:60Z`),
- half a character (a lone surrogate), where JavaScript cut a name; U+FFFD takes its place.

The body in the log stays as it came. Mending is the second attempt, after the strict decoder has
failed: nearly all facts cost nothing more. It follows the types of the fact's fields, so that JSON
in parts that are kept as text (metadata) is not rewritten, but for lone surrogates.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import attrs
import msgspec
from msgspec import Raw

from projector.facts.events import SourceId
from projector.text.instants import before_leap_second

#: The longest number that is converted, in characters: arithmetic on longer ones takes long.
_NUMBER_CHARACTERS_MAX = 400

_NUMBER = re.compile(rb"-?\d[\d.eE+-]*+")

_object = msgspec.json.Decoder(dict[str, Raw])


def mend(fact_type: type[Any], facts: str | Raw) -> bytes:
    """Return JSON facts with the values of a fact's fields written as its decoder expects them.

    Whatever cannot be mended stays as it is, for the decoder to refuse. Raises ValueError or
    RecursionError if the text is not JSON.
    """
    return bytes(_mend_value(fact_type, Raw(facts)))


def _mend_value(type_: Any, value: Raw) -> Raw:
    fields = _fields(type_)
    if fields:
        return _mend_object(fields, value)
    written = bytes(value).strip()
    mended = None
    for kind in _kinds(type_):
        mended = mended or (_MENDERS[kind](written) if kind in _MENDERS else None)
    return value if mended is None else Raw(mended)


def _mend_object(fields: dict[str, Any], value: Raw) -> Raw:
    if not bytes(value).lstrip().startswith(b"{"):
        return value
    parts = _object.decode(value)
    for name in fields.keys() & parts.keys():
        parts[name] = _mend_value(fields[name], parts[name])
    return Raw(msgspec.json.encode(parts))


@cache
def _fields(type_: Any) -> dict[str, Any]:
    """Return the types of the fields of an object, by name; none for other values."""
    for kind in _kinds(type_):
        if attrs.has(kind) or typing.is_typeddict(kind):
            return typing.get_type_hints(kind, include_extras=True)
    return {}


@cache
def _kinds(type_: Any) -> tuple[Any, ...]:
    """Return the alternatives of a type, without their constraints; SourceId stays as it is."""
    if type_ == SourceId:
        return (SourceId,)
    origin = typing.get_origin(type_)
    if origin is typing.Annotated:
        return _kinds(typing.get_args(type_)[0])
    if origin in (types.UnionType, typing.Union):
        return tuple(kind for each in typing.get_args(type_) for kind in _kinds(each))
    return (type_,)


def _whole(written: bytes) -> bytes | None:
    """Write a number that is whole and fits 64 bits as an integer."""
    if not _NUMBER.fullmatch(written) or len(written) > _NUMBER_CHARACTERS_MAX:
        return None
    try:
        number = Decimal(written.decode())
    except InvalidOperation:
        return None
    # The size first: the integer of 1e999999 would have a million digits.
    if number.copy_abs() > 2**63 or number != number.to_integral_value():
        return None
    return str(int(number)).encode()


def _text_of_number(written: bytes) -> bytes | None:
    """Write a whole number as text, as its sender would without the fraction or exponent."""
    whole = written if written.removeprefix(b"-").isdigit() else _whole(written)
    return None if whole is None else b'"%b"' % whole


def _instant(written: bytes) -> bytes | None:
    """Write a leap second as the last microsecond before it."""
    if not written.startswith(b'"'):
        return None
    before = before_leap_second(msgspec.json.decode(written, type=str))
    return None if before is None else msgspec.json.encode(before)


_MENDERS: dict[Any, Callable[[bytes], bytes | None]] = {
    int: _whole,
    datetime: _instant,
    SourceId: _text_of_number,
}
