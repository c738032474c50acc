"""THE vocabulary: one frozen attrs class per fact. PURE.

A class has the shape of an event's `data`, as far as a fold reads it, and JSON is decoded straight
into it; what it does not name is skipped. What the vendor requires and yet sends as null is
optional here; what no fold can do without is required, and an event without it is a dead letter.
No class runs code of its own while it is decoded, which would cost as much as the decoding: what
only one fold needs (a campaign, a date) raises ValueError when that fold asks for it.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, TypedDict

import msgspec
from attrs import field, frozen
from msgspec import UNSET, Meta, Raw, UnsetType

from projector.envelope import ID_CHARACTERS_MAX
from projector.text.jsontext import compact

Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]
#: The shop's own id is indexed, so it is bounded; it may be empty.
SourceId = Annotated[str, Meta(max_length=ID_CHARACTERS_MAX)]
Instant = Annotated[datetime, Meta(tz=True)]
#: What fits into a column of 64 bits.
Count = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


def canonical_json(raw: Raw | UnsetType) -> str | None:
    """JSON text without insignificant whitespace and with sorted keys; None for null or nothing.

    Two shapes of one event may write the same metadata differently; rows and comparisons use this
    one form. Numbers that Python cannot hold are left as they were written.
    """
    if isinstance(raw, UnsetType):
        return None
    text = bytes(raw)
    # Every event shows the whole customer, mostly as the customer's last event did.
    return _remembered(text) if len(text) <= _REMEMBERED_BYTES_MAX else _canonical(text)


def _canonical(text: bytes) -> str | None:
    try:
        value = msgspec.json.decode(text)
        return None if value is None else msgspec.json.encode(value, order="sorted").decode()
    except (ValueError, RecursionError):
        return compact(text).decode()


_REMEMBERED_BYTES_MAX = 1_000
_remembered = lru_cache(maxsize=256)(_canonical)


def _comparable(raw: Raw | UnsetType) -> object:
    """Nothing said is told from null: the customer projection sets only the keys that are there."""
    return UNSET if isinstance(raw, UnsetType) else canonical_json(raw)


@frozen(kw_only=True)
class Customer:
    """A customer as an event shows it: UNSET is a key that the event does not have."""

    source_id: SourceId | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    #: Any JSON.
    metadata: Raw | UnsetType = field(default=UNSET, eq=_comparable)
    created_at: Instant | UnsetType | None = UNSET


@frozen(kw_only=True)
class Segment:
    """A segment; its name changes, its id does not."""

    id: Id
    name: str | None = None


@frozen(kw_only=True)
class Campaign:
    """A loyalty campaign; its name changes, its id does not."""

    id: Id | None = None
    name: str | None = None


#: `from` is no name that an attrs class can have; the top tier has no `to`.
Points = TypedDict("Points", {"from": Count | None, "to": Count | None}, total=False)


@frozen(kw_only=True)
class TierConfig:
    """The points a second time: some payloads have them only here."""

    points: Points | None = None


@frozen(kw_only=True)
class Expiration:
    """Until when a tier holds."""

    #: A date, or a time of which the date counts.
    expiration_date: str | None = None


@frozen(kw_only=True)
class Tier:
    """A loyalty tier. Its own created_at, when it was defined, is left out on purpose."""

    id: Id
    name: str | None = None
    campaign_id: Id | None = None
    points: Points | None = None
    config: TierConfig | None = None
    expiration: Expiration | None = None

    @property
    def range(self) -> tuple[int | None, int | None]:
        """The points (from, to) between which a customer is on the tier; None is open."""
        points = self.points or (self.config and self.config.points) or Points()
        return points.get("from"), points.get("to")

    @property
    def expires_on(self) -> date | None:
        """The last day of the tier, where it is told."""
        return iso_date(self.expiration.expiration_date) if self.expiration else None


def iso_date(text: str | None) -> date | None:
    """The date in the first ten characters; raises ValueError where there is none."""
    if text is None:
        return None
    if len(text) < 10:
        raise ValueError(f"{text!r} is not an ISO date")
    # Only the extended form: Python accepts others too, and more of them in every version.
    if text[4] != "-" or text[7] != "-":
        raise ValueError(f"{text[:10]!r} is not an ISO date")
    return date.fromisoformat(text[:10])


def _campaign_id(campaign: Campaign | None, *tiers: Tier | None) -> str:
    if campaign is not None and campaign.id is not None:
        return campaign.id
    for tier in tiers:
        if tier is not None and tier.campaign_id is not None:
            return tier.campaign_id
    raise ValueError("no campaign is given, neither by data.campaign.id nor by the tier")


@frozen(kw_only=True)
class CustomerFact:
    """What every fact may have: the customer as it was then."""

    customer: Customer | None = None


@frozen(kw_only=True)
class CustomerCreated(CustomerFact):
    """customer.created: a customer came to be."""


@frozen(kw_only=True)
class CustomerUpdated(CustomerFact):
    """customer.updated: some of a customer's keys changed."""


