"""Loyalty campaigns with all their tiers, also those on which nobody is any more."""

from __future__ import annotations

from itertools import groupby

from attrs import frozen
from sqlalchemy import Connection

from projector.projections.groups import TIER
from projector.queries.members import TierCount, list_tiers
from projector.store import group_sizes, size_series
from projector.store.database import Database
from projector.store.predicates import is_storable_text


@frozen(kw_only=True)
class CampaignTier:
    """A tier of a campaign."""

    campaign_id: str
    tier_id: str
    #: The name in the row of the customer who joined last, or that of some past member.
    name: str | None
    #: The least number of points on it; None if nobody is on it, or no event shows it.
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
    names: list[str | None] = []
    found = []
    for tier_id, count in tiers:
        if count is not None:
            campaign_name, name, members = count.campaign_name, count.name, count.members
        else:
            campaign_name, name = _past_names(connection, project_id, tier_id)
            members = 0
        names.append(campaign_name)
        points = size_series.points_of_tier(connection, project_id=project_id, tier_id=tier_id)
        found.append(
            CampaignTier(
                campaign_id=campaign_id,
                tier_id=tier_id,
                name=name,
                points_from=points,
                members=members,
            )
        )
    found.sort(key=lambda each: (each.points_from is None, each.points_from or 0))
    return Campaign(
        project_id=project_id,
        campaign_id=campaign_id,
        name=next((each for each in names if each is not None), None),
        tiers=tuple(found),
    )


def _past_names(
    connection: Connection, project_id: str, tier_id: str
) -> tuple[str | None, str | None]:
    found = size_series.past_names_of_tier(connection, project_id=project_id, tier_id=tier_id)
    return (None, None) if found is None else found
