"""A customer's stints in one place, newest first. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from attrs import frozen

from projector.quick import quick

Stint = TypeVar("Stint")


@quick
@frozen(eq=False)
class Stints(Generic[Stint]):
    """The last stint, and those before it.

    A linked list, for a customer may have 100,000 stints in one segment: to put one more on top
    copies nothing, and what was there before is still there.
    """

    last: Stint
    earlier: Stints[Stint] | None = None

    def __iter__(self) -> Iterator[Stint]:
        """Each stint, the last one first."""
        stints: Stints[Stint] | None = self
        while stints is not None:
            yield stints.last
            stints = stints.earlier

    def __eq__(self, other: object) -> bool:
        # One stint after the other: to compare `earlier` would go as deep as there are stints.
        return list(self) == list(other) if isinstance(other, Stints) else NotImplemented
