"""Parses the query of a request into a class of `parameters`."""

from __future__ import annotations

import re
import typing
from functools import cache, lru_cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from projector.server.errors import BadQuery

#: The longest query, in bytes, and the most parameters in it.
QUERY_BYTES_MAX = 8 * 1024
PARAMETERS_MAX = 20


_NUMBER = re.compile("-?[0-9]{1,100}", re.ASCII)

Query = TypeVar("Query")


def read(kind: type[Query], text: bytes) -> Query:
    """Parse a query string; raise BadQuery for an invalid, unknown or duplicate parameter."""
    hashable: Any = kind  # as every class is
    query: Query = _read(hashable, text)
    return query


@lru_cache(maxsize=1_000)
def _read(kind: Any, text: bytes) -> Any:
    """Parse a query string, with a cache: most queries are equal, and the results are frozen."""
    if len(text) > QUERY_BYTES_MAX:
        raise BadQuery(reason=f"it is longer than {QUERY_BYTES_MAX} bytes")
    types = _types(kind)
    names = {name.removesuffix("_"): name for name in types}
    values: dict[str, str | int] = {}
    for name, value in _pairs(text):
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise BadQuery(reason=f"unknown parameter {name!r}; known are: {known}")
        if names[name] in values:
            raise BadQuery(reason=f"duplicate parameter {name!r}")
        values[names[name]] = _value(value, types[names[name]])
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise BadQuery(reason=_describe(error)) from None


@cache
def _types(kind: Any) -> dict[str, Any]:
    """Return the type of each parameter, by name."""
    return typing.get_type_hints(kind)


def _value(text: str, type_: Any) -> str | int:
    """Return a value: numbers only where the type has int, since a project may be named `1`."""
    is_number = int in (type_, *typing.get_args(type_)) and _NUMBER.fullmatch(text)
    return int(text) if is_number else text


def _pairs(text: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            text.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=PARAMETERS_MAX,
        )
    except (ValueError, UnicodeError):
        raise BadQuery(
            reason=f"it has more than {PARAMETERS_MAX} parameters, or is not UTF-8"
        ) from None


def _describe(error: msgspec.ValidationError) -> str:
    """Return the reason, with the parameter's name as in the request (`not`, not `not_`)."""
    return re.sub(r" - at `\$\.(\w+?)_?`", r" - in \1", str(error)).replace("_`", "`")
