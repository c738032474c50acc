"""Defines the timeline of a customer. PURE."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from projector.queries.story.events import Loss, StoryEvent


@frozen(kw_only=True)
class SkippedEvent:
    """An event that a projection could not fold."""

    position: int
    projection: str
    reason: str


@frozen(kw_only=True)
class SegmentPeriod:
    """A period in a segment: a row of `segment_membership_history`."""

    segment_id: str
    period: int
    segment_name: str | None
    #: The time of the entry, or of the first look at the source that saw the membership; null if
    #: the delivery of the entry was lost.
    valid_from: datetime | None
    #: The time of the leave, or of the look that saw it; null while the period lasts.
    valid_to: datetime | None
    opened_by: str | None
    closed_by: str | None
    ended_by_deletion: bool
    #: The times of the entry and of the leave; null if only a look at the source shows them.
    entered_at: datetime | None
    left_at: datetime | None


@frozen(kw_only=True)
class TierPeriod:
    """A period on a tier: a row of `loyalty_tier_history`."""

    campaign_id: str
    period: int
    campaign_name: str | None
    tier_id: str
    tier_name: str | None
    previous_tier_id: str | None
    joined_at: datetime | None
    #: Null if no event shows the beginning.
    valid_from: datetime | None
    #: Null while the period lasts.
    valid_to: datetime | None
    opened_by: str | None
    closed_by: str | None
    #: The time of the look at the source that shows the beginning, or the end if there is one;
    #: null if an event shows it.
    seen_at: datetime | None


@frozen(kw_only=True)
class Timeline:
    """A customer's story, as it was known at a position of the log."""

    project_id: str
    customer_id: str
    #: The periods in segments, and those on tiers: of each segment and campaign the newest ones.
    segments: tuple[SegmentPeriod, ...]
    tiers: tuple[TierPeriod, ...]
    #: A page of the events, the newest first.
    events: tuple[StoryEvent, ...]
    #: The cursor to give as `after` for the next page; None on the last page.
    next: str | None
    #: The number of all events; of a customer with very many that of table `customer`, which leaves
    #: out those that it could not fold, and those of this program. What the source said when it was
    #: asked is no such event.
    event_count: int
    #: The proofs that deliveries were lost, in canonical order: of all events, or only of those on
    #: the page if the customer has very many.
    losses: tuple[Loss, ...]
    losses_are_all: bool
    #: The events that could not be folded, as known now, by position.
    dead_letters: tuple[SkippedEvent, ...]
    #: The position of the log up to which it reflects every event.
    position: int
