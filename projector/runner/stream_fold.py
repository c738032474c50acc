"""Folds one stream in canonical order, and takes snapshots on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import define, field

from projector.envelope import CanonicalKey
from projector.projections.projection import Failure, KeyedFact, Projection, Row, State, fold
from projector.projections.snapshots import TakenSnapshot, is_due, pack
from projector.runner.isolation import blaming

#: A number that exceeds every position.
_BEHIND_ALL = 2**63


@define
class StreamFold:
    """The result of folding a stream into the states of some projections."""

    states: list[State]
    #: For each projection the rows of a history that were taken out of its state.
    finished: list[list[Row]]
    #: For each projection, in no particular order.
    snapshots: list[list[TakenSnapshot]]
    failures: list[Failure] = field(factory=list)


@define
class _Place:
    """A place in a stream at which snapshots are taken."""

    key: CanonicalKey
    #: The greatest position of the events that were folded up to here.
    highest: int
    #: The packed state of each projection.
    states: list[str]
    #: The least position of the events from here up to the next place.
    lowest_behind: int = _BEHIND_ALL


def fold_stream(
    projections: Sequence[Projection],
    states: Sequence[State],
    stream_id: int,
    facts: Iterable[KeyedFact],
    *,
    complete_at: Sequence[int],
) -> StreamFold:
    """Fold all facts of a stream, or all behind a key, and take the snapshots that are due.

    `complete_at` has for each projection the greatest position of the events in its state, or 0.
    """
    result = StreamFold(list(states), [[] for _ in projections], [[] for _ in projections])
    rest = iter(facts)
    places: list[_Place] = []
    highest = 0
    while True:
        piece = _Piece(rest)
        result.states, failures = fold(projections, result.states, piece)
        result.failures += failures
        highest = max(highest, piece.highest)
        if places:
            places[-1].lowest_behind = piece.lowest
        if piece.due is None:
            break
        packed = [_pack(result, index, each) for index, each in enumerate(projections)]
        places.append(_Place(piece.due, highest, packed))
    # The stream's later events have greater positions than all of these.
    tail_after = highest
    for place in reversed(places):
        tail_after = min(tail_after, place.lowest_behind - 1)
        for index, state in enumerate(place.states):
            known = max(place.highest, complete_at[index])
            result.snapshots[index].append(
                TakenSnapshot(stream_id, place.key, known, tail_after, state)
            )
    return result


def _pack(result: StreamFold, index: int, projection: Projection) -> str:
    with blaming(projection):
        state, result.states[index], finished = pack(projection, result.states[index])
    result.finished[index] += finished
    return state


class _Piece:
    """The facts up to the next one behind which a snapshot is due; to be iterated once."""

    def __init__(self, facts: Iterator[KeyedFact]) -> None:
        self._facts = facts
        #: The key of the last fact if a snapshot is due behind it, or None; set in the end.
        self.due: CanonicalKey | None = None
        self.lowest = _BEHIND_ALL
        self.highest = 0

    def __iter__(self) -> Iterator[KeyedFact]:
        for keyed in self._facts:
            key, _, position = keyed
            self.lowest = min(self.lowest, position)
            self.highest = max(self.highest, position)
            yield keyed
            if is_due(position):
                self.due = key
                return
