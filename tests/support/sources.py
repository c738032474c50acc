"""A shop at the source: what happens there changes its truth, and is delivered, or lost."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from attrs import define, field

from projector.errors import CustomerNotFound
from projector.queries.customers import PointInTime, find_customer
from projector.store.database import Database
from tests.support import given
from tests.support.given import Delivery, append_and_project, in_shape
from tests.support.voucherify_api import CampaignTruth, SegmentTruth, VoucherifyApi

#: The segments and the tiers by campaign of a customer.
Standing = tuple[tuple[str, ...], Mapping[str, str]]


@define
class Shop:
    """The source and what it tells; `now` is the time to which hours are counted back."""

    api: VoucherifyApi
    database: Database
    now: datetime
    #: The activity has everything, unless it is forgotten.
    _number: int = 0
    _tiers: dict[tuple[str, str], str] = field(factory=dict)

    def customer(self, customer_id: str, *, hours_ago: float = 1000, **how: bool) -> None:
        """Create a customer."""
        self.api.activity.setdefault(customer_id, [])
        self.api.created[customer_id] = self.at(hours_ago)
        self._tell(given.created(customer_id, at=self.at(hours_ago)), customer_id, **how)

    def segment(self, segment_id: str, kind: str = "auto-update") -> SegmentTruth:
        """Define a segment."""
        found = self.api.segments.setdefault(segment_id, SegmentTruth(f"Segment {segment_id}"))
        found.kind = kind
        return found

    def campaign(self, campaign_id: str, *tier_ids: str) -> CampaignTruth:
        """Define a campaign with tiers."""
        tiers = {each: f"Tier {each}" for each in tier_ids}
        found = CampaignTruth(f"Campaign {campaign_id}", tiers)
        return self.api.campaigns.setdefault(campaign_id, found)

    def enter(self, customer_id: str, segment_id: str, *, hours_ago: float, **how: bool) -> None:
        """Let a customer enter a segment."""
        self.segment(segment_id).members.add(customer_id)
        self._tell(
            given.entered(customer_id, segment_id, at=self.at(hours_ago)), customer_id, **how
        )

    def leave(self, customer_id: str, segment_id: str, *, hours_ago: float, **how: bool) -> None:
        """Let a customer leave a segment."""
        self.segment(segment_id).members.discard(customer_id)
        self._tell(given.left(customer_id, segment_id, at=self.at(hours_ago)), customer_id, **how)

    def move(
        self,
        customer_id: str,
        tier_id: str | None,
        campaign_id: str = "camp_1",
        *,
        hours_ago: float,
        **how: bool,
    ) -> None:
        """Put a customer onto a tier, or onto none."""
        campaign, at = self.api.campaigns[campaign_id], self.at(hours_ago)
        before = next(iter(campaign.held.get(customer_id, ())), None)
        campaign.held[customer_id] = () if tier_id is None else (tier_id,)
        if before == tier_id:
            return
        if before is None:
            event = given.joined(customer_id, str(tier_id), campaign_id, at=at)
        elif tier_id is None:
            event = given.tier_left(customer_id, before, campaign_id, at=at)
        else:
            event = given.upgraded(customer_id, before, tier_id, campaign_id, at=at)
        self._tell(event, customer_id, **how)

    def delete(self, customer_id: str, *, hours_ago: float, delivered: bool = True) -> None:
        """Delete a customer, and the activity."""
        self.api.activity.pop(customer_id)
        self.api.created.pop(customer_id)
        for each in self.api.segments.values():
            each.members.discard(customer_id)
        for campaign in self.api.campaigns.values():
            campaign.held.pop(customer_id, None)
        if delivered:
            append_and_project(self.database, given.deleted(customer_id, at=self.at(hours_ago)))

    def at(self, hours_ago: float) -> str:
        """Return a time as text; each has a millisecond of its own."""
        self._number += 1
        at = self.now - timedelta(hours=hours_ago) + timedelta(milliseconds=self._number)
        return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def truth(self, customer_id: str) -> Standing:
        """Return what the source holds to be true of a customer."""
        return (
            tuple(
                sorted(
                    each
                    for each, one in self.api.segments.items()
                    if customer_id in one.members and one.kind == "auto-update"
                )
            ),
            {
                each: one.held[customer_id][0]
                for each, one in sorted(self.api.campaigns.items())
                if one.held.get(customer_id)
            },
        )

    def ours(self, customer_id: str, *, as_of: datetime | None = None) -> Standing:
        """Return what our answer says of a customer."""
        try:
            found = find_customer(self.database, customer_id, moment=PointInTime(as_of=as_of))
        except CustomerNotFound:
            return (), {}
        return (
            tuple(each.segment_id for each in found.segments),
            {each.campaign_id: each.tier_id for each in found.tiers},
        )

    def _tell(
        self,
        webhook: Delivery,
        customer_id: str,
        *,
        delivered: bool = True,
        remembered: bool = True,
    ) -> None:
        if remembered:
            self.api.add(customer_id, in_shape("activity", webhook))
        if delivered:
            append_and_project(self.database, webhook)


def live(shop: Shop, seed: int, *, customers: int = 6, steps: int = 8) -> list[str]:
    """Let customers live at random, and lose some deliveries; return their ids.

    The activity has most of what is lost.
    """
    chance = random.Random(seed)
    ids = [f"cust_{number}" for number in range(customers)]
    for campaign_id in ("camp_1", "camp_2"):
        shop.campaign(campaign_id, *(f"ltr_{campaign_id}_{each}" for each in range(3)))
    for segment_id in ("seg_0", "seg_1", "seg_2"):
        shop.segment(segment_id)
    for customer_id in ids:
        shop.customer(customer_id, delivered=chance.random() < 0.9)
    for step in range(steps):
        hours_ago = (steps - step) * 10.0
        for customer_id in ids:
            how = {
                "delivered": chance.random() < 0.7,
                "remembered": chance.random() < 0.6,
            }
            segment_id = f"seg_{chance.randrange(3)}"
            if chance.random() < 0.5:
                is_in = customer_id in shop.api.segments[segment_id].members
                act = shop.leave if is_in else shop.enter
                act(customer_id, segment_id, hours_ago=hours_ago, **how)
            else:
                campaign_id = chance.choice(["camp_1", "camp_2"])
                tier_id = chance.choice([None, *shop.api.campaigns[campaign_id].tiers])
                shop.move(customer_id, tier_id, campaign_id, hours_ago=hours_ago, **how)
    return ids
