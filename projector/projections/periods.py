"""A customer's stints in one place, newest first. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Generic, TypeVar

from attrs import frozen

from projector.projections.quick import quick

Stint = TypeVar("Stint")


@quick
@frozen(eq=False)
class Stints(Generic[Stint]):
    """The last stint, and those before it.

    A linked list, for a customer may have 100,000 stints in one segment: to put one more on top
    copies nothing, and what was there before is still there.
    """

    last: Stint
    earlier: Stints[Stint] | None

    def __iter__(self) -> Iterator[Stint]:
        """Each stint, the last one first."""
        stints: Stints[Stint] | None = self
        while stints is not None:
            yield stints.last
            stints = stints.earlier

    def __eq__(self, other: object) -> bool:
        # One stint after the other: to compare `earlier` would go as deep as there are stints.
        return list(self) == list(other) if isinstance(other, Stints) else NotImplemented


def to_rows(state: Mapping[str, Stints[Stint]]) -> list[Stint]:
    """One row a stint, in each place from the first one to the last."""
    rows: list[Stint] = []
    # From the end, and turned round: a list of lists would cost four times as much.
    for newest_first in reversed([*state.values()]):
        stints: Stints[Stint] | None = newest_first
        while stints is not None:
            rows.append(stints.last)
            stints = stints.earlier
    rows.reverse()
    return rows


def from_rows(rows: Iterable[Stint], place: Callable[[Stint], str]) -> dict[str, Stints[Stint]]:
    """The inverse of to_rows: rows have a number, `stint`; `place` says where each was."""
    state: dict[str, Stints[Stint]] = {}
    for row in sorted(rows, key=attrgetter("stint")):
        at = place(row)
        state[at] = Stints(row, state.get(at))
    return state
