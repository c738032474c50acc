"""The reference: one stream after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from projector.batch import Change, fold_streams
from projector.events import FACTS
from projector.store import log
from replay.plan import Plan


def run(connection: Connection, plan: Plan) -> Iterator[list[Change]]:
    """Fold the streams of each range, then the events that are in none."""
    for each in plan.ranges:
        events = log.read_stream_range(
            connection, after=each.after, last=each.last, until=plan.until
        )
        yield fold_streams(plan.projections, events)
    yield fold_streams(plan.projections, log.read_streamless(connection, FACTS, until=plan.until))
