"""Discovers the projections, which have a module each.

Such a module reads from top to bottom: Row, State, an evolver per fact, to_rows, from_rows,
PROJECTION. Other packages register theirs under the entry-point group `projector.projections`.

The other modules: `projection` defines the class Projection and the fold, `periods` a part of the
states of histories, `groups` the two kinds of group (segments and tiers), and `rebuilding` pairs a
projection with its shadow.
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
from projector.facts.events import CustomerFact
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
    projections = [module.PROJECTION for module in modules if hasattr(module, "PROJECTION")]
    return tuple(sorted(projections, key=lambda projection: projection.name))


def is_own(name: str) -> bool:
    """Return whether this package has a projection `name`: then a migration creates its table."""
    return any(each.name == name for each in own())


def discover() -> tuple[Projection, ...]:
    """Return all usable projections: this package's, then those of others, each part by name."""
    return (*own(), *_registered().projections)


def broken() -> tuple[Plugin, ...]:
    """Return the plug-ins whose projection cannot be used, each with its error."""
    return _registered().broken


def named(names: list[str]) -> list[Projection]:
    """Look up projections by name, without repetitions; return all if `names` is empty.

    Raises ProjectionUnknown for a name that no usable projection has.
    """
    by_name = {projection.name: projection for projection in discover()}
    for name in names:
        if name not in by_name:
            raise ProjectionUnknown(name=name, known=", ".join(by_name))
    return [by_name[name] for name in dict.fromkeys(names)] if names else list(by_name.values())


def _known_facts() -> set[type[CustomerFact]]:
    """Return the classes of facts that a projection can have an evolver for."""
    return {CustomerFact, *facts().values()}


@cache
def _registered() -> _Registered:
    """Load the projections of other packages; of two with the same name the first is used."""
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
            error = f"The name {value.name!r} is reserved for the tables of a rebuild."
            unusable.append(evolve(plugin, error=error))
        elif value.name in owners:
            error = f"{owners[value.name]} has a projection {value.name!r} already."
            unusable.append(evolve(plugin, error=error))
        elif missing := [each.__name__ for each in value.evolvers if each not in _known_facts()]:
            error = f"It reads facts that are not registered: {', '.join(missing)}."
            causes = [str(each.error) for each in registry.broken()]
            unusable.append(evolve(plugin, error=" ".join([error, *causes])))
        else:
            owners[value.name] = plugin.package
            projections.append(value)
    projections.sort(key=lambda projection: projection.name)
    return _Registered(tuple(projections), tuple(unusable))
