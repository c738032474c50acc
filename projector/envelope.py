"""What arrived, and what it becomes once it is in the log. PURE."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from attrs import frozen

#: The longest identifier that is filed, in characters. Postgres refuses index entries of more than
#: 2,704 bytes; three of these at four bytes a character stay below.
ID_CHARACTERS_MAX = 200

#: The longest body of one event, in bytes.
BODY_BYTES_MAX = 1024 * 1024


_SURROGATE = re.compile("[\ud800-\udfff]")


class CanonicalKey(NamedTuple):
    """The order in which a customer's events are folded: by instant, then by the id's bytes.

    Python compares text by code point, which is the order of its UTF-8 bytes.
    """

    occurred_at: datetime
    event_id: str


class CustomerKey(NamedTuple):
    """A customer: ids are unique within a project only."""

    project_id: str
    customer_id: str


@frozen(kw_only=True)
class DeliveryDefaults:
    """What the caller says of deliveries that do not say it themselves."""

    #: The project of deliveries without one.
    project_id: str | None = None
    #: The event type of deliveries without one.
    type: str | None = None
    #: When the events happened, where they do not tell.
    occurred_at: datetime | None = None


NO_DEFAULTS = DeliveryDefaults()


@frozen(kw_only=True)
class Envelope:
    """A delivery that can be filed: six things, and the shape that it came in."""

    project_id: str
    event_id: str
    #: Such as `customer.segment.entered`; any other text is filed too.
    type: str
    #: The customer whom the event is about, if it is about one.
    customer_id: str | None
    #: When it happened, in UTC.
    occurred_at: datetime
    #: The name of the shape (`webhook`, `activity`, …): where in the body its facts are.
    source: str
    #: The JSON text as it came.
    body: str

    @property
    def key(self) -> CanonicalKey:
        """Where the event stands in its stream."""
        return CanonicalKey(self.occurred_at, self.event_id)


@frozen(kw_only=True)
class RecordedEvent(Envelope):
    """An envelope in the log."""

    #: 1, 2, 3 … in the order of the commits, without a hole.
    position: int
    #: One customer's events; none where the event is about no customer.
    stream_id: int | None
    received_at: datetime
    #: Whether its stream already held a greater canonical key when it was appended.
    late: bool


@frozen(kw_only=True)
class Rejected:
    """A delivery that cannot be filed as an event: kept as it came, with the reason."""

    #: A code, such as `broken_json`; programs count by it.
    reason: str
    #: A sentence for people.
    detail: str
    body: bytes
    project_id: str | None = None
    event_id: str | None = None
    defaults: DeliveryDefaults = NO_DEFAULTS


#: What a document holds, item by item: an event or something that cannot be filed as one.
Item = Envelope | Rejected


def id_problem(value: object) -> str | None:
    """Why a value cannot serve as an identifier, as the end of a sentence; None if it can."""
    if not isinstance(value, str):
        return f"is {type(value).__name__}, not text"
    if not value:
        return "is empty"
    if len(value) > ID_CHARACTERS_MAX:
        return f"has {len(value)} characters, the limit is {ID_CHARACTERS_MAX}"
    if "\x00" in value:
        return "holds a NUL character"
    if not value.isascii() and _SURROGATE.search(value):
        return "is not valid Unicode"
    return None
