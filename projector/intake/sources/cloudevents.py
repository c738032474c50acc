"""CloudEvents 1.0 in structured JSON. PURE."""

from __future__ import annotations

import msgspec

from projector.envelope import DeliveryDefaults
from projector.intake.sources.header import Header, data_part
from projector.intake.sources.raw_envelope import RawEnvelope


def is_cloudevent(header: Header) -> bool:
    """Whether a body is a CloudEvent."""
    return header.specversion is not None


def to_raw_envelope(header: Header, defaults: DeliveryDefaults) -> RawEnvelope:
    """What a CloudEvent says of itself."""
    customer = data_part(header.data).customer
    return RawEnvelope(
        source="cloudevents",
        project_id=defaults.project_id or _last_path_part(header),
        # The specification requires an id: without one it is not named by its content.
        event_id="" if header.id is None else header.id,
        type=header.type or defaults.type,
        customer_id=customer.id if customer is not None else None,
        occurred_at=header.time or defaults.occurred_at,
        content=memoryview(header.data),
    )


def _last_path_part(header: Header) -> str | None:
    try:
        source = msgspec.json.decode(header.source, type=str)
    except (ValueError, RecursionError):
        return None
    return source.rstrip("/").rpartition("/")[2]
