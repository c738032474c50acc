"""Defines the vocabulary: one frozen attrs class per fact. PURE.

A class has the shape of an event's `data`, as far as a fold reads it. JSON is decoded straight into
it; keys that the class does not have are skipped. A key that the vendor documents as required but
sends as null is optional here. A key that every fold of the fact needs is required; an event
without it becomes a dead letter. No class runs validators or converters of its own during decoding,
which would double its cost. Values that only one fold needs (a campaign, a date) are parsed by
properties instead, which raise ValueError when that fold reads them.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, TypedDict

from attrs import field, frozen
from msgspec import UNSET, Meta, Raw, UnsetType

from projector.envelope import ID_CHARACTERS_MAX
from projector.facts.metadata import comparable

Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]
#: The shop's own id of a customer: bounded, because it is indexed; it may be empty.
SourceId = Annotated[str, Meta(max_length=ID_CHARACTERS_MAX)]
Instant = Annotated[datetime, Meta(tz=True)]
#: An integer that fits into a 64-bit column.
Count = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


@frozen(kw_only=True)
class Customer:
    """A customer object in an event; UNSET stands for a missing key."""

    source_id: SourceId | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    #: Any JSON value.
    metadata: Raw | UnsetType = field(default=UNSET, eq=comparable)
    created_at: Instant | UnsetType | None = UNSET


@frozen(kw_only=True)
class UnreadableCustomer(Customer):
    """A customer object that does not have the shape of Customer."""

    #: Why, as a sentence.
    reason: str


@frozen(kw_only=True)
class Segment:
    """A segment; its id is stable, its name may change."""

    id: Id
    name: str | None = None


@frozen(kw_only=True)
class Campaign:
    """A loyalty campaign; its id is stable, its name may change."""

    id: Id | None = None
    name: str | None = None


#: The range of points of a tier; the top tier has no `to`. A TypedDict, because an attrs class
#: cannot have a field named `from`.
Points = TypedDict("Points", {"from": Count | None, "to": Count | None}, total=False)


@frozen(kw_only=True)
class TierConfig:
    """The configuration of a tier, which repeats the points; some payloads have them only here."""

    points: Points | None = None


@frozen(kw_only=True)
class Expiration:
    """The expiration of a tier."""

    #: An ISO 8601 date, or a timestamp of which only the date counts.
    expiration_date: str | None = None


@frozen(kw_only=True)
class Tier:
    """A loyalty tier.

    It leaves out the tier's own `created_at` on purpose: that is when the tier was defined.
    """

    id: Id
    name: str | None = None
    campaign_id: Id | None = None
    points: Points | None = None
    config: TierConfig | None = None
    expiration: Expiration | None = None

    @property
    def range(self) -> tuple[int | None, int | None] | None:
        """The range of points (from, to) of the tier, None for unbounded; None if not shown."""
        points = self.points or (self.config and self.config.points)
        return (points.get("from"), points.get("to")) if points else None

    @property
    def expires_on(self) -> date | None:
        """The last day of the tier; None if the event has none."""
        return iso_date(self.expiration.expiration_date) if self.expiration else None


def iso_date(text: str | None) -> date | None:
    """Parse the date in the first ten characters; raise ValueError if they are not an ISO date."""
    if text is None:
        return None
    if len(text) < 10:
        raise ValueError(f"{text!r} is not an ISO date")
    # Only the extended format (YYYY-MM-DD): Python accepts more formats, and more in each version.
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
    """The base of all facts, with the customer as the event shows it.

    It is also the fact of events whose type is not in the vocabulary.
    """

    #: An UnreadableCustomer if the object does not have the shape of Customer.
    customer: Customer | None = None


@frozen
class UndecodableFact:
    """A placeholder for the fact of an event whose body does not match its type."""

    #: The class of the fact that the event's type promises.
    fact_type: type[CustomerFact]
    #: Why it cannot be decoded, as a sentence.
    reason: str
    #: The part of the event that every type has; None for an event about no customer.
    readable: CustomerFact | None


#: What an event states, as far as it can be decoded.
DecodedFact = CustomerFact | UndecodableFact


@frozen(kw_only=True)
class CustomerCreated(CustomerFact):
    """customer.created: a customer was created."""


@frozen(kw_only=True)
class CustomerUpdated(CustomerFact):
    """customer.updated: some attributes of a customer changed."""


@frozen(kw_only=True)
class CustomerConfirmed(CustomerFact):
    """customer.confirmed: a customer confirmed a sign-up."""


@frozen(kw_only=True)
class CustomerDeleted(CustomerFact):
    """customer.deleted: a customer was deleted; its id is never used again."""


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
    """The base of the facts about one tier."""

    loyalty_tier: Tier
    campaign: Campaign | None = None
    #: When the tier changed.
    created_at: Instant | None = None

    @property
    def campaign_id(self) -> str:
        """The id of the campaign, or else that of the tier; ValueError if both are missing."""
        return _campaign_id(self.campaign, self.loyalty_tier)

    @property
    def expires_on(self) -> date | None:
        """The last day of the tier; None if the event has none."""
        return self.loyalty_tier.expires_on


@frozen(kw_only=True)
class TierJoined(TierFact):
    """customer.loyalty.tier.joined: a customer joined a tier."""


@frozen(kw_only=True)
class TierLeft(TierFact):
    """customer.loyalty.tier.left: a customer left a tier, which is `loyalty_tier`."""


@frozen(kw_only=True)
class TierProlonged(TierFact):
    """customer.loyalty.tier.prolonged: a customer stays on a tier without qualifying any more."""


@frozen(kw_only=True)
class TierExpirationChanged(TierFact):
    """customer.loyalty.tier.expiration.changed: the last day of a customer's tier changed."""

    expiration_date: str | UnsetType | None = UNSET

    @property
    def expires_on(self) -> date | None:
        """The new last day; if the key is missing, that of `loyalty_tier`."""
        if isinstance(self.expiration_date, UnsetType):
            return self.loyalty_tier.expires_on
        return iso_date(self.expiration_date)


@frozen(kw_only=True)
class TierMove(CustomerFact):
    """The base of upgrades and downgrades."""

    loyalty_tier_to: Tier
    loyalty_tier_from: Tier | None = None
    campaign: Campaign | None = None
    #: When the tier changed.
    created_at: Instant | None = None

    @property
    def campaign_id(self) -> str:
        """The id of the campaign, or else of one of the tiers; ValueError if all are missing."""
        return _campaign_id(self.campaign, self.loyalty_tier_to, self.loyalty_tier_from)


@frozen(kw_only=True)
class TierUpgraded(TierMove):
    """customer.loyalty.tier.upgraded: a customer moved to a higher tier."""


@frozen(kw_only=True)
class TierDowngraded(TierMove):
    """customer.loyalty.tier.downgraded: a customer moved to a lower tier."""


#: The classes of facts by event type; that of all other types is CustomerFact.
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
