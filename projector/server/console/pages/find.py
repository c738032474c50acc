"""The first page: find a customer, and see what happened last."""

from __future__ import annotations

from typing import Any

from starlette.responses import RedirectResponse, Response

from projector.envelope import CustomerKey
from projector.queries.campaigns import list_campaigns
from projector.queries.member_details import describe_members
from projector.queries.members import list_segments
from projector.queries.search import LIMIT_MAX, Match, SearchResult, search_customers
from projector.queries.tier_changes import TierChange, latest_changes
from projector.server.console import links
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages import tiers
from projector.server.console.pages.tier_labels import TierLabels
from projector.store import log

#: The numbers of changes and of segments on the first page.
_CHANGES = 7
_SEGMENTS = 8

#: How many of the changes that were delivered last are put in the order in which they occurred.
_CHANGES_READ = 50


def _show(visit: Visit) -> Page | Response:
    text = visit.parameter("q")
    return _overview(visit) if text is None else _search(visit, text)


def _search(visit: Visit, text: str) -> Page | Response:
    found = search_customers(visit.database, text)
    exact = [each for each in found if each.match is Match.EXACT]
    if len(exact) == 1:
        return RedirectResponse(
            links.customer_path(CustomerKey(exact[0].project_id, exact[0].customer_id)), 303
        )
    labels = TierLabels(list_campaigns(visit.database))
    keys = [CustomerKey(each.project_id, each.customer_id) for each in found]
    details = describe_members(visit.database, keys, at=visit.now)
    several = len({each.project_id for each in found}) > 1
    return Page(
        template="found.html",
        values={
            "text": text,
            "is_full": len(found) == LIMIT_MAX,
            "several_projects": several,
            "results": [
                _result(each, details[key].tiers, labels)
                for key, each in zip(keys, found, strict=True)
            ],
        },
    )


def _result(found: SearchResult, tiers_held: Any, labels: TierLabels) -> dict[str, Any]:
    return {
        "path": links.customer_path(CustomerKey(found.project_id, found.customer_id)),
        "name": found.name or found.source_id or found.customer_id,
        "found": found,
        "tiers": [labels.label(each.campaign_id, each.tier_id, each.name) for each in tiers_held],
    }


def _overview(visit: Visit) -> Page:
    with visit.database.reading() as connection:
        is_empty = log.head(connection) == 0
    campaigns = list_campaigns(visit.database)
    labels = TierLabels(campaigns)
    segments = sorted(list_segments(visit.database), key=lambda each: -each.members)
    changes = latest_changes(visit.database, limit=_CHANGES_READ)[:_CHANGES]
    return Page(
        template="find.html",
        values={
            "is_empty": is_empty,
            "changes": [_change(each, labels) for each in changes],
            "campaigns": tiers.cards(visit, campaigns, labels),
            "segments": [
                {
                    "path": links.segment_path(each.project_id, each.segment_id),
                    "name": each.name or each.segment_id,
                    "members": each.members,
                }
                for each in segments[:_SEGMENTS]
            ],
            "more_segments": max(0, len(segments) - _SEGMENTS),
        },
    )


def _change(change: TierChange, labels: TierLabels) -> dict[str, Any]:
    def label(tier: Any) -> Any:
        return None if tier is None else labels.label(change.campaign_id, tier.id, tier.name)

    return {
        "path": links.customer_path(CustomerKey(change.project_id, change.customer_id)),
        "name": change.name or change.customer_id,
        "before": label(change.before),
        "after": label(change.after),
        "at": change.occurred_at,
    }


PAGES = (PageRoute(path="/", name="consoleFind", run=_show),)
