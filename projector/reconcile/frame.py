"""The frame of a comparison: which segments, campaigns and tiers there are. PURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property

from attrs import field, frozen

from projector.reconcile.options import Segments
from projector.voucherify.objects import SourceCampaign, SourceSegment


@frozen(kw_only=True, slots=False)
class Frame:
    """The segments, campaigns and tiers of a source; a file tells nothing of them."""

    #: By id; None if they are not known.
    segments: Mapping[str, SourceSegment] | None = None
    campaigns: Mapping[str, SourceCampaign] = field(factory=dict)
    #: The ids of tiers by campaign.
    tiers: Mapping[str, frozenset[str]] = field(factory=dict)
    #: The segments whose first computation goes on, so that being out of one means nothing.
    unsynced: frozenset[str] = frozenset()
    #: Whether these are all campaigns.
    has_all_campaigns: bool = False

    @cached_property
    def silent(self) -> frozenset[str]:
        """The segments of which no event is ever sent."""
        found = (self.segments or {}).values()
        return frozenset(each.segment_id for each in found if not each.is_announced)

    def is_silent(self, segment_id: str) -> bool:
        """Return whether no event of a segment is ever sent."""
        return segment_id in self.silent

    def is_segment_deleted(self, segment_id: str) -> bool:
        """Return whether a segment does not exist any more."""
        return self.segments is not None and segment_id not in self.segments

    def is_tier_deleted(self, tier_id: str) -> bool:
        """Return whether a tier does not exist any more."""
        return self.has_all_campaigns and not any(tier_id in each for each in self.tiers.values())

    def scope(
        self, chosen: Segments | tuple[str, ...], ours: frozenset[str]
    ) -> frozenset[str] | None:
        """Return the segments to compare of a customer, who has rows in some; None for all."""
        if not isinstance(chosen, Segments):
            return frozenset(chosen)
        if chosen is Segments.ALL or self.segments is None:
            return None
        return (frozenset(self.segments) | ours) - self.silent

    @cached_property
    def campaigns_by_name(self) -> dict[str, str]:
        """The ids of campaigns by name, without names that two of them share."""
        names = Counter(each.name for each in self.campaigns.values())
        return {
            each.name: each.campaign_id
            for each in self.campaigns.values()
            if each.name is not None and names[each.name] == 1
        }

    @cached_property
    def with_tiers(self) -> tuple[SourceCampaign, ...]:
        """The campaigns that have tiers, by id."""
        return tuple(
            self.campaigns[each] for each in sorted(self.campaigns) if self.tiers.get(each)
        )
