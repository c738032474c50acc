"""Makes random histories that are always the same, for what the folds have always said of them."""

import random

from tests.support import given
from tests.support.given import Delivery

_SEGMENTS = ("seg_1", "seg_2")
_CAMPAIGNS = ("camp_1", "camp_2")
_TIERS = ("t1", "t2", "t3")


def golden_histories() -> list[list[Delivery]]:
    """Return histories of one customer, with much about few segments and tiers."""
    chance = random.Random(20)
    return [
        [_delivery(chance, number) for number in range(chance.randint(1, 25))] for _ in range(300)
    ]


def _delivery(chance: random.Random, number: int) -> Delivery:
    header = {"at": f"2024-03-01T1{chance.randint(0, 9)}:{chance.randint(10, 59)}:00Z"}
    header["id"] = f"e{number}"
    which = given.segment(chance.choice(_SEGMENTS), name=chance.choice(("A", "B", None)))
    campaign_id, tier, other = (chance.choice(each) for each in (_CAMPAIGNS, _TIERS, _TIERS))
    match chance.randint(0, 11):
        case 0 | 1 | 2:
            return given.entered("cust_1", which, **header)
        case 3 | 4:
            return given.left("cust_1", which, **header)
        case 5:
            return given.joined("cust_1", tier, campaign_id, **header)
        case 6:
            return given.tier_left("cust_1", tier, campaign_id, **header)
        case 7:
            return given.prolonged("cust_1", given.tier(tier, 1, 9), campaign_id, **header)
        case 8:
            return given.upgraded("cust_1", other, tier, campaign_id, **header)
        case 9:
            return given.downgraded("cust_1", None, tier, campaign_id, **header)
        case 10 if chance.random() < 0.3:
            return given.deleted("cust_1", **header)
    return given.updated("cust_1", name=f"Name {number}", **header)
