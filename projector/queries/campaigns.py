"""Loyalty campaigns with all their tiers, also those on which nobody is any more."""

from __future__ import annotations

from itertools import groupby

from attrs import frozen
from sqlalchemy import Connection

from projector.facts import codec
from projector.facts.events import Tier, TierFact, TierMove
from projector.projections.groups import TIER
from projector.queries.members import TierCount, list_tiers
from projector.store import group_sizes, log, size_series
from projector.store.database import Database
from projector.store.predicates import is_storable_text
from projector.store.size_series import PastTier


@frozen(kw_only=True)
class CampaignTier:
    """A tier of a campaign."""

    campaign_id: str
    tier_id: str
    #: The name in the row of the customer who joined last, or that of some past member.
    name: str | None
    #: The least number of points on it, as the event of one of its customers shows it.
    points_from: int | None
    members: int


@frozen(kw_only=True)
class Campaign:
    """A campaign, with its tiers by the least number of points, then by id."""

    project_id: str
    campaign_id: str
    name: str | None
    tiers: tuple[CampaignTier, ...]

    @property
    def members(self) -> int:
        """The number of customers on a tier of it."""
        return sum(each.members for each in self.tiers)


def list_campaigns(database: Database, *, project_id: str | None = None) -> list[Campaign]:
    """List the campaigns in which a customer is or was on a tier, by project and id."""
    if not is_storable_text(project_id):
        return []
    present = {
        (each.project_id, each.campaign_id, each.tier_id): each
        for each in list_tiers(database, project_id=project_id)
    }
    with database.reading_tables() as connection:
        totals = group_sizes.totals(connection, TIER.history, project_id=project_id)
        keys = sorted({*present, *(each[:3] for each in totals)})
        return [
            _campaign(connection, of[0], of[1], [(key[2], present.get(key)) for key in same])
            for of, same in groupby(keys, key=lambda key: key[:2])
        ]


def _campaign(
    connection: Connection,
    project_id: str,
    campaign_id: str,
    tiers: list[tuple[str, TierCount | None]],
) -> Campaign:
    found = [_tier(connection, project_id, campaign_id, *each) for each in tiers]
    found.sort(key=lambda each: (each[1].points_from is None, each[1].points_from or 0))
    return Campaign(
        project_id=project_id,
        campaign_id=campaign_id,
        name=next((name for name, _ in found if name is not None), None),
        tiers=tuple(tier for _, tier in found),
    )


def _tier(
    connection: Connection,
    project_id: str,
    campaign_id: str,
    tier_id: str,
    count: TierCount | None,
) -> tuple[str | None, CampaignTier]:
    """Return the name of the campaign, and the tier."""
    if count is not None:
        campaign_name, name, members = count.campaign_name, count.name, count.members
        points = size_series.points_of_tier(connection, project_id=project_id, tier_id=tier_id)
    else:
        past = size_series.past_tier(connection, project_id=project_id, tier_id=tier_id)
        campaign_name, name = (past.campaign_name, past.tier_name) if past else (None, None)
        points = _past_points(connection, project_id, tier_id, past)
        members = 0
    return campaign_name, CampaignTier(
        campaign_id=campaign_id, tier_id=tier_id, name=name, points_from=points, members=members
    )


def _past_points(
    connection: Connection, project_id: str, tier_id: str, past: PastTier | None
) -> int | None:
    """Return the points that the events of a past period show for its tier."""
    ids = [each for each in (past.opened_by, past.closed_by) if each] if past else []
    for event in log.find_by_ids(connection, {project_id: ids}).values():
        fact = codec.decode(event)
        tiers: list[Tier | None] = []
        if isinstance(fact, TierFact):
            tiers = [fact.loyalty_tier]
        elif isinstance(fact, TierMove):
            tiers = [fact.loyalty_tier_to, fact.loyalty_tier_from]
        for tier in tiers:
            if tier is not None and tier.id == tier_id and tier.range is not None:
                return tier.range[0]
    return None
