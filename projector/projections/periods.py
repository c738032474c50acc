"""A customer's periods in one place, newest first. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Generic, TypeVar

from msgspec import Struct

Period = TypeVar("Period")


class Periods(Struct, Generic[Period], frozen=True, eq=False):
    """The last period, and those before it.

    A linked list, for a customer may have 100,000 periods in one segment: to put one more on top
    copies nothing, and what was there before is still there.
    """

    last: Period
    earlier: Periods[Period] | None

    def __iter__(self) -> Iterator[Period]:
        """Each period, the last one first."""
        periods: Periods[Period] | None = self
        while periods is not None:
            yield periods.last
            periods = periods.earlier

    def __eq__(self, other: object) -> bool:
        # One period after the other: to compare `earlier` would go as deep as there are periods.
        return list(self) == list(other) if isinstance(other, Periods) else NotImplemented


def to_rows(state: Mapping[str, Periods[Period]]) -> list[Period]:
    """One row a period, in each place from the first one to the last."""
    rows: list[Period] = []
    # From the end, and turned round: a list of lists would cost four times as much.
    for newest_first in reversed([*state.values()]):
        periods: Periods[Period] | None = newest_first
        while periods is not None:
            rows.append(periods.last)
            periods = periods.earlier
    rows.reverse()
    return rows


def from_rows(rows: Iterable[Period], place: Callable[[Period], str]) -> dict[str, Periods[Period]]:
    """The inverse of to_rows: rows have a number, `period`; `place` says where each was."""
    state: dict[str, Periods[Period]] = {}
    for row in sorted(rows, key=attrgetter("period")):
        at = place(row)
        state[at] = Periods(row, state.get(at))
    return state
