"""Pairs a projection that is being rebuilt with its shadow. PURE."""

from __future__ import annotations

from functools import cache

from attrs import evolve, frozen

from projector.projections.projection import Projection

#: The suffix of the name of a shadow: the table that a rebuild fills, with its own checkpoint and
#: dead letters.
SHADOW = "_shadow"

#: The suffix of the name of a table that a shadow has replaced, until it is dropped.
REPLACED = "_replaced"


@frozen(eq=False)
class Rebuilding:
    """A projection that is being rebuilt, with the shadow that replaces it in the end."""

    live: Projection
    shadow: Projection

    @property
    def replaced_name(self) -> str:
        """The name of the live table after the swap, until it is dropped."""
        return self.live.name + REPLACED


@cache
def rebuilding(live: Projection) -> Rebuilding:
    """Return a projection with its shadow; every call returns the same pair."""
    return Rebuilding(live, evolve(live, name=live.name + SHADOW))
