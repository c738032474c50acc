"""Defines deliveries: envelopes, recorded events in the log, and rejected deliveries. PURE."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from attrs import frozen
from msgspec import Struct

#: The longest identifier, in characters. Postgres refuses index entries of more than 2,704 bytes;
#: three identifiers of four bytes a character stay below that.
ID_CHARACTERS_MAX = 200

#: The longest body of one event, in bytes.
BODY_BYTES_MAX = 1024 * 1024


_SURROGATE = re.compile("[\ud800-\udfff]")


#: The beginning of the ids that the program itself gives: to the markers of erased events, and to
#: the streams of erased customers. A sender's id that begins so could be taken for one of them.
RESERVED_PREFIX = "erased:"

#: The sources of markers, and of events that the program itself appends. No `Shape` is one of them,
#: and no delivery can choose its source.
ERASED_SOURCE = "erased"
OWN_SOURCE = "projector"

#: The types of markers, and of the events that tell of an erasure.
ERASED_TYPE = "erased"
ERASURE_TYPE = "projector.erasure"

#: The identities of a customer and of an event: the project and the id.
Identity = tuple[str, str]


class Shape(StrEnum):
    """The format of a delivery: it decides where in the body the facts are.

    The values are stored in `event.source`: a value, once used, must never change.
    """

    #: A Voucherify webhook of the format v2024-01-01; facts in `data`.
    WEBHOOK = "webhook"
    #: An entry of a customer's activity; facts in `data`, or one level deeper in `data.data`.
    ACTIVITY = "activity"
    #: `{id, type, created_at, data}` that is no activity entry; facts in `data`.
    MINIMAL = "minimal"
    #: A CloudEvent in structured JSON; facts in `data`.
    CLOUDEVENTS = "cloudevents"
    #: The facts alone, at the top level of the body.
    BARE = "bare"
    #: An offer that a webhook carried beside its event; cut out of the webhook, facts in `data`.
    SENDING = "sending"
    #: What the source said when `reconcile` asked it; facts in `data`.
    RECONCILE = "reconcile"


class CanonicalKey(NamedTuple):
    """The order in which a customer's events are folded: by instant, then by the bytes of the id.

    Python compares text by code point, which is also the order of its UTF-8 bytes.
    """

    occurred_at: datetime
    event_id: str


def end_of(instant: datetime) -> CanonicalKey:
    """Return a key that sorts behind those of the events at an instant, and before all others."""
    return CanonicalKey(instant, "\U0010ffff" * (ID_CHARACTERS_MAX + 1))


#: Keys that sort before and behind those of all events.
KEY_MIN = CanonicalKey(datetime.min.replace(tzinfo=UTC), "")
KEY_MAX = end_of(datetime.max.replace(tzinfo=UTC))


class CustomerKey(NamedTuple):
    """The identity of a customer: customer ids are unique within a project only."""

    project_id: str
    customer_id: str


@frozen(kw_only=True)
class DeliveryDefaults:
    """The values that a caller supplies for deliveries in which they are missing."""

    project_id: str | None = None
    #: The event type.
    type: str | None = None
    #: The time of the event.
    occurred_at: datetime | None = None
    #: The customer whom all deliveries are about; one that names another customer is quarantined.
    customer_id: str | None = None


NO_DEFAULTS = DeliveryDefaults()


# A struct and no attrs class: one is made for every delivery, in a third of the time.
class Envelope(Struct, frozen=True, kw_only=True, gc=False):
    """A valid delivery: six values that the log needs, and the shape of the body."""

    project_id: str
    event_id: str
    #: The event type, such as `customer.segment.entered`; any other text is accepted too.
    type: str
    #: The customer whom the event is about; None if it is about no customer.
    customer_id: str | None
    #: The time of the event, in UTC.
    occurred_at: datetime
    #: The value of a `Shape`, as plain text.
    source: str
    #: The JSON text, exactly as received.
    body: str
    #: The distribution or webhook of the vendor that sent it; empty if the body names none. It is
    #: counted, and not stored with the event.
    sender: str = ""

    @property
    def key(self) -> CanonicalKey:
        """The place of the event in its stream."""
        return CanonicalKey(self.occurred_at, self.event_id)

    def identities(self) -> tuple[Identity | None, Identity | None]:
        """Return the identities of the customer, or None, and of the event."""
        project_id, customer_id = self.project_id, self.customer_id
        customer = None if customer_id is None else (project_id, customer_id)
        return customer, (project_id, self.event_id)


class RecordedEvent(Envelope, frozen=True, kw_only=True, gc=False):
    """An envelope in the log."""

    #: 1, 2, 3 … without gaps, in commit order.
    position: int
    #: The stream of the customer's events; None if the event is about no customer.
    stream_id: int | None
    received_at: datetime
    #: Whether its stream already held a greater canonical key when it was appended.
    late: bool


@frozen(kw_only=True)
class Rejected:
    """A delivery that cannot become an event: quarantined as received, with the reason."""

    #: A code, such as `broken_json`, by which programs count.
    reason: str
    #: A sentence for people.
    detail: str
    body: bytes
    project_id: str | None = None
    event_id: str | None = None
    defaults: DeliveryDefaults = NO_DEFAULTS
    #: The customer, if it could be read; it is not stored beside the body.
    customer_id: str | None = None

    def identities(self) -> tuple[Identity | None, Identity | None]:
        """Return the identities of the customer and of the event, as far as they are known."""
        project_id = self.project_id or self.defaults.project_id
        if project_id is None:
            return None, None
        customer_id = self.customer_id or self.defaults.customer_id
        return (
            None if customer_id is None else (project_id, customer_id),
            None if self.event_id is None else (project_id, self.event_id),
        )


#: One delivery of a document, after reading.
Item = Envelope | Rejected


def id_problem(value: object) -> str | None:
    """Return why a value is not a valid identifier, as the end of a sentence; None if it is."""
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


def sent_id_problem(value: object) -> str | None:
    """Return why a value is no id of an event or a customer that a sender may give; see above."""
    problem = id_problem(value)
    if problem is None and str(value).startswith(RESERVED_PREFIX):
        return f"begins with {RESERVED_PREFIX!r}, which is kept for what was erased"
    return problem
