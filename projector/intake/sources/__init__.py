"""How a body becomes envelopes. PURE.

`webhook` (what nearly always arrives, in one decode); for all else `outline` (the keys that tell a
shape), one module a shape (`voucherify`, `activity`, `cloudevents`, `bare`), and `draft` (what the
shape says, checked and filed).
"""

from __future__ import annotations

from projector.envelope import BODY_BYTES_MAX, Envelope, Given, Rejected
from projector.intake.sources import activity, bare, cloudevents, voucherify, webhook
from projector.intake.sources.header import NotReadable, Outline, outline_of
from projector.intake.sources.raw_envelope import Draft, file

__all__ = ["read"]


def read(
    body: bytes, given: Given, *, body_bytes_max: int = BODY_BYTES_MAX
) -> list[Envelope | Rejected]:
    """Read one delivery; a page of activity gives one item an entry, all else gives one item.

    Never raises for what the body holds: what cannot be filed comes back as Rejected, with the
    body as it came. `body_bytes_max` (bytes) bounds one event, not a page of them.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        detail = f"Byte {error.start} is not UTF-8."
        return [Rejected(reason="not_utf8", detail=detail, body=body, given=given)]
    too_large = len(body) > body_bytes_max
    if not too_large and (envelope := webhook.read(text)) is not None:
        return [envelope]
    try:
        parts = outline_of(text)
        if activity.is_page(parts):
            return [_entry(entry, given, body_bytes_max) for entry in activity.entries(text)]
    except NotReadable as unreadable:
        return [
            _too_large(body, body_bytes_max, given)
            if too_large
            else _rejected(unreadable, body, given)
        ]
    return [_too_large(body, body_bytes_max, given) if too_large else _file(parts, text, given)]


def _entry(entry: str, given: Given, body_bytes_max: int) -> Envelope | Rejected:
    """An entry of a page; a page within a page is no delivery of anybody's."""
    body = entry.encode()
    if len(body) > body_bytes_max:
        return _too_large(body, body_bytes_max, given)
    try:
        return _file(outline_of(entry), entry, given)
    except NotReadable as unreadable:
        return _rejected(unreadable, body, given)


def _file(parts: Outline, text: str, given: Given) -> Envelope | Rejected:
    shape = _recognise(parts, text, given)
    if isinstance(shape, Draft):
        return file(shape, text, given)
    reason, detail = shape
    return Rejected(reason=reason, detail=detail, body=text.encode(), given=given)


def _recognise(parts: Outline, text: str, given: Given) -> Draft | tuple[str, str]:
    """The draft of the shape that a body has, or the reason code and the sentence for none."""
    if parts.event is not None:
        return voucherify.draft(parts, parts.event, given)
    if cloudevents.is_cloudevent(parts):
        return cloudevents.draft(parts, given)
    if voucherify.is_legacy(parts):
        return "legacy_format", voucherify.LEGACY
    if voucherify.is_headless(parts):
        return "missing_id", "This webhook has no `event`, whose id and time name what happened."
    if activity.is_entry(parts, given):
        return activity.draft(parts, given)
    if bare.is_bare(parts, given):
        return bare.draft(parts, text, given)
    return "unknown_shape", "This is JSON, but no shape of delivery that is known here."


def _rejected(unreadable: NotReadable, body: bytes, given: Given) -> Rejected:
    return Rejected(reason=unreadable.reason, detail=unreadable.detail, body=body, given=given)


def _too_large(body: bytes, body_bytes_max: int, given: Given) -> Rejected:
    detail = f"The body has {len(body)} bytes, the limit is {body_bytes_max}."
    return Rejected(reason="too_large", detail=detail, body=body, given=given)
