"""Generates JSON schemas of answers, bodies and parameters from their classes."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import attrs
import msgspec

from projector.projections import loyalty_tier, segment_membership
from projector.projections.projection import Row

#: The row classes that a step of an explanation may hold.
ROWS = (segment_membership.Row, loyalty_tier.Row)

_PREFIX = "#/components/schemas/"

Schema = dict[str, Any]


def components(answers: Iterable[type[Any]], bodies: Iterable[type[Any]]) -> dict[str, Schema]:
    """Return the schemas, by name, of classes and of all classes in their fields."""
    kinds = [*answers, *bodies]
    _, schemas = msgspec.json.schema_components([*kinds, *ROWS], ref_template=_PREFIX + "{name}")
    body_names = {kind.__name__ for kind in bodies}
    classes = {_name(kind): kind for kind in _all_within([*kinds, *ROWS])}
    named = {
        _short(name): {**_renamed(schema), "title": _short(name)}
        for name, schema in schemas.items()
    }
    for name, kind in classes.items():
        _complete(named[name], kind, is_answer=name not in body_names)
    return dict(sorted(named.items()))


def reference(kind: type[Any]) -> Schema:
    """Return a schema that refers to the component of a class."""
    return {"$ref": _PREFIX + _name(kind)}


def parameters(kind: type[Any]) -> list[Schema]:
    """Return the OpenAPI parameters of a query, from the class that it is parsed into."""
    _, schemas = msgspec.json.schema_components([kind], ref_template=_PREFIX + "{name}")
    schema = schemas[kind.__name__]
    required = schema.get("required", ())
    return [
        _parameter(name, property_, is_required=name in required)
        for name, property_ in schema["properties"].items()
    ]


def _parameter(name: str, schema: Schema, *, is_required: bool) -> Schema:
    # Of `T | null` only `T` counts: an omitted parameter is None, and a client cannot send null.
    type_ = next(iter(schema.get("anyOf", (schema,))))
    kept = {key: value for key, value in type_.items() if key not in ("description", "examples")}
    if "default" in schema and schema["default"] is not None:
        kept["default"] = schema["default"]
    parameter = {
        "name": name.removesuffix("_"),
        "in": "query",
        "required": is_required,
        "schema": kept,
    }
    if "description" in type_:
        parameter["description"] = type_["description"]
    return parameter


def _complete(schema: Schema, kind: type[Any], *, is_answer: bool) -> None:
    """Add to a schema what msgspec does not know: how `as_json` writes instants, names and rows."""
    hints = typing.get_type_hints(kind)
    properties = schema["properties"]
    for field in attrs.fields(kind):
        if datetime in (hints[field.name], *typing.get_args(hints[field.name])):
            _mark_instant(properties[field.name])
        if field.type is not None and str(field.type) == f"{Row.__name__} | None":
            either = [*(reference(row) for row in ROWS), {"type": "null"}]
            properties[field.name] = {"anyOf": either}
    schema["properties"] = {name.removesuffix("_"): each for name, each in properties.items()}
    if is_answer:
        # An answer always has every key, even if its value is the default.
        schema["required"] = list(schema["properties"])
        for each in schema["properties"].values():
            each.pop("default", None)


def _mark_instant(schema: Schema) -> None:
    for each in schema.get("anyOf", (schema,)):
        if each.get("type") == "string":
            each["format"] = "date-time"


def _all_within(kinds: Iterable[Any]) -> Iterator[type[Any]]:
    """Yield the attrs classes among types and, recursively, in their fields."""
    waiting, seen = list(kinds), set()
    while waiting:
        kind = waiting.pop()
        waiting += typing.get_args(kind)
        if isinstance(kind, type) and attrs.has(kind) and kind not in seen:
            seen.add(kind)
            yield kind
            waiting += typing.get_type_hints(kind).values()


def _renamed(schema: Schema) -> Schema:
    """Return the schema with short names in its references."""
    text = msgspec.json.encode(schema).decode()
    return msgspec.json.decode(
        re.sub(f'"{_PREFIX}([^"]+)"', lambda match: f'"{_PREFIX}{_short(match[1])}"', text),
        type=Schema,
    )


def _name(kind: type[Any]) -> str:
    return _short(f"{kind.__module__}.Row") if kind in ROWS else kind.__name__


def _short(name: str) -> str:
    """Return a unique short name: `….loyalty_tier.Row` is `LoyaltyTierRow`."""
    *modules, last = name.split(".")
    return "".join(part.capitalize() for part in modules[-1].split("_")) + last if modules else last
