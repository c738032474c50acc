"""Reads a document into envelopes: recognises its shape, and extracts and validates. PURE.

`webhook` is the fast path for complete webhooks, which are nearly all deliveries. For the rest:
`header` (the keys by which shapes are recognised), a module for each shape (`voucherify`,
`activity`, `cloudevents`, `bare`), and `raw_envelope` (validates what the shape's module extracts).
`sending` cuts an offer out of the webhook that carries it.
"""

from __future__ import annotations

from typing import NamedTuple

from projector.envelope import BODY_BYTES_MAX, DeliveryDefaults, Envelope, Item, Rejected
from projector.facts.registry import OWN_TYPES
from projector.intake.sources import activity, bare, cloudevents, sending, voucherify, webhook
from projector.intake.sources.header import Header, Unreadable, read_header
from projector.intake.sources.raw_envelope import RawEnvelope, to_envelope
from projector.text import surrogates

__all__ = ["read"]


class _Rules(NamedTuple):
    """How documents are read: see `read`."""

    defaults: DeliveryDefaults
    body_bytes_max: int
    allows_own_types: bool


def read(
    body: bytes,
    defaults: DeliveryDefaults,
    *,
    body_bytes_max: int = BODY_BYTES_MAX,
    allows_own_types: bool = False,
) -> list[Item]:
    """Read one document: one item for each entry of an activity page, else one item.

    A webhook that carries an offer is two items: the event, and the sending of the offer. No
    content of a body raises an error: a delivery that cannot become an event is returned as
    Rejected, with the body as received. `body_bytes_max` limits the bytes of one event, not of a
    page. Events of the types that this program writes itself (`projector.…`) are rejected, unless
    they may come, as in a file with the events of another log.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        detail = f"Byte {error.start} is not UTF-8."
        return [Rejected(reason="not_utf8", detail=detail, body=body, defaults=defaults)]
    too_large = len(body) > body_bytes_max
    complete = None if too_large else webhook.decode(text, defaults)
    if complete is not None and not complete.event.type.startswith(OWN_TYPES):
        envelope = webhook.to_envelope(complete, text)
        return _with_sending(envelope) if complete.may_carry_offer() else [envelope]
    masked = surrogates.mask(text)
    rules = _Rules(defaults, body_bytes_max, allows_own_types)
    try:
        parts = read_header(masked)
        if activity.is_page(parts):
            return _page(parts, text, masked, rules)
    except Unreadable as unreadable:
        return [
            _too_large(body, body_bytes_max, defaults)
            if too_large
            else _rejected(unreadable, body, defaults)
        ]
    if too_large:
        return [_too_large(body, body_bytes_max, defaults)]
    return _with_sending(_to_envelope(parts, text, masked, rules))


def _page(parts: Header, text: str, masked: str, rules: _Rules) -> list[Item]:
    """Read the entries of a page; a list of anything else, which names no data_ref, stays whole."""
    entries = activity.entries(masked)
    if masked is not text:
        entries = [surrogates.unmask(entry) for entry in entries]
    items = [item for entry in entries for item in _entry(entry, rules)]
    if parts.data_ref is None and all(_has_no_shape(item) for item in items):
        detail = "This is a list, but not a page of activity: no entry is an event."
        return [_rejected(Unreadable("unknown_shape", detail), text.encode(), rules.defaults)]
    return items


def _has_no_shape(item: Item) -> bool:
    return isinstance(item, Rejected) and item.reason == "unknown_shape"


def _entry(entry: str, rules: _Rules) -> list[Item]:
    """Read an entry of a page; a page within a page is not recognised as a delivery."""
    body = entry.encode()
    if len(body) > rules.body_bytes_max:
        return [_too_large(body, rules.body_bytes_max, rules.defaults)]
    masked = surrogates.mask(entry)
    try:
        parts = read_header(masked)
    except Unreadable as unreadable:
        return [_rejected(unreadable, body, rules.defaults)]
    return _with_sending(_to_envelope(parts, entry, masked, rules))


def _with_sending(item: Item) -> list[Item]:
    sent = sending.cut(item) if isinstance(item, Envelope) else None
    return [item] if sent is None else [item, sent]


def _to_envelope(parts: Header, text: str, masked: str, rules: _Rules) -> Item:
    """Return the envelope of a body; `parts` was decoded from its masked text."""
    defaults = rules.defaults
    recognized = _recognize(parts, masked, defaults)
    if isinstance(recognized, RawEnvelope):
        raw = recognized if masked is text else recognized.unmasked()
        return to_envelope(raw, text, defaults, allows_own_types=rules.allows_own_types)
    reason, detail = recognized
    return Rejected(reason=reason, detail=detail, body=text.encode(), defaults=defaults)


def _recognize(
    parts: Header, text: str, defaults: DeliveryDefaults
) -> RawEnvelope | tuple[str, str]:
    """Return the raw envelope of a body, or the reason code and sentence if no shape fits."""
    if parts.event is not None and voucherify.is_webhook(parts, parts.event):
        return voucherify.to_raw_envelope(parts, parts.event, defaults)
    if cloudevents.is_cloudevent(parts):
        return cloudevents.to_raw_envelope(parts, defaults)
    if voucherify.is_legacy(parts):
        return "legacy_format", voucherify.LEGACY
    if voucherify.is_sent(parts):
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
