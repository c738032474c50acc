"""What the purges of both databases have in common: their results."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

#: A function that receives the phase, the number of its steps that are done, and their total.
OnProgress = Callable[[str, int, int], None]


@frozen(kw_only=True)
class Cleaning:
    """The result of a purge of the files of a database."""

    #: Whether the file, or the tables on Postgres, were written anew.
    is_full: bool
    #: The bytes that were overwritten, or written anew.
    bytes: int
    #: What is left, as sentences.
    left: tuple[str, ...]


@frozen(kw_only=True)
class Part:
    """A file or a table that a full purge writes anew."""

    name: str
    bytes: int
