"""Describes a file of an archive, as a listing has it."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Entry:
    """A file: its name within the archive, its size in bytes, and its age in seconds."""

    name: str
    size: int
    age: float
