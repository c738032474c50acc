"""What the tables must hold, told in the simplest way: sort the events, fold them in memory."""

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve, frozen
from msgspec.structs import astuple

from projector.envelope import CanonicalKey, Envelope
from projector.facts.codec import decode
from projector.facts.events import FACTS, SegmentEntered, SegmentLeft
from projector.projections import discover, segment_membership
from projector.projections.projection import Projection

DeadLetterKey = tuple[str, str, str]


@frozen
class Truth:
    """The rows of each projection, as text and sorted, and the dead letters."""

    rows: dict[str, list[str]]
    dead_letters: list[DeadLetterKey]


def truth(projections: Sequence[Projection], events: Iterable[Envelope]) -> Truth:
    """What projections make of distinct events."""
    rows: dict[str, list[str]] = {projection.name: [] for projection in projections}
    letters: list[DeadLetterKey] = []
    streams: dict[tuple[str, str | None], list[Envelope]] = {}
    for each in events:
        streams.setdefault((each.project_id, each.customer_id), []).append(each)
    for customer, stream in streams.items():
        stream.sort(key=lambda each: (each.occurred_at, each.event_id.encode()))
        for projection in projections:
            state, refused = _fold(projection, stream)
            found = projection.to_rows(state)
            rows[projection.name] += [repr((*customer, *astuple(row))) for row in found]
            letters += [(projection.name, each.project_id, each.event_id) for each in refused]
    return Truth({name: sorted(found) for name, found in rows.items()}, sorted(letters))


def _fold(projection: Projection, stream: Sequence[Envelope]) -> tuple[Any, list[Envelope]]:
    state, refused = projection.initial, []
    for each in stream:
        if FACTS.get(each.type) not in projection.evolvers:
            continue
        try:
            fact = decode(each)
            state = projection.evolvers[type(fact)](state, fact, each.key)  # type: ignore[index]
        except ValueError:
            refused.append(each)
    return state, refused


class Refused(ValueError):
    """A fold that does not take everything raises this."""


_TAKES = segment_membership.PROJECTION.evolvers


def _entered(state: Any, fact: Any, key: CanonicalKey) -> Any:
    if any(row.is_member for row in state.values() if row.segment_id != fact.segment.id):
        raise Refused("nobody enters who is elsewhere")
    return _TAKES[SegmentEntered](state, fact, key)


def _left(state: Any, fact: Any, key: CanonicalKey) -> Any:
    if fact.segment.id not in state or not state[fact.segment.id].is_member:
        raise Refused("nobody leaves who is not there")
    return _TAKES[SegmentLeft](state, fact, key)


_FUSSY = {SegmentEntered: _entered, SegmentLeft: _left}

#: The projections, one of which refuses facts: which ones, depends on what came before them.
FUSSY = [
    evolve(each, evolvers={**each.evolvers, **_FUSSY})
    if each.name == "segment_membership"
    else each
    for each in discover()
]