@frozen(kw_only=True)
class CustomerConfirmed(CustomerFact):
    """customer.confirmed: a customer confirmed a sign-up."""


@frozen(kw_only=True)
class CustomerDeleted(CustomerFact):
    """customer.deleted: a customer is gone; its id is never used again."""


@frozen(kw_only=True)
class SegmentEntered(CustomerFact):
    """customer.segment.entered: a customer became a member of a segment."""

    segment: Segment


@frozen(kw_only=True)
class SegmentLeft(CustomerFact):
    """customer.segment.left: a customer is no longer a member of a segment."""

    segment: Segment


@frozen(kw_only=True)
class TierFact(CustomerFact):
    """What the facts about one tier have in common."""

    loyalty_tier: Tier
    campaign: Campaign | None = None
    #: When the tier changed.
    created_at: Instant | None = None

    @property
    def campaign_id(self) -> str:
        """The campaign's id, from wherever the event tells it; ValueError where it does not."""
        return _campaign_id(self.campaign, self.loyalty_tier)

    @property
    def expires_on(self) -> date | None:
        """The last day of the tier, where it is told."""
        return self.loyalty_tier.expires_on


@frozen(kw_only=True)
class TierJoined(TierFact):
    """customer.loyalty.tier.joined: a customer came onto a tier."""


@frozen(kw_only=True)
class TierLeft(TierFact):
    """customer.loyalty.tier.left: names the tier that was left."""


@frozen(kw_only=True)
class TierProlonged(TierFact):
    """customer.loyalty.tier.prolonged: stayed on a tier although no longer qualifying."""


@frozen(kw_only=True)
class TierExpirationChanged(TierFact):
    """customer.loyalty.tier.expiration.changed: a tier holds until another day."""

    expiration_date: str | UnsetType | None = UNSET

    @property
    def expires_on(self) -> date | None:
        """The new last day; where the event has no such key, the one that its tier shows."""
        if isinstance(self.expiration_date, UnsetType):
            return self.loyalty_tier.expires_on
        return iso_date(self.expiration_date)


@frozen(kw_only=True)
class TierMove(CustomerFact):
    """What an upgrade and a downgrade have in common."""

    loyalty_tier_to: Tier
    loyalty_tier_from: Tier | None = None
    campaign: Campaign | None = None
    #: When the tier changed.
    created_at: Instant | None = None

    @property
    def campaign_id(self) -> str:
        """The campaign's id, from wherever the event tells it; ValueError where it does not."""
        return _campaign_id(self.campaign, self.loyalty_tier_to, self.loyalty_tier_from)


@frozen(kw_only=True)
class TierUpgraded(TierMove):
    """customer.loyalty.tier.upgraded: a customer moved to a higher tier."""


@frozen(kw_only=True)
class TierDowngraded(TierMove):
    """customer.loyalty.tier.downgraded: a customer moved to a lower tier."""


#: The facts by the type of the events that state them. Other types are logged and not read.
FACTS: dict[str, type[CustomerFact]] = {
    "customer.created": CustomerCreated,
    "customer.updated": CustomerUpdated,
    "customer.confirmed": CustomerConfirmed,
    "customer.deleted": CustomerDeleted,
    "customer.segment.entered": SegmentEntered,
    "customer.segment.left": SegmentLeft,
    "customer.loyalty.tier.joined": TierJoined,
    "customer.loyalty.tier.left": TierLeft,
    "customer.loyalty.tier.prolonged": TierProlonged,
    "customer.loyalty.tier.expiration.changed": TierExpirationChanged,
    "customer.loyalty.tier.upgraded": TierUpgraded,
    "customer.loyalty.tier.downgraded": TierDowngraded,
}
