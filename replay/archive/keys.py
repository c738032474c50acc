"""Reads the keys of an encrypted archive from the database or a file, and writes them to a file.

A file of keys opens all of the archive. It is for the case that the database is lost, with all of
its backups: an archive without keys is lost, too. The file also has the erasures, so that a key
that is missing is not taken for one that was destroyed.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

import msgspec

from projector.errors import (
    ArchiveKeysUnreadable,
    KeyExists,
    KeyExposed,
    NoArchiveKeys,
    OutputUnwritable,
)
from projector.store.database import Database
from projector.store.erasure import archive_keys, told
from projector.store.erasure.key_tree import KEY_BYTES, POSITION_MAX, Node
from projector.store.erasure.told import ToldErasure

FORMAT = "customer-state-projector/archive-keys"
_SCHEMA = 1


class Keys(Protocol):
    """Where the keys of an archive are."""

    def read(self, first: int, last: int) -> Sequence[Node]:
        """Return the nodes that cover positions from `first` to `last`, in order."""


class DatabaseKeys:
    """The keys in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, first: int, last: int) -> Sequence[Node]:
        """Return the nodes that cover positions from `first` to `last`, in order."""
        with self._database.reading() as connection:
            return archive_keys.read(connection, first, last)


class FileKeys:
    """The keys of a file, in memory."""

    def __init__(self, nodes: Sequence[Node], erasures: Sequence[ToldErasure]) -> None:
        #: All of them, in order.
        self.nodes = nodes
        #: The erasures up to the time when the file was written.
        self.erasures = erasures
        self._firsts = [node.first for node in nodes]

    def read(self, first: int, last: int) -> Sequence[Node]:
        """Return the nodes that cover positions from `first` to `last`, in order."""
        begin = max(bisect_right(self._firsts, first) - 1, 0)
        return [
            node
            for node in self.nodes[begin : bisect_right(self._firsts, last)]
            if node.last >= first
        ]


class _Line(msgspec.Struct, frozen=True):
    first: int
    last: int
    key: bytes


class _Content(msgspec.Struct, frozen=True):
    format: str
    schema: int
    keys: list[_Line]
    erasures: list[ToldErasure]


_decode = msgspec.json.Decoder(_Content).decode


def write_file(database: Database, path: str) -> int:
    """Write the keys of a database to a new file that only its owner can read; return their number.

    Raises NoArchiveKeys, KeyExists or OutputUnwritable.
    """
    with database.reading() as connection:
        nodes, erasures = list(archive_keys.read_all(connection)), told.read(connection)
    if not nodes:
        raise NoArchiveKeys(url=database)
    content = _Content(
        format=FORMAT,
        schema=_SCHEMA,
        keys=[_Line(each.first, each.last, each.key) for each in nodes],
        erasures=erasures,
    )
    encoded = msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encoded)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise KeyExists(path=path) from None
    except OSError as error:
        raise OutputUnwritable(reason=f"{path}: {error.strerror or error}") from error
    return len(nodes)


def read_file(path: str) -> FileKeys:
    """Read a file of keys; raises ArchiveKeysUnreadable, or KeyExposed if others can read it."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - the mode is that of the opened file
            found = os.fstat(file.fileno())
            encoded = file.read()
    except OSError as error:
        raise ArchiveKeysUnreadable(path=path, reason=error.strerror or error) from None
    mode = stat.S_IMODE(found.st_mode)
    if mode & (0o077 if found.st_uid == os.geteuid() else 0o037):
        raise KeyExposed(path=path, mode=mode)
    try:
        return _parse(encoded)
    except (ValueError, RecursionError):
        # The reason would quote what is secret.
        raise ArchiveKeysUnreadable(path=path, reason="it is another file, or damaged.") from None


def _parse(encoded: bytes) -> FileKeys:
    """Return the content of a file; raises ValueError."""
    content = _decode(encoded)
    if (content.format, content.schema) != (FORMAT, _SCHEMA):
        raise ValueError("it is another file")
    nodes = [Node(first=each.first, last=each.last, key=each.key) for each in content.keys]
    last = -1
    for node in nodes:
        size = node.last - node.first + 1
        is_node = size > 0 and size & (size - 1) == 0 and node.first % size == 0
        if not is_node or node.first <= last or len(node.key) != KEY_BYTES:
            raise ValueError("a node is out of order")
        last = node.last
    if last > POSITION_MAX:
        raise ValueError("a node is out of range")
    return FileKeys(nodes, content.erasures)
