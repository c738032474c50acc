"""The pages of loyalty tiers: all campaigns, and one over time with the members of a tier."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from attrs import frozen
from markupsafe import Markup
from starlette.responses import Response

from projector.errors import GroupNotFound
from projector.projections.groups import TIER
from projector.queries.campaigns import Campaign, list_campaigns
from projector.queries.sizes import TierSeries, TierSizes, size_bounds, tier_sizes
from projector.queries.tier_changes import EVENTS_MAX, TierMoves, moves_since
from projector.server.console import links
from projector.server.console.charts import size_charts, size_periods
from projector.server.console.charts.size_charts import Band
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages import member_list
from projector.server.console.pages.spans import FACT_DAYS, Span, chosen_span, cross_hair
from projector.server.console.pages.tier_labels import TierLabel, TierLabels


@frozen(kw_only=True)
class TierLine:
    """A tier in a list: the highest first."""

    label: TierLabel
    path: str
    bar: Markup
    members: int
    entered: int
    left: int


@frozen(kw_only=True)
class CampaignCard:
    """A campaign with its tiers."""

    name: str
    path: str
    members: int
    tiers: tuple[TierLine, ...]


def cards(visit: Visit, campaigns: list[Campaign], labels: TierLabels) -> list[CampaignCard]:
    """Return a card for each campaign, that with the most members first."""
    ordered = sorted(campaigns, key=lambda each: -each.members)
    return [_card(visit, each, labels) for each in ordered]


def _card(visit: Visit, campaign: Campaign, labels: TierLabels) -> CampaignCard:
    sizes = tier_sizes(
        visit.database,
        campaign.campaign_id,
        project_id=campaign.project_id,
        to_day=visit.now.date(),
        days=FACT_DAYS,
    )
    return CampaignCard(
        name=campaign.name or campaign.campaign_id,
        path=links.campaign_path(campaign.project_id, campaign.campaign_id),
        members=campaign.members,
        tiers=_lines(campaign, sizes, labels),
    )


def _lines(campaign: Campaign, sizes: TierSizes, labels: TierLabels) -> tuple[TierLine, ...]:
    series = {each.tier_id: each for each in sizes.tiers}
    most = max((each.members for each in campaign.tiers), default=0)
    lines = []
    for each in reversed(campaign.tiers):
        label = labels.label(campaign.campaign_id, each.tier_id)
        days = series[each.tier_id].days[-FACT_DAYS:] if each.tier_id in series else ()
        path = links.campaign_path(campaign.project_id, campaign.campaign_id, tier=each.tier_id)
        lines.append(
            TierLine(
                label=label,
                path=path,
                bar=size_charts.share_bar(each.members, most, label.class_),
                members=each.members,
                entered=sum(day.entered for day in days),
                left=sum(day.left for day in days),
            )
        )
    return tuple(lines)


def _list(visit: Visit) -> Page:
    campaigns = list_campaigns(visit.database)
    found = cards(visit, campaigns, TierLabels(campaigns))
    return Page(template="tiers.html", values={"campaigns": found})


def _show(visit: Visit) -> Page | Response:
    campaign = _campaign(visit)
    labels = TierLabels([campaign])
    shown = _tier(visit, campaign, labels)
    group = member_list.chosen_group(
        visit,
        project_id=campaign.project_id,
        name=shown.name,
        campaign_id=campaign.campaign_id,
        tier_id=shown.tier_id,
    )
    if visit.parameter("format") == "csv":
        return member_list.as_csv(visit, group)
    ids = {"project_id": campaign.project_id, "campaign_id": campaign.campaign_id}
    span = chosen_span(visit, size_bounds(visit.database, TIER, **ids).first)
    sizes = tier_sizes(
        visit.database,
        campaign.campaign_id,
        project_id=campaign.project_id,
        to_day=span.today,
        days=span.days,
    )
    since = visit.now - timedelta(days=FACT_DAYS)
    moves = moves_since(
        visit.database, campaign.campaign_id, project_id=campaign.project_id, since=since
    )
    on = None if group.is_now else group.day
    state: dict[str, Any] = {"span": span.name, "on": on, "tier": visit.parameter("tier")}
    return Page(
        template="campaign.html",
        values={
            "campaign": campaign,
            "name": campaign.name or campaign.campaign_id,
            "lines": _lines(campaign, sizes, labels),
            "span": span,
            "chart": _chart(campaign, sizes, labels, span, state),
            "unknown": sum(each.unknown for each in sizes.tiers),
            "matrix": _matrix(campaign, moves, labels),
            "moves": moves,
            "events_max": EVENTS_MAX,
            "shown": shown,
            "list": member_list.read_page(visit, group),
            "address": lambda **query: links.campaign_path(
                campaign.project_id, campaign.campaign_id, **{**state, **query}
            ),
        },
    )


def _chart(
    campaign: Campaign,
    sizes: TierSizes,
    labels: TierLabels,
    span: Span,
    state: dict[str, Any],
) -> dict[str, object]:
    """Return the stacked area; the lowest tier is at the bottom."""
    series = [
        (
            labels.label(campaign.campaign_id, each.tier_id, each.name),
            size_periods.points(each.days),
        )
        for each in sizes.tiers
    ]
    points = series[0][1]
    bands = [
        Band(name=label.name, class_=label.class_, values=[each.members for each in some])
        for label, some in series
    ]
    unit, _ = size_periods.periods(sizes.tiers[0].days)
    sought = {**state, "on": None}
    href = links.campaign_path(campaign.project_id, campaign.campaign_id, **sought) + "&on="
    on = state["on"]
    return {
        "svg": size_charts.area(
            points,
            bands,
            [],
            title=f"Customers on the tiers of {campaign.name or campaign.campaign_id}",
            description="; ".join(
                f"{each.name}: {each.values[0]:,} at first, {each.values[-1]:,} at last"
                for each in bands
            ),
            chosen=on,
        ),
        "labels": [label for label, _ in reversed(series)],
        "unit": unit,
        "rows": _rows(sizes.tiers),
        "points": cross_hair(points, {each.name: each.values for each in reversed(bands)}, href),
    }


def _rows(tiers: tuple[TierSeries, ...]) -> list[tuple[size_periods.Period, list[int]]]:
    """Return the periods, the last one first, with the members on each tier, the highest first."""
    by_tier = [size_periods.periods(each.days)[1] for each in reversed(tiers)]
    return [(same[0], [each.members for each in same]) for same in zip(*by_tier, strict=True)][::-1]


def _matrix(campaign: Campaign, moves: TierMoves, labels: TierLabels) -> dict[str, object] | None:
    """Return the numbers of moves by tier before (a row) and after (a column); None without any."""
    if not moves.counts:
        return None
    known = [each.tier_id for each in reversed(campaign.tiers)]
    told = {tier for pair in moves.counts for tier in pair if tier is not None}
    tiers: list[str | None] = [*known, *sorted(told - {*known}), None]

    def label(tier_id: str | None) -> TierLabel | None:
        return None if tier_id is None else labels.label(campaign.campaign_id, tier_id)

    return {
        "columns": [label(each) for each in tiers],
        "rows": [
            (label(before), [moves.counts.get((before, after), 0) for after in tiers])
            for before in tiers
        ],
    }


def _campaign(visit: Visit) -> Campaign:
    """Return the campaign in the path, of the project in the query, or of the first; or raise."""
    for each in list_campaigns(visit.database, project_id=visit.parameter("project")):
        if each.campaign_id == visit.ids["id"]:
            return each
    raise GroupNotFound(kind="campaign", identifier=visit.ids["id"])


def _tier(visit: Visit, campaign: Campaign, labels: TierLabels) -> TierLabel:
    """Return the tier in the query; else the highest one with members, or the highest one."""
    asked = visit.parameter("tier")
    known = [each.tier_id for each in campaign.tiers]
    if asked not in known:
        held = [each.tier_id for each in campaign.tiers if each.members]
        asked = (held or known)[-1]
    return labels.label(campaign.campaign_id, asked)


PAGES = (
    PageRoute(path="/tiers", name="consoleTiers", run=_list),
    PageRoute(path="/tiers/{id}", name="consoleCampaign", run=_show),
)
