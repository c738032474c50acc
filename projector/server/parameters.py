"""Declares and parses query parameters."""

from __future__ import annotations

import re
import typing
from datetime import date
from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from attrs import frozen
from msgspec import Meta

from projector.envelope import ID_CHARACTERS_MAX, DeliveryDefaults
from projector.intake.defaults import parse_defaults
from projector.queries.search import LIMIT_MAX as SEARCH_LIMIT_MAX
from projector.queries.sizes import DAYS, DAYS_MAX
from projector.server.errors import BadQuery
from projector.text.paging import LIMIT_MAX, Number

#: The longest query, in bytes, and the most parameters in it.
QUERY_BYTES_MAX = 8 * 1024
PARAMETERS_MAX = 20


_NUMBER = re.compile("-?[0-9]{1,100}", re.ASCII)

Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]
#: An id that can be stored. A query may name any other Id, and finds nothing.
StorableId = Annotated[Id, Meta(extra_json_schema={"pattern": "^[^\\u0000]*$"})]
Project = Annotated[
    Id, Meta(description="The project, if several projects have that id.", examples=["proj_1"])
]
Instant = Annotated[str, Meta(max_length=100, extra_json_schema={"format": "date-time"})]
AsOf = Annotated[
    Instant,
    Meta(
        description="What was true at this instant (RFC 3339), given all events known today.",
        examples=["2024-03-10T00:00:00Z"],
    ),
]
Position = Number
AtPosition = Annotated[
    Position,
    Meta(
        description="What was known when the log ended at this position.",
        examples=[17],
    ),
]
MinPosition = Annotated[
    Position,
    Meta(
        description="Wait, for a few seconds at most, until the tables reflect the log up to this "
        "position, such as the position in the answer to a delivery.",
        examples=[1],
    ),
]
Limit = Annotated[
    int, Meta(ge=1, le=LIMIT_MAX, description="The most entries on the page.", examples=[100])
]
EventLimit = Annotated[
    int, Meta(ge=1, le=1_000, description="The most events on the page.", examples=[100])
]
EntryLimit = Annotated[
    int, Meta(ge=1, le=1_000, description="The most entries on the page.", examples=[100])
]
StepLimit = Annotated[
    int, Meta(ge=1, le=1_000, description="The most steps on the page.", examples=[100])
]
After = Annotated[
    str, Meta(max_length=2_000, description="The cursor: `next` of the previous page.")
]

LIMIT_DEFAULT = 100


@frozen(kw_only=True)
class ReadParameters:
    """The parameters of every query."""

    min_position: MinPosition | None = None


@frozen(kw_only=True)
class ProjectParameters(ReadParameters):
    """The parameters of a list."""

    project: Annotated[Id, Meta(description="Only those of this project.")] | None = None


@frozen(kw_only=True)
class CustomerParameters(ReadParameters):
    """The parameters of a query about one customer."""

    project: Project | None = None
    as_of: AsOf | None = None
    at_position: AtPosition | None = None


@frozen(kw_only=True)
class SourceIdParameters(CustomerParameters):
    """The parameters of a search for a customer by source id."""

    source_id: Annotated[Id, Meta(description="The shop's own id.", examples=["a-tst"])]


@frozen(kw_only=True)
class WhyParameters(CustomerParameters):
    """The parameters of an explanation: exactly one of `segment`, `campaign` and `not`."""

    segment: (
        Annotated[Id, Meta(description="Explain with every event that concerns this segment.")]
        | None
    ) = None
    campaign: (
        Annotated[
            Id,
            Meta(description="Explain with every event that concerns the tier in this campaign."),
        ]
        | None
    ) = None
    not_: (
        Annotated[
            Id,
            Meta(
                description="Explain which event ended this segment or tier, or that no event "
                "ever gave it."
            ),
        ]
        | None
    ) = None
    limit: StepLimit = LIMIT_DEFAULT
    after: After | None = None


@frozen(kw_only=True)
class EventParameters(ReadParameters):
    """The parameters of a page of a customer's events."""

    project: Project | None = None
    limit: EventLimit = LIMIT_DEFAULT
    after: After | None = None


@frozen(kw_only=True)
class TimelineParameters(EventParameters):
    """The parameters of a customer's timeline."""

    at_position: AtPosition | None = None


@frozen(kw_only=True)
class ReceivedParameters(ReadParameters):
    """The parameters of a search for a position of the log."""

    received_by: Annotated[
        Instant,
        Meta(description="The instant (RFC 3339).", examples=["2024-03-10T00:00:00Z"]),
    ]


@frozen(kw_only=True)
class MemberParameters(ProjectParameters):
    """The parameters of a page of a segment's or tier's members."""

    as_of: AsOf | None = None
    limit: Limit = LIMIT_DEFAULT
    after: After | None = None


@frozen(kw_only=True)
class QuarantineParameters:
    """The parameters of a page of the quarantine."""

    reason: Annotated[StorableId, Meta(description="Only entries with this reason.")] | None = None
    limit: EntryLimit = LIMIT_DEFAULT
    after: After | None = None


@frozen(kw_only=True)
class DeadLetterParameters:
    """The parameters of a page of dead letters."""

    projection: Annotated[Id, Meta(description="Only those of this projection.")] | None = None
    limit: EntryLimit = LIMIT_DEFAULT
    after: After | None = None


@frozen(kw_only=True)
class LogParameters:
    """The parameters of a page of the log."""

    type: Annotated[StorableId, Meta(description="Only events of this type.")] | None = None
    before: (
        Annotated[
            Position,
            Meta(description="Only events before this position: `next` of the previous page."),
        ]
        | None
    ) = None
    limit: EntryLimit = LIMIT_DEFAULT


@frozen(kw_only=True)
class SearchParameters(ProjectParameters):
    """The parameters of a search for customers."""

    q: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=ID_CHARACTERS_MAX,
            description="An id, or the beginning of a name, an e-mail address or a source id.",
            examples=["alex"],
        ),
    ]
    limit: Annotated[
        int,
        Meta(ge=1, le=SEARCH_LIMIT_MAX, description="The most customers.", examples=[20]),
    ] = SEARCH_LIMIT_MAX


@frozen(kw_only=True)
class SizeParameters(ProjectParameters):
    """The parameters of sizes over time."""

    to: (
        Annotated[
            date,
            Meta(description="The last day, in UTC; today unless given.", examples=["2024-03-31"]),
        ]
        | None
    ) = None
    days: Annotated[
        int, Meta(ge=1, le=DAYS_MAX, description="The number of days.", examples=[DAYS])
    ] = DAYS


@frozen(kw_only=True)
class DeliveryParameters:
    """The defaults for deliveries that lack these values."""

    project: (
        Annotated[StorableId, Meta(description="The project of deliveries without one.")] | None
    ) = None
    type: (
        Annotated[StorableId, Meta(description="The event type of deliveries without one.")] | None
    ) = None
    occurred_at: (
        Annotated[
            Instant,
            Meta(description="The time of occurrence of deliveries without one (RFC 3339)."),
        ]
        | None
    ) = None
    customer: (
        Annotated[
            StorableId,
            Meta(
                description="The customer of deliveries without one; those that name another "
                "customer are quarantined."
            ),
        ]
        | None
    ) = None


@frozen(kw_only=True)
class NoParameters:
    """The parameters of a query without any."""


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


def delivery_defaults(parameters: DeliveryParameters) -> DeliveryDefaults:
    """Read delivery defaults from parameters; raise BadIdentifier or BadInstant."""
    return parse_defaults(
        parameters.project, parameters.type, parameters.occurred_at, parameters.customer
    )
