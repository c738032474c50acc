"""What a rebuild has to do. PURE."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from projector.projections.projection import Projection
from projector.projections.rebuilding import Rebuilding

#: How many events are read in one go.
RANGE_EVENTS_MAX = 20_000

#: How many events one bucket has, about: they are sorted in memory.
BUCKET_EVENTS = 20_000

#: How many buckets there are at the most; beyond that they grow with the log.
BUCKETS_MAX = 1_000


@frozen
class PositionRange:
    """The events of positions after < position <= last."""

    after: int
    last: int


@frozen(kw_only=True)
class RebuildPlan:
    """Which projections, up to which position, cut how."""

    pairs: tuple[Rebuilding, ...]
    until: int
    #: As many streams there are, or a few more.
    streams: int

    @property
    def shadows(self) -> tuple[Projection, ...]:
        """The projections whose tables are to be filled."""
        return tuple(each.shadow for each in self.pairs)

    @property
    def buckets(self) -> int:
        """Into how many buckets of about as many streams each the streams are divided."""
        return max(1, min(-(-self.until // BUCKET_EVENTS), BUCKETS_MAX, self.streams))

    def ranges(self) -> Iterator[PositionRange]:
        """All positions, cut."""
        for after in range(0, self.until, RANGE_EVENTS_MAX):
            yield PositionRange(after, min(after + RANGE_EVENTS_MAX, self.until))
