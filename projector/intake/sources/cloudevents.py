"""Reads CloudEvents 1.0 in structured JSON mode. PURE."""

from __future__ import annotations

import re

import msgspec

from projector.envelope import DeliveryDefaults, Shape
from projector.intake.sources.header import Header, data_part
from projector.intake.sources.raw_envelope import RawEnvelope

#: A version of the specification, such as `1.0`.
_VERSION = re.compile(r"\d+\.\d+", re.ASCII)


def is_cloudevent(header: Header) -> bool:
    """Return whether a body is a CloudEvent: the version, and a type or source."""
    if not isinstance(header.specversion, str) or not _VERSION.fullmatch(header.specversion):
        return False
    return isinstance(header.type, str) or _source(header) is not None


def to_raw_envelope(header: Header, defaults: DeliveryDefaults) -> RawEnvelope:
    """Extract the raw envelope of a CloudEvent."""
    customer = data_part(header.data).customer
    return RawEnvelope(
        source=Shape.CLOUDEVENTS,
        project_id=defaults.project_id or _last_path_part(header),
        # The specification requires an id. "" for a missing one is rejected, where None would make
        # a content hash serve as the id.
        event_id="" if header.id is None else header.id,
        type=header.type or defaults.type,
        customer_id=customer.id if customer is not None else None,
        occurred_at=header.time or defaults.occurred_at,
        content=memoryview(header.data),
    )


def _last_path_part(header: Header) -> str | None:
    source = _source(header)
    return None if source is None else source.rstrip("/").rpartition("/")[2]


def _source(header: Header) -> str | None:
    try:
        return msgspec.json.decode(header.source, type=str)
    except (ValueError, RecursionError):
        return None
