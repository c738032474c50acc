"""Bare data: the facts alone, without an envelope. The caller says what happened and when. PURE."""

from __future__ import annotations

import msgspec

from projector.envelope import Given
from projector.intake.sources.header import CustomerPart, Outline
from projector.intake.sources.raw_envelope import Draft
from projector.text.jsontext import is_object


def is_bare(outline: Outline, given: Given) -> bool:
    """Whether a body is bare data: a customer, and what happened to it or the caller's word."""
    facts = (
        outline.segment,
        outline.loyalty_tier,
        outline.loyalty_tier_from,
        outline.loyalty_tier_to,
    )
    return is_object(outline.customer) and (given.type is not None or any(map(is_object, facts)))


def draft(outline: Outline, text: str, given: Given) -> Draft:
    """What bare data and its bringer say."""
    return Draft(
        source="bare",
        project_id=given.project_id,
        event_id=None,
        type=given.type,
        customer_id=_customer_id(outline),
        occurred_at=given.occurred_at or outline.created_at,
        content=memoryview(text.encode()),
    )


def _customer_id(outline: Outline) -> object:
    try:
        return msgspec.json.decode(outline.customer, type=CustomerPart).id
    except (ValueError, RecursionError):
        return None
