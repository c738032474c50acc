"""What pages write of tiers: the names, and the classes of their colours."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from projector.queries.campaigns import Campaign
from projector.server.console.charts import tier_ramp
from projector.server.console.charts.tier_ramp import TierRank


@frozen(kw_only=True)
class TierLabel:
    """A tier as a chip shows it."""

    tier_id: str
    #: The name, or the id if no event shows a name.
    name: str
    #: The class of the colour.
    class_: str


class TierLabels:
    """The labels of the tiers of some campaigns."""

    def __init__(self, campaigns: Iterable[Campaign]) -> None:
        tiers = [each for campaign in campaigns for each in campaign.tiers]
        self._classes = tier_ramp.classes(
            [
                TierRank(
                    campaign_id=each.campaign_id,
                    tier_id=each.tier_id,
                    points_from=each.points_from,
                )
                for each in tiers
            ]
        )
        self._names = {(each.campaign_id, each.tier_id): each.name for each in tiers}

    def label(self, campaign_id: str, tier_id: str, name: str | None = None) -> TierLabel:
        """Return the label of a tier; `name` is used if the campaign's own has none."""
        key = campaign_id, tier_id
        return TierLabel(
            tier_id=tier_id,
            name=self._names.get(key) or name or tier_id,
            class_=self._classes.get(key, "tier-3"),
        )
