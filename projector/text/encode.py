"""Converts values to JSON types: attrs classes to objects, instants to text. PURE."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from projector.text.instants import to_text


def as_json(value: Any) -> Any:
    """Convert a value to JSON types: classes to objects in field order, instants to text.

    The key omits the trailing underscore of a field's name that would be a keyword (`not_`).
    """
    kind = type(value)
    write = _ENCODERS.get(kind)
    if write is None:
        write = _ENCODERS[kind] = _encoder(kind)
    return write(value)


def _unchanged(value: Any) -> Any:
    return value


def _encoder(kind: type[Any]) -> Callable[[Any], Any]:
    """Make the encoder of a type, which is cached: an answer has many values of few types."""
    names = _field_names(kind)
    if names is not None:
        keys = [name.removesuffix("_") for name in names]
        # attrgetter returns a tuple only for two names or more: the first one is read twice.
        read = attrgetter(*names, names[0]) if names else lambda _value: ()
        return lambda value: {
            key: part if type(part) in _UNCHANGED else as_json(part)
            for key, part in zip(keys, read(value), strict=False)
        }
    bases = (base for base in kind.__mro__ if base in _ENCODERS)
    return _ENCODERS[next(bases, object)]


#: The types of most values of fields, for which no function is called.
_UNCHANGED = frozenset({str, int, bool, type(None)})


def _field_names(kind: type[Any]) -> list[str] | None:
    """List the fields of an attrs class or a Struct; None for other types."""
    if hasattr(kind, "__attrs_attrs__"):
        return [field.name for field in kind.__attrs_attrs__]
    return list(kind.__struct_fields__) if hasattr(kind, "__struct_fields__") else None


_ENCODERS: dict[type[Any], Callable[[Any], Any]] = {
    object: _unchanged,
    datetime: to_text,
    date: date.isoformat,
    # Bytes are values that could not be decoded as text; JSON has no type for them.
    bytes: repr,
    list: lambda values: [as_json(value) for value in values],
    tuple: lambda values: [as_json(value) for value in values],
    dict: lambda values: {key: as_json(value) for key, value in values.items()},
}
