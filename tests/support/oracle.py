"""Computes the expected tables in the simplest way: sort the events, and fold them in memory."""

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve, frozen
from msgspec.structs import astuple

from projector.envelope import CanonicalKey, Envelope
from projector.facts.codec import decode
from projector.facts.events import CustomerFact, SegmentEntered, SegmentLeft, UndecodableFact
from projector.facts.observations import OBSERVATIONS
from projector.facts.registry import OWN_FACTS
from projector.projections import discover, segment_membership
from projector.projections.projection import Projection

DeadLetterKey = tuple[str, str, str]


@frozen
class Truth:
    """The expected rows of each projection, as sorted texts, and the expected dead letters."""

    rows: dict[str, list[str]]
    dead_letters: list[DeadLetterKey]


def truth(projections: Sequence[Projection], events: Iterable[Envelope]) -> Truth:
    """Compute the rows and dead letters of distinct events."""
    rows: dict[str, list[str]] = {projection.name: [] for projection in projections}
    dead_letters: list[DeadLetterKey] = []
    streams: dict[tuple[str, str | None], list[Envelope]] = {}
    for each in events:
        streams.setdefault((each.project_id, each.customer_id), []).append(each)
    for customer, stream in streams.items():
        stream.sort(key=lambda each: (each.occurred_at, each.event_id.encode()))
        for projection in projections:
            state, refused = _fold(projection, stream)
            found = projection.to_rows(state)
            rows[projection.name] += [repr((*customer, *astuple(row))) for row in found]
            dead_letters += [(projection.name, each.project_id, each.event_id) for each in refused]
    return Truth({name: sorted(found) for name, found in rows.items()}, sorted(dead_letters))


def _fold(projection: Projection, stream: Sequence[Envelope]) -> tuple[Any, list[Envelope]]:
    state, refused = projection.initial, []
    for each in stream:
        promised = OWN_FACTS.get(each.type, CustomerFact)
        fact = decode(each)
        evolver = projection.evolvers.get(promised)
        if evolver is None and each.type not in OBSERVATIONS:
            evolver = projection.evolvers.get(CustomerFact)
        if fact is None or evolver is None:
            continue
        if isinstance(fact, UndecodableFact):
            if promised in projection.evolvers or fact.readable is None:
                refused.append(each)
                continue
            fact = fact.readable
        try:
            state = evolver(state, fact, each.key)
        except ValueError:
            refused.append(each)
    return state, refused


class Refused(ValueError):
    """The error with which the fussy evolvers refuse a fact."""


_ORIGINAL = segment_membership.PROJECTION.evolvers


def _entered(state: Any, fact: Any, key: CanonicalKey) -> Any:
    if any(row.is_member for row in state.values() if row.segment_id != fact.segment.id):
        raise Refused("the customer is a member of another segment")
    return _ORIGINAL[SegmentEntered](state, fact, key)


def _left(state: Any, fact: Any, key: CanonicalKey) -> Any:
    if fact.segment.id not in state or not state[fact.segment.id].is_member:
        raise Refused("the customer is not a member of the segment")
    return _ORIGINAL[SegmentLeft](state, fact, key)


_FUSSY = {SegmentEntered: _entered, SegmentLeft: _left}

#: The projections, with a `segment_membership` whose evolvers refuse some facts, depending on the
#: state.
FUSSY = [
    evolve(each, evolvers={**each.evolvers, **_FUSSY})
    if each.name == "segment_membership"
    else each
    for each in discover()
]
