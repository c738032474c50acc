"""The projections: a module each, found by `discover()`. PURE.

A module is read from top to bottom: Row, State, how each fact changes the state, to_rows,
from_rows, PROJECTION. Other packages register theirs under the entry-point group
`projector.projections`. `projection` says what a projection is and folds facts, `periods` are part
of some states, `groups` are segments and tiers, `rebuilding` pairs a projection with its shadow.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import NamedTuple

from attrs import evolve

from projector import plugins
from projector.errors import ProjectionUnknown
from projector.facts import registry
from projector.facts.registry import facts
from projector.plugins import Plugin
from projector.projections.projection import Projection
from projector.projections.rebuilding import REPLACED, SHADOW

__all__ = ["broken", "discover", "is_own", "named", "own"]


class _Registered(NamedTuple):
    projections: tuple[Projection, ...]
    broken: tuple[Plugin, ...]


@cache
def own() -> tuple[Projection, ...]:
    """Return the projections of this package, by name: one for each module with a PROJECTION."""
    modules = (
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    )
    found = [module.PROJECTION for module in modules if hasattr(module, "PROJECTION")]
    return tuple(sorted(found, key=lambda projection: projection.name))


def is_own(name: str) -> bool:
    """Whether a projection of this package has that name: then the migrations make its table."""
    return any(each.name == name for each in own())


def discover() -> tuple[Projection, ...]:
    """Return every projection that can be loaded: this package's first, then others', by name."""
    return (*own(), *_registered().projections)


def broken() -> tuple[Plugin, ...]:
    """Return the plug-ins whose projection could not be loaded, each with its error."""
    return _registered().broken


def named(names: list[str]) -> list[Projection]:
    """Look projections up by name, each once; all of them for no names.

    Raises ProjectionUnknown.
    """
    by_name = {projection.name: projection for projection in discover()}
    for name in names:
        if name not in by_name:
            raise ProjectionUnknown(name=name, known=", ".join(by_name))
    return [by_name[name] for name in dict.fromkeys(names)] if names else list(by_name.values())


@cache
def _registered() -> _Registered:
    """Load the projections of other packages; the first of two that share a name is taken."""
    owners = {each.name: "customer-state-projector" for each in own()}
    projections: list[Projection] = []
    unusable: list[Plugin] = []
    for plugin in plugins.load(plugins.PROJECTIONS_GROUP):
        value = plugin.value
        if plugin.error is not None:
            unusable.append(plugin)
        elif not isinstance(value, Projection):
            unusable.append(evolve(plugin, error=f"{plugin.name} is not a Projection."))
        elif value.name.endswith((SHADOW, REPLACED)):
            error = f"The name {value.name!r} is reserved: it ends as those of a rebuild's tables."
            unusable.append(evolve(plugin, error=error))
        elif value.name in owners:
            error = f"{owners[value.name]} has a projection {value.name!r} already."
            unusable.append(evolve(plugin, error=error))
        elif unread := [each.__name__ for each in value.evolvers if each not in facts().values()]:
            error = f"It reads facts that are not registered: {', '.join(unread)}."
            causes = [str(each.error) for each in registry.broken()]
            unusable.append(evolve(plugin, error=" ".join([error, *causes])))
        else:
            owners[value.name] = plugin.package
            projections.append(value)
    projections.sort(key=lambda projection: projection.name)
    return _Registered(tuple(projections), tuple(unusable))
