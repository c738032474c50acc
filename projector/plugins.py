"""Entry points: what other packages register with this program."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from attrs import frozen

#: The groups under which packages register facts and projections.
FACTS_GROUP = "projector.facts"
PROJECTIONS_GROUP = "projector.projections"


@frozen(kw_only=True)
class Plugin:
    """One entry point of another package, loaded."""

    #: The name of the entry point.
    name: str
    #: The package that registers it, for messages.
    package: str
    #: The object that it refers to; None if it could not be loaded.
    value: object
    #: Why it could not be loaded, as a sentence; None if it could.
    error: str | None


def load(group: str) -> list[Plugin]:
    """Load the entry points of a group, by name; one that cannot be loaded has an error."""
    found = sorted(_entry_points().select(group=group), key=lambda entry: entry.name)
    return [_load(entry) for entry in found]


@cache
def _entry_points() -> Any:
    """Read the metadata of all installed packages: once, because it takes some milliseconds."""
    return entry_points()


def _load(entry: EntryPoint) -> Plugin:
    package = entry.dist.name if entry.dist is not None else entry.value
    try:
        value, error = entry.load(), None
    except Exception as problem:  # a package may do anything while it is imported
        value, error = None, f"{entry.value} cannot be loaded: {type(problem).__name__}: {problem}"
    return Plugin(name=entry.name, package=package, value=value, error=error)
