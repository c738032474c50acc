"""Writes the paths of pages, of which every part is quoted."""

from __future__ import annotations

from datetime import date
from urllib.parse import quote, urlencode


def customer(project_id: str, customer_id: str) -> str:
    """Return the path of a customer's page."""
    return f"/console/customers/{_part(project_id)}/{_part(customer_id)}"


def why_segment(project_id: str, customer_id: str, segment_id: str, on: date | None = None) -> str:
    """Return the path of the answer why a customer is in a segment."""
    return _why(project_id, customer_id, f"segment:{_part(segment_id)}", on)


def why_tier(
    project_id: str, customer_id: str, campaign_id: str, tier_id: str, on: date | None = None
) -> str:
    """Return the path of the answer why a customer is on a tier."""
    return _why(project_id, customer_id, f"tier:{_part(campaign_id)}:{_part(tier_id)}", on)


def segment(project_id: str, segment_id: str, **query: object) -> str:
    """Return the path of a segment's page."""
    return _with(f"/console/segments/{_part(segment_id)}", {"project": project_id, **query})


def campaign(project_id: str, campaign_id: str, **query: object) -> str:
    """Return the path of the page of a campaign's tiers."""
    return _with(f"/console/tiers/{_part(campaign_id)}", {"project": project_id, **query})


def _why(project_id: str, customer_id: str, what: str, on: date | None) -> str:
    return _with(f"{customer(project_id, customer_id)}/why", {"what": what, "on": on})


def _with(path: str, query: dict[str, object]) -> str:
    return f"{path}?{urlencode({name: value for name, value in query.items() if value})}"


def _part(text: str) -> str:
    return quote(text, safe="")
