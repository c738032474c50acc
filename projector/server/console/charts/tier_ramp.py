"""Chooses the colours of tiers: steps of one ramp, by rank within the campaign. PURE."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

#: The number of steps of the ramp: the classes `tier-1` to `tier-5` of console.css.
STEPS = 5


@frozen(kw_only=True)
class TierRank:
    """A tier, with what places it among the tiers of its campaign."""

    campaign_id: str
    tier_id: str
    #: The least number of points on the tier; None if no event shows it.
    points_from: int | None


def classes(tiers: Sequence[TierRank]) -> dict[tuple[str, str], str]:
    """Return a CSS class, such as `tier-3`, by campaign id and tier id.

    The least tier of a campaign is the lightest and the greatest the darkest. Tiers of equally many
    points, and those of unknown points, which come last, keep the order in which they are given:
    give the one that was seen first first. A tier that is given twice counts once.
    """
    campaigns: dict[str, dict[str, TierRank]] = {}
    for each in tiers:
        campaigns.setdefault(each.campaign_id, {}).setdefault(each.tier_id, each)
    found = {}
    for campaign_id, by_id in campaigns.items():
        ranked = sorted(by_id.values(), key=_rank)
        for rank, each in enumerate(ranked):
            found[campaign_id, each.tier_id] = f"tier-{_step(rank, len(ranked))}"
    return found


def _rank(tier: TierRank) -> tuple[bool, int]:
    return tier.points_from is None, tier.points_from or 0


def _step(rank: int, count: int) -> int:
    """Spread ranks over the steps: of three tiers 1, 3 and 5; of a single one 3."""
    if count == 1:
        return (STEPS + 1) // 2
    return 1 + (2 * rank * (STEPS - 1) + count - 1) // (2 * (count - 1))
