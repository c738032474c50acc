"""Names the paths and the queries of segments, campaigns, tiers and cards. PURE."""

from __future__ import annotations

from datetime import datetime

from projector.text import instants
from projector.voucherify.pages import PAGE_ENTRIES_MAX, customer_path

SEGMENTS = "/v1/segments"
CAMPAIGNS = "/v1/loyalties"

#: The greatest number of a page of campaigns.
PAGES_MAX = 100


def segments_query(after: datetime | None) -> dict[str, str]:
    """Return the query of a page of segments: those created after a time."""
    query = {"limit": str(PAGE_ENTRIES_MAX), "order": "created_at"}
    if after is not None:
        query["filters[created_at][conditions][$after]"] = instants.to_text(after)
    return query


def campaigns_query(page: int) -> dict[str, str]:
    """Return the query of a page of campaigns."""
    return {"limit": str(PAGE_ENTRIES_MAX), "page": str(page), "order": "created_at"}


def tiers_query() -> dict[str, str]:
    """Return the query of the tiers of a campaign, which has far fewer than a page of them."""
    return {"limit": str(PAGE_ENTRIES_MAX)}


def cards_query(customer_id: str) -> dict[str, str]:
    """Return the query of a customer's cards in a campaign."""
    return {"limit": str(PAGE_ENTRIES_MAX), "customer": customer_id}


def segment_path(segment_id: str) -> str:
    """Return the path of a segment."""
    return _below(SEGMENTS, segment_id)


def customer_segments_path(customer_id: str) -> str:
    """Return the path of a customer's segments."""
    return f"{customer_path(customer_id)}/segments"


def tiers_path(campaign_id: str) -> str:
    """Return the path of a campaign's tiers."""
    return f"{_below(CAMPAIGNS, campaign_id)}/tiers"


def cards_path(campaign_id: str) -> str:
    """Return the path of a campaign's cards."""
    return f"{_below(CAMPAIGNS, campaign_id)}/members"


def card_tiers_path(card_id: str) -> str:
    """Return the path of a card's tiers."""
    return f"{_below(f'{CAMPAIGNS}/members', card_id)}/tiers"


def _below(path: str, identifier: str) -> str:
    """Return the path of an object of a collection, its id quoted as that of a customer."""
    return f"{path}/{customer_path(identifier).rpartition('/')[2]}"
