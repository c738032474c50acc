"""The projections: one module each, found by `discover()`. PURE.

A module is read from top to bottom: Row, State, how each fact changes it, to_rows, from_rows,
PROJECTION. Packages of users register theirs under the entry-point group `projector.projections`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from projector.errors import ProjectionUnknown
from projector.projections.projection import Projection

__all__ = ["discover", "named", "own"]


@cache
def own() -> tuple[Projection, ...]:
    """The projections of this package, by name: each module that has a PROJECTION."""
    modules = (
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    )
    found = [module.PROJECTION for module in modules if hasattr(module, "PROJECTION")]
    return tuple(sorted(found, key=lambda projection: projection.name))


@cache
def discover() -> tuple[Projection, ...]:
    """Every projection, those of this package first, by name."""
    registered = [entry.load() for entry in entry_points(group="projector.projections")]
    return (*own(), *sorted(registered, key=lambda projection: projection.name))


def named(names: list[str]) -> list[Projection]:
    """The projections of these names, each once, all of them for none; raises ProjectionUnknown."""
    by_name = {projection.name: projection for projection in discover()}
    for name in names:
        if name not in by_name:
            raise ProjectionUnknown(name=name, known=", ".join(by_name))
    return [by_name[name] for name in dict.fromkeys(names)] if names else list(by_name.values())
