"""The facts by event type: those of this package, and those that other packages register. PURE.

A package registers a `Fact`, or several, under the entry-point group `projector.facts`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from attrs import evolve, frozen

from projector import plugins
from projector.errors import FactClaimedTwice
from projector.facts.events import FACTS, CustomerFact
from projector.plugins import Plugin

_OWN = "customer-state-projector"

FactClass = type[CustomerFact]


@frozen(kw_only=True)
class Fact:
    """A class of facts, and the type of the events that state one."""

    #: Such as `customer.voucher.redeemed`.
    type: str
    #: A frozen attrs class with the shape of the event's `data`, as far as a fold reads it.
    cls: FactClass


@cache
def facts() -> dict[str, type[CustomerFact]]:
    """Return the class of facts for each event type; raises FactClaimedTwice."""
    found = dict(FACTS)
    owners = dict.fromkeys(FACTS, _OWN)
    for plugin in _plugins():
        for fact in _facts_of(plugin):
            if fact.type in found:
                raise FactClaimedTwice(type=fact.type, one=owners[fact.type], other=plugin.package)
            found[fact.type], owners[fact.type] = fact.cls, plugin.package
    return found


@cache
def broken() -> tuple[Plugin, ...]:
    """Return the plug-ins whose facts could not be loaded, each with its error."""
    return tuple(each for each in _plugins() if each.error is not None)


@cache
def _plugins() -> tuple[Plugin, ...]:
    return tuple(map(_checked, plugins.load(plugins.FACTS_GROUP)))


def _checked(plugin: Plugin) -> Plugin:
    """The plug-in; with an error, if it is neither a Fact nor a collection of them."""
    if plugin.error is None and not all(isinstance(each, Fact) for each in _values(plugin)):
        return evolve(plugin, error=f"{plugin.name} is neither a Fact nor a list of them.")
    return plugin


def _facts_of(plugin: Plugin) -> list[Fact]:
    return [] if plugin.error is not None else _values(plugin)


def _values(plugin: Plugin) -> list[Any]:
    value = plugin.value
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
