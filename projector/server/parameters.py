"""What requests say beside their path: the parameters of a query, and how they are read."""

from __future__ import annotations

import re
import typing
from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from attrs import frozen
from msgspec import Meta

from projector.envelope import ID_CHARACTERS_MAX, DeliveryDefaults
from projector.intake.defaults import parse_defaults
from projector.server.errors import BadQuery
from projector.text.paging import LIMIT_MAX, Number

#: The longest query, in bytes, and the most parameters in it.
QUERY_BYTES_MAX = 8 * 1024
PARAMETERS_MAX = 20


_NUMBER = re.compile("-?[0-9]{1,100}", re.ASCII)

Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]
#: What an event is filed under; a question may name what no event can have, and finds nothing.
StorableId = Annotated[Id, Meta(extra_json_schema={"pattern": "^[^\\u0000]*$"})]
Project = Annotated[
    Id, Meta(description="The project, where several have that id.", examples=["proj_1"])
]
Instant = Annotated[str, Meta(max_length=100, extra_json_schema={"format": "date-time"})]
AsOf = Annotated[
    Instant,
    Meta(
        description="What was true at this instant (RFC 3339), by all that is known today.",
        examples=["2024-03-10T00:00:00Z"],
    ),
]
Position = Number
AtPosition = Annotated[
    Position, Meta(description="What was known when the log ended here.", examples=[17])
]
MinPosition = Annotated[
    Position,
    Meta(
        description="Wait, for some seconds at the most, until the tables reflect the log up to "
        "here: the position that a delivery was answered with.",
        examples=[1],
    ),
]
Limit = Annotated[
    int, Meta(ge=1, le=LIMIT_MAX, description="The most entries on the page.", examples=[100])
]
EventLimit = Annotated[
    int, Meta(ge=1, le=1_000, description="The most events on the page.", examples=[100])
]
After = Annotated[str, Meta(max_length=2_000, description="The `next` of the page before.")]

LIMIT_DEFAULT = 100


@frozen(kw_only=True)
class ReadParameters:
    """What every question may say."""

    min_position: MinPosition | None = None


@frozen(kw_only=True)
class ProjectParameters(ReadParameters):
    """What a list may say."""

    project: Annotated[Id, Meta(description="Only those of this project.")] | None = None


@frozen(kw_only=True)
class CustomerParameters(ReadParameters):
    """What a question about one customer says."""

    project: Project | None = None
    as_of: AsOf | None = None
    at_position: AtPosition | None = None


@frozen(kw_only=True)
class SourceIdParameters(CustomerParameters):
    """What a search for a customer says."""

    source_id: Annotated[Id, Meta(description="The shop's own id.", examples=["a-tst"])]


@frozen(kw_only=True)
class WhyParameters(CustomerParameters):
    """What is asked: exactly one of `segment`, `campaign` and `not`."""

    segment: Annotated[Id, Meta(description="Every event that concerns this segment.")] | None = (
        None
    )
    campaign: (
        Annotated[Id, Meta(description="Every event that concerns the tier in this campaign.")]
        | None
    ) = None
    not_: (
        Annotated[
            Id,
            Meta(
                description="Which event took this segment or tier away, or that none ever gave it."
            ),
        ]
        | None
    ) = None


@frozen(kw_only=True)
class EventParameters(ReadParameters):
    """Which of a customer's events."""

    project: Project | None = None
    limit: EventLimit = LIMIT_DEFAULT
    after: After | None = None


@frozen(kw_only=True)
class MemberParameters(ProjectParameters):
    """Which members of a segment or of a tier."""

    as_of: AsOf | None = None
    limit: Limit = LIMIT_DEFAULT
    after: After | None = None


@frozen(kw_only=True)
class DeliveryParameters:
    """What deliveries do not say themselves."""

    project: (
        Annotated[StorableId, Meta(description="The project of those that name none.")] | None
    ) = None
    type: (
        Annotated[StorableId, Meta(description="The event type of those that tell none.")] | None
    ) = None
    occurred_at: (
        Annotated[Instant, Meta(description="When those happened that do not tell (RFC 3339).")]
        | None
    ) = None


@frozen(kw_only=True)
class NoParameters:
    """No parameter at all."""


Query = TypeVar("Query")


def read(kind: type[Query], text: bytes) -> Query:
    """The parameters of a query; raises BadQuery for one that is wrong, unknown or there twice."""
    hashable: Any = kind  # as every class is
    found: Query = _read(hashable, text)
    return found


@lru_cache(maxsize=1_000)
def _read(kind: Any, text: bytes) -> Any:
    """Kept, for most queries say nothing or what many say; nobody can change what is kept."""
    if len(text) > QUERY_BYTES_MAX:
        raise BadQuery(reason=f"it is longer than {QUERY_BYTES_MAX} bytes")
    types = _types(kind)
    names = {name.removesuffix("_"): name for name in types}
    values: dict[str, str | int] = {}
    for name, value in _pairs(text):
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise BadQuery(reason=f"{name!r} is no parameter here; there are: {known}")
        if names[name] in values:
            raise BadQuery(reason=f"{name!r} is there twice")
        values[names[name]] = _value(value, types[names[name]])
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise BadQuery(reason=_in_words(error)) from None


@cache
def _types(kind: Any) -> dict[str, Any]:
    """Of each parameter."""
    return typing.get_type_hints(kind)


def _value(text: str, type_: Any) -> str | int:
    """A parameter's value: text as it is, for a project may be called `null` or `1`."""
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
        raise BadQuery(reason=f"more than {PARAMETERS_MAX} parameters, or not UTF-8") from None


def _in_words(error: msgspec.ValidationError) -> str:
    """What does not fit, and where, by the name that the request has for it."""
    return re.sub(r" - at `\$\.(\w+?)_?`", r" - in \1", str(error)).replace("_`", "`")


def delivery_defaults(parameters: DeliveryParameters) -> DeliveryDefaults:
    """Read delivery defaults from parameters; raises BadIdentifier or BadInstant."""
    return parse_defaults(parameters.project, parameters.type, parameters.occurred_at)
