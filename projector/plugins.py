"""Loads the plug-ins that other packages register as entry points."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from attrs import frozen

#: The entry-point groups under which packages register facts and projections.
FACTS_GROUP = "projector.facts"
PROJECTIONS_GROUP = "projector.projections"


@frozen(kw_only=True)
class Plugin:
    """An entry point of another package: its value, or the error that made it unusable."""

    #: The name of the entry point.
    name: str
    #: The distribution that registers it, for messages.
    package: str
    #: The object that the entry point refers to; None if it could not be loaded.
    value: object
    #: The reason why it cannot be used, as a sentence; None if it can.
    error: str | None


def load(group: str) -> list[Plugin]:
    """Load the entry points of a group, in the order of their names.

    One that cannot be loaded has an error in place of a value.
    """
    entries = sorted(_entry_points().select(group=group), key=lambda entry: entry.name)
    return [_load(entry) for entry in entries]


@cache
def _entry_points() -> Any:
    """Read the metadata of all installed packages, once, because it takes some milliseconds."""
    return entry_points()


def _load(entry: EntryPoint) -> Plugin:
    package = entry.dist.name if entry.dist is not None else entry.value
    try:
        value, error = entry.load(), None
    except Exception as problem:  # importing another package may raise anything
        value, error = None, f"{entry.value} cannot be loaded: {type(problem).__name__}: {problem}"
    return Plugin(name=entry.name, package=package, value=value, error=error)
