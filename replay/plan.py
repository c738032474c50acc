"""What a rebuild has to do. PURE."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from projector.fold import Projection

#: How many streams are folded in one go.
STREAMS_MAX = 1_000


@frozen
class StreamRange:
    """The streams of ids after < stream_id <= last."""

    after: int
    last: int


@frozen(kw_only=True)
class Plan:
    """Which projections, up to which position, cut into which ranges of streams."""

    projections: tuple[Projection, ...]
    until: int
    ranges: tuple[StreamRange, ...]


def make_plan(
    projections: Sequence[Projection],
    *,
    until: int,
    last_stream_id: int,
    streams_max: int = STREAMS_MAX,
) -> Plan:
    """Cut the streams 1 to last_stream_id into ranges of at most streams_max."""
    starts = range(0, last_stream_id, streams_max)
    return Plan(
        projections=tuple(projections),
        until=until,
        ranges=tuple(
            StreamRange(start, min(start + streams_max, last_stream_id)) for start in starts
        ),
    )
