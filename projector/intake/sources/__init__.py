"""Reads a document into envelopes: recognises its shape, and extracts and validates. PURE.

`webhook` is the fast path for complete webhooks, which are nearly all deliveries. For the rest:
`header` (the keys by which shapes are recognised), a module for each shape (`voucherify`,
`activity`, `cloudevents`, `bare`), and `raw_envelope` (validates what the shape's module extracts).
"""

from __future__ import annotations

from projector.envelope import BODY_BYTES_MAX, DeliveryDefaults, Envelope, Rejected
from projector.intake.sources import activity, bare, cloudevents, voucherify, webhook
from projector.intake.sources.header import Header, Unreadable, read_header
from projector.intake.sources.raw_envelope import RawEnvelope, to_envelope

__all__ = ["read"]


def read(
    body: bytes, defaults: DeliveryDefaults, *, body_bytes_max: int = BODY_BYTES_MAX
) -> list[Envelope | Rejected]:
    """Read one document: returns one item for each entry of an activity page, else one item.

    No content of a body raises an error: a delivery that cannot become an event is returned as
    Rejected, with the body as received. `body_bytes_max` limits the bytes of one event, not of a
    page.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        detail = f"Byte {error.start} is not UTF-8."
        return [Rejected(reason="not_utf8", detail=detail, body=body, defaults=defaults)]
    too_large = len(body) > body_bytes_max
    if not too_large and (envelope := webhook.read(text)) is not None:
        return [envelope]
    try:
        parts = read_header(text)
        if activity.is_page(parts):
            return [_entry(entry, defaults, body_bytes_max) for entry in activity.entries(text)]
    except Unreadable as unreadable:
        return [
            _too_large(body, body_bytes_max, defaults)
            if too_large
            else _rejected(unreadable, body, defaults)
        ]
    return [
        _too_large(body, body_bytes_max, defaults)
        if too_large
        else _to_envelope(parts, text, defaults)
    ]


def _entry(entry: str, defaults: DeliveryDefaults, body_bytes_max: int) -> Envelope | Rejected:
    """Read an entry of a page; a page within a page is not recognised as a delivery."""
    body = entry.encode()
    if len(body) > body_bytes_max:
        return _too_large(body, body_bytes_max, defaults)
    try:
        return _to_envelope(read_header(entry), entry, defaults)
    except Unreadable as unreadable:
        return _rejected(unreadable, body, defaults)


def _to_envelope(parts: Header, text: str, defaults: DeliveryDefaults) -> Envelope | Rejected:
    recognized = _recognize(parts, text, defaults)
    if isinstance(recognized, RawEnvelope):
        return to_envelope(recognized, text, defaults)
    reason, detail = recognized
    return Rejected(reason=reason, detail=detail, body=text.encode(), defaults=defaults)


def _recognize(
    parts: Header, text: str, defaults: DeliveryDefaults
) -> RawEnvelope | tuple[str, str]:
    """Return the raw envelope of a body, or the reason code and sentence if no shape fits."""
    if parts.event is not None:
        return voucherify.to_raw_envelope(parts, parts.event, defaults)
    if cloudevents.is_cloudevent(parts):
        return cloudevents.to_raw_envelope(parts, defaults)
    if voucherify.is_legacy(parts):
        return "legacy_format", voucherify.LEGACY
    if voucherify.is_headless(parts):
        return (
            "missing_id",
            "This webhook has no `event` object, which has the event's id and time.",
        )
    if activity.is_entry(parts, defaults):
        return activity.to_raw_envelope(parts, defaults)
    if bare.is_bare(parts, defaults):
        return bare.to_raw_envelope(parts, text, defaults)
    return "unknown_shape", "This is JSON, but not a delivery in any known shape."


def _rejected(unreadable: Unreadable, body: bytes, defaults: DeliveryDefaults) -> Rejected:
    return Rejected(
        reason=unreadable.reason, detail=unreadable.detail, body=body, defaults=defaults
    )


def _too_large(body: bytes, body_bytes_max: int, defaults: DeliveryDefaults) -> Rejected:
    detail = f"The body has {len(body)} bytes, the limit is {body_bytes_max}."
    return Rejected(reason="too_large", detail=detail, body=body, defaults=defaults)
