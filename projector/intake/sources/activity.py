"""Entries of a customer's activity (REST backfill), and envelopes as small as they can be. PURE.

Both are `{id, type, created_at, data}`; an entry of the activity nests its facts once more, in
`data.data`, and is in a group. Pages of entries are taken apart, so that each is an event of its
own.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from projector.envelope import Given
from projector.intake.sources.header import NotReadable, Outline, data_part
from projector.intake.sources.raw_envelope import Draft
from projector.text.jsontext import is_array, is_object


class _Page(Struct, gc=False):
    data: list[Raw]


def is_page(outline: Outline) -> bool:
    """Whether a body is a page of a list."""
    return outline.object == "list" and is_array(outline.data)


def entries(text: str) -> list[str]:
    """The entries of a page, each as the JSON text that it came as; may raise NotReadable."""
    try:
        page = msgspec.json.decode(text, type=_Page)
    except (ValueError, RecursionError) as error:
        raise NotReadable("broken_json", f"This page is not readable JSON: {error}.") from None
    return [bytes(entry).decode() for entry in page.data]


def is_entry(outline: Outline, given: Given) -> bool:
    """Whether a body is an entry of the activity, or a minimal envelope."""
    return is_object(outline.data) and (outline.type or given.type) is not None


def draft(outline: Outline, given: Given) -> Draft:
    """What an entry or a minimal envelope says of itself."""
    data = data_part(outline.data)
    nested = is_object(data.data)
    facts = data.data if nested else outline.data
    customer = data_part(facts).customer if nested else data.customer
    return Draft(
        source="activity" if nested or outline.group_id is not None else "minimal",
        project_id=outline.project_id or given.project_id,
        event_id=outline.id,
        type=outline.type or given.type,
        customer_id=customer.id if customer is not None else None,
        occurred_at=outline.created_at or given.occurred_at,
        content=memoryview(facts),
    )
