"""Registers facts by event type: the built-in ones and those of other packages.

A package registers a `Fact`, or a list of them, under the entry-point group `projector.facts`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from attrs import evolve, frozen

from projector import plugins
from projector.errors import FactClaimedTwice
from projector.facts.events import FACTS, CustomerFact
from projector.facts.observations import OBSERVATIONS
from projector.plugins import Plugin

_OWN = "customer-state-projector"

#: The beginning of the types of events that this program writes itself.
OWN_TYPES = "projector."

FactClass = type[CustomerFact]

#: The classes of facts of this package by event type: what happened, and what the source said.
OWN_FACTS: dict[str, FactClass] = {**FACTS, **OBSERVATIONS}


@frozen(kw_only=True)
class Fact:
    """A class of facts with its event type."""

    #: The event type, such as `customer.voucher.redeemed`.
    type: str
    #: A frozen attrs class with the shape of the event's `data`, as far as a fold reads it.
    cls: FactClass


@cache
def facts() -> dict[str, type[CustomerFact]]:
    """Return the class of facts of each event type.

    Raises FactClaimedTwice if two packages register the same event type.
    """
    by_type = dict(OWN_FACTS)
    owners = dict.fromkeys(OWN_FACTS, _OWN)
    for plugin in _plugins():
        for fact in _facts_of(plugin):
            if fact.type in by_type:
                raise FactClaimedTwice(type=fact.type, one=owners[fact.type], other=plugin.package)
            by_type[fact.type], owners[fact.type] = fact.cls, plugin.package
    return by_type


def class_of(type_: str) -> FactClass | None:
    """Return the class of facts of an event type; None for a type of this program's own events."""
    found = facts().get(type_)
    if found is None and not type_.startswith(OWN_TYPES):
        return CustomerFact
    return found


@cache
def broken() -> tuple[Plugin, ...]:
    """Return the plug-ins whose facts could not be loaded, each with its error."""
    return tuple(each for each in _plugins() if each.error is not None)


@cache
def _plugins() -> tuple[Plugin, ...]:
    return tuple(map(_checked, plugins.load(plugins.FACTS_GROUP)))


def _checked(plugin: Plugin) -> Plugin:
    """Return the plug-in, with an error if its value is neither a Fact nor a list of them."""
    if plugin.error is None and not all(isinstance(each, Fact) for each in _values(plugin)):
        return evolve(plugin, error=f"{plugin.name} is neither a Fact nor a list of them.")
    return plugin


def _facts_of(plugin: Plugin) -> list[Fact]:
    return [] if plugin.error is not None else _values(plugin)


def _values(plugin: Plugin) -> list[Any]:
    value = plugin.value
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
