"""Cuts the sending of an offer out of a webhook, as a delivery of its own. PURE.

One event has one id, through however many distributions it goes out. Each distribution adds to
`data` what it sends: a campaign with a published code, or a promotion. The second webhook of an
event is a duplicate; its offer is not, so it becomes an item of its own. The parts are cut out of
the text, and not parsed and serialised again.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec
from msgspec import Raw, Struct

from projector.envelope import ID_CHARACTERS_MAX, Envelope, Shape, id_problem
from projector.facts import sendings
from projector.intake.sources.raw_envelope import content_id
from projector.text import instants, surrogates
from projector.text.jsontext import is_object

#: The event types whose distributions may send an offer, each with the key of the object in `data`
#: that caused the event. In other types a voucher is a fact of the event itself.
_CAUSES = {
    "customer.segment.entered": "segment",
    "customer.segment.left": "segment",
    "customer.order.created": "order",
    "customer.order.updated": "order",
    "customer.order.paid": "order",
    "customer.order.canceled": "order",
    "customer.custom_event": "event",
    "manual_distribution_schedule": "distribution",
}

#: The parts of which one makes a webhook the sending of an offer.
_SIGNS = ("publication", "voucher", "promotion_tier")
_NULL = Raw(b"null")


class _Webhook(Struct, gc=False):
    data: dict[str, Raw]
    source: Raw = _NULL


class _Source(Struct, gc=False):
    id: str


class _Publication(Struct, gc=False):
    created_at: str


_webhook = msgspec.json.Decoder(_Webhook)
_source = msgspec.json.Decoder(_Source)
_publication = msgspec.json.Decoder(_Publication)
_object = msgspec.json.Decoder(dict[str, Raw])


def cut(event: Envelope) -> Envelope | None:
    """Return the sending of the offer that a webhook carries beside its event; None without one."""
    if event.type not in _CAUSES or event.source != Shape.WEBHOOK:
        return None
    try:
        webhook = _webhook.decode(surrogates.mask(event.body))
    except (ValueError, RecursionError):
        return None
    if not any(is_object(webhook.data.get(key, _NULL)) for key in _SIGNS):
        return None
    return _sending(event, webhook)


def _sending(event: Envelope, webhook: _Webhook) -> Envelope:
    source_id = _source_id(webhook.source)
    occurred_at = _published_at(webhook.data) or event.occurred_at
    data = msgspec.json.encode(_data(event, webhook.data, source_id))
    identity = f"{event.event_id}~{source_id}"
    if source_id is None:
        # Without the name of the distribution, only their offers distinguish two sendings.
        identity = content_id(sendings.TYPE, occurred_at, memoryview(data))
    elif len(identity) > ID_CHARACTERS_MAX:
        identity = f"sha256:{hashlib.sha256(identity.encode()).hexdigest()}"
    body = msgspec.json.encode(
        {
            "id": identity,
            "type": sendings.TYPE,
            "created_at": instants.to_text(occurred_at),
            "project_id": event.project_id,
            "data": Raw(data),
        }
    )
    text = body.decode()
    return Envelope(
        project_id=event.project_id,
        event_id=identity,
        type=sendings.TYPE,
        customer_id=event.customer_id,
        occurred_at=occurred_at,
        source=Shape.SENDING.value,
        body=surrogates.unmask(text) if surrogates.has_lone(event.body) else text,
        sender=event.sender,
    )


def _data(event: Envelope, data: dict[str, Raw], source_id: str | None) -> dict[str, object]:
    cause = _CAUSES[event.type]
    because: dict[str, object] = {"event_id": event.event_id, "type": event.type}
    if cause in data:
        because[cause] = data[cause]
    offer = {key: data[key] for key in sendings.PARTS if key in data}
    if is_object(offer.get("publication", _NULL)):
        publication = _object.decode(offer["publication"])
        # The event has the customer already.
        publication.pop("customer", None)
        offer["publication"] = Raw(msgspec.json.encode(publication))
    customer = event.customer_id and {"id": event.customer_id}
    return {"customer": customer, "because": because, "distribution_id": source_id, **offer}


def _source_id(source: Raw) -> str | None:
    """Return the id of the distribution; None if it is missing or no identifier."""
    try:
        source_id = _source.decode(source).id
    except (ValueError, RecursionError):
        return None
    return None if id_problem(source_id) else source_id


def _published_at(data: dict[str, Raw]) -> datetime | None:
    """Return the time of the publication; None if it is missing or unreadable."""
    try:
        return instants.parse(_publication.decode(data.get("publication", _NULL)).created_at)
    except (ValueError, RecursionError):
        return None
