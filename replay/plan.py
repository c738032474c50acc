"""Plans a rebuild: its projections, last position, position ranges and buckets. PURE."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from projector.projections.projection import Projection
from projector.projections.rebuilding import Rebuilding

#: The number of events in a range, which a worker scans in one go.
RANGE_EVENTS_MAX = 20_000

#: The approximate number of events in a bucket, which a worker sorts in memory.
BUCKET_EVENTS = 20_000

#: The maximum number of buckets; in a larger log, buckets have more events instead.
BUCKETS_MAX = 1_000


@frozen
class PositionRange:
    """A half-open range of positions: after < position <= last."""

    after: int
    last: int


@frozen(kw_only=True)
class RebuildPlan:
    """The projections to rebuild, the last position to fold, and the partitioning of the log."""

    pairs: tuple[Rebuilding, ...]
    until: int
    #: The number of streams in the log: an upper bound of those with events up to `until`.
    streams: int

    @property
    def shadows(self) -> tuple[Projection, ...]:
        """The shadow projections, whose tables the engine fills."""
        return tuple(each.shadow for each in self.pairs)

    @property
    def buckets(self) -> int:
        """The number of buckets, each of about the same number of streams."""
        return max(1, min(-(-self.until // BUCKET_EVENTS), BUCKETS_MAX, self.streams))

    def ranges(self) -> Iterator[PositionRange]:
        """Divide the positions 1 to `until` into ranges of RANGE_EVENTS_MAX."""
        for after in range(0, self.until, RANGE_EVENTS_MAX):
            yield PositionRange(after, min(after + RANGE_EVENTS_MAX, self.until))
