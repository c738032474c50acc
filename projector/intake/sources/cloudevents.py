"""CloudEvents 1.0 in structured JSON. PURE."""

from __future__ import annotations

import msgspec

from projector.envelope import Given
from projector.intake.sources.header import Outline, data_part
from projector.intake.sources.raw_envelope import Draft


def is_cloudevent(outline: Outline) -> bool:
    """Whether a body is a CloudEvent."""
    return outline.specversion is not None


def draft(outline: Outline, given: Given) -> Draft:
    """What a CloudEvent says of itself."""
    customer = data_part(outline.data).customer
    return Draft(
        source="cloudevents",
        project_id=given.project_id or _last_path_part(outline),
        # The specification requires an id: without one it is not named by its content.
        event_id="" if outline.id is None else outline.id,
        type=outline.type or given.type,
        customer_id=customer.id if customer is not None else None,
        occurred_at=outline.time or given.occurred_at,
        content=memoryview(outline.data),
    )


def _last_path_part(outline: Outline) -> str | None:
    try:
        source = msgspec.json.decode(outline.source, type=str)
    except (ValueError, RecursionError):
        return None
    return source.rstrip("/").rpartition("/")[2]
