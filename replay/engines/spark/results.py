"""Carries the results of tasks through the archive: the rows, and what belongs to them.

The archive is not trusted with them: a task returns a SHA-256, which travels by Spark, and what
is taken out must have it. Otherwise a user with write access to the archive could
choose the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from projector.errors import ArchiveBroken
from projector.projections.snapshots import TakenSnapshot
from projector.store.dead_letters import DeadLetter
from projector.store.group_sizes import GroupDay, Size
from replay.archive.shelf import Shelf
from replay.engines.engine import ShadowResult


class _Result(msgspec.Struct, array_like=True):
    """A ShadowResult in the archive."""

    rows: int
    #: In hexadecimal: it has more than 64 bits.
    digest: str
    sizes: list[tuple[GroupDay, Size]]
    dead_letters: list[DeadLetter]
    snapshots: list[TakenSnapshot]


def put(to: Shelf, name: str, rows: Path, results: Iterable[ShadowResult]) -> str:
    """Put the rows of a task and what belongs to them into the archive; return their SHA-256."""
    to.put(_rows(name), rows)
    encoded = msgspec.msgpack.encode(
        [
            _Result(
                rows=each.rows,
                digest=f"{each.digest:x}",
                sizes=[*each.sizes.items()],
                dead_letters=each.dead_letters,
                snapshots=each.snapshots,
            )
            for each in results
        ]
    )
    to.put_bytes(_rest(name), encoded)
    return _sha256_of(rows, encoded)


def take(of: Shelf, name: str, rows: Path, *, sha256: str) -> list[ShadowResult]:
    """Copy the rows of a task to a local file, and return what belongs to them.

    Raises ArchiveBroken if their SHA-256 is another one.
    """
    of.get(_rows(name), rows)
    encoded = of.read(_rest(name))
    if _sha256_of(rows, encoded) != sha256:
        reason = "it is not what an executor has put there"
        raise ArchiveBroken(url=of.url, name=name, reason=reason)
    return [
        ShadowResult(
            rows=each.rows,
            digest=int(each.digest, 16),
            sizes=dict(each.sizes),
            dead_letters=each.dead_letters,
            snapshots=each.snapshots,
        )
        for each in msgspec.msgpack.decode(encoded, type=list[_Result])
    ]


def _sha256_of(rows: Path, rest: bytes) -> str:
    """Return the SHA-256 of the rows and the rest, in hex."""
    with rows.open("rb") as file:
        both = hashlib.file_digest(file, "sha256").digest() + hashlib.sha256(rest).digest()
    return hashlib.sha256(both).hexdigest()


def _rows(name: str) -> str:
    return f"{name}.rows"


def _rest(name: str) -> str:
    return f"{name}.results"
