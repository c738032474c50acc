"""Validates raw envelopes: from extracted values to an Envelope, or to a Rejected. PURE."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

from projector.envelope import DeliveryDefaults, Envelope, Rejected, id_problem
from projector.facts.registry import OWN_TYPES
from projector.text import instants, surrogates
from projector.text.jsontext import compact


class RawEnvelope(NamedTuple):
    """The values of an envelope as found in the body or supplied by the caller, not validated."""

    #: A `Shape`.
    source: str
    project_id: Any
    #: None if the shape has no id of its own: then the hash of the content becomes the id.
    event_id: Any
    type: Any
    customer_id: Any
    #: RFC 3339 text from the body, or an instant from the caller.
    occurred_at: Any
    #: The JSON text of the facts, from which a missing id is computed.
    content: memoryview
    #: The id of the distribution or webhook that sent it.
    sender: Any = None

    def unmasked(self) -> RawEnvelope:
        """Return the values as they are in the body, of which the masked text was decoded."""
        content = surrogates.unmask(bytes(self.content).decode())
        return RawEnvelope(
            source=self.source,
            project_id=_unmasked(self.project_id),
            event_id=_unmasked(self.event_id),
            type=_unmasked(self.type),
            customer_id=_unmasked(self.customer_id),
            occurred_at=_unmasked(self.occurred_at),
            content=memoryview(content.encode()),
            sender=_unmasked(self.sender),
        )


def _unmasked(value: Any) -> Any:
    return surrogates.unmask_value(value) if isinstance(value, str) else value


class _Invalid(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail


def to_envelope(
    raw: RawEnvelope, text: str, defaults: DeliveryDefaults, *, allows_own_types: bool = False
) -> Envelope | Rejected:
    """Validate a raw envelope; `text` is the whole body. For `allows_own_types` see `read`."""
    try:
        type_ = _identifier("type", raw.type, "Give it with --type.")
        if not allows_own_types and type_.startswith(OWN_TYPES):
            raise _Invalid(
                "reserved_type", f"Only this program writes events of the type {type_!r}."
            )
        occurred_at = _instant(raw.occurred_at)
        if raw.event_id is None:
            event_id = content_id(type_, occurred_at, raw.content)
        else:
            event_id = _identifier("id", raw.event_id, "")
        return Envelope(
            project_id=_identifier("project", raw.project_id, "Give it with --project."),
            event_id=event_id,
            type=type_,
            customer_id=_customer(raw.customer_id, defaults),
            occurred_at=occurred_at,
            # Plain text: to a database driver, a subclass of `str` is another type.
            source=str(raw.source),
            body=text,
            sender=_if_valid(raw.sender) or "",
        )
    except _Invalid as invalid:
        return Rejected(
            reason=invalid.reason,
            detail=invalid.detail,
            body=text.encode(),
            project_id=_if_valid(raw.project_id),
            event_id=_if_valid(raw.event_id),
            defaults=defaults,
        )


def content_id(type_: str, occurred_at: datetime, content: memoryview) -> str:
    """Compute the id of an event that has none, a SHA-256 of type, instant and facts.

    So ingesting it again is idempotent: equal facts at one instant are one event. Each part is
    hashed with its length, so that no two lists of parts have the same input.
    """
    digest = hashlib.sha256()
    for part in (type_.encode(), instants.to_text(occurred_at).encode(), compact(bytes(content))):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return f"sha256:{digest.hexdigest()}"


def _identifier(name: str, value: Any, hint: str) -> str:
    if value is None or value == "":
        raise _Invalid(f"missing_{name}", f"The delivery has no {name}. {hint}".rstrip())
    problem = id_problem(value)
    if problem:
        raise _Invalid("bad_id", f"The delivery's {name} {problem}.")
    return str(value)


def _customer(value: Any, defaults: DeliveryDefaults) -> str | None:
    if value is None or value == "":
        return defaults.customer_id
    problem = id_problem(value)
    if problem:
        raise _Invalid("bad_id", f"The customer's id {problem}.")
    if defaults.customer_id not in (None, value):
        raise _Invalid(
            "other_customer",
            f"The delivery is about customer {value!r}, and not about {defaults.customer_id!r}, "
            "as the caller said.",
        )
    return str(value)


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if value is None or value == "":
        raise _Invalid(
            "missing_time",
            "The delivery does not say when it happened. Give it with --occurred-at.",
        )
    if not isinstance(value, str):
        raise _Invalid("bad_time", f"The time is {type(value).__name__}, not RFC 3339 text.")
    try:
        return instants.parse(value)
    except instants.NaiveInstant as error:
        raise _Invalid("naive_time", f"The time {error}, so the instant is unknown.") from None
    except ValueError as error:
        raise _Invalid("bad_time", f"The time {error}.") from None


def _if_valid(value: Any) -> str | None:
    return None if id_problem(value) else str(value)
