"""Compares the rows of an archive's file with those of the log, with the erasures since then.

An event that was erased after it was archived is a marker in the log. The file still has its row:
readable, unless the file is encrypted and the key of the position is destroyed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import frozen
from sqlalchemy import Connection

from projector.store import digest, log_ranges
from projector.store.erasure import archive_keys, key_tree, markers
from projector.store.erasure.key_tree import Node
from projector.store.log_ranges import Block
from replay.archive import encryption, rows
from replay.archive.manifest import File


@frozen(kw_only=True)
class LogRange:
    """The log's rows in the range of a file."""

    #: The digest of all rows but those that were erased since.
    digest: str
    #: The positions whose events were erased after the file was written, with their erasures.
    erased: dict[int, int]
    #: Those of them whose keys are not destroyed.
    with_keys: tuple[int, ...] = ()


def read_log(
    connection: Connection,
    file: File,
    *,
    is_encrypted: bool,
    until: int | None = None,
    erased: Mapping[int, int] = {},
) -> LogRange:
    """Read the log's rows in the range of a file, or up to a position of it.

    `erased` are positions that are to be taken for erased, with their erasures, also if the log
    has their events. Raises LogUnreadable, or KeyMissing if the key of an event that is not erased
    is missing.
    """
    last = file.last if until is None else until
    known = {each: number for each, number in erased.items() if file.first <= each <= last}
    erased = {**known, **erased_since(connection, file, last)}
    nodes = archive_keys.read(connection, file.first, last) if is_encrypted else []
    total = 0
    with closing(log_ranges.read(connection, after=file.first - 1, until=last)) as blocks:
        for block in blocks:
            total += digest.of(_log_rows(block, erased, nodes, is_encrypted=is_encrypted))
    with_keys = tuple(key_tree.covered(nodes, sorted(erased)))
    return LogRange(
        digest=digest.apply(digest.EMPTY, total), erased=dict(erased), with_keys=with_keys
    )


def erased_since(connection: Connection, file: File, last: int) -> dict[int, int]:
    """Return the positions that were erased after a file was written, with their erasures."""
    found = markers.read(connection, file.first, last)
    return {position: each for position, each in found.items() if each > file.erasure_id}


def is_same(found: LogRange, file: File, path: Path, *, is_encrypted: bool) -> bool:
    """Return whether the log's rows of a file are those that were archived; raises ValueError.

    The rows of what was erased since are those of the file, at `path`.
    """
    if not found.erased:
        return found.digest == file.digest
    of_file = file_rows(path, is_encrypted=is_encrypted)
    erased = digest.of(row for row in of_file if row[0] in found.erased)
    return digest.apply(found.digest, erased) == file.digest


def digest_of(found: Iterable[tuple[Any, ...]]) -> str:
    """Return the digest of rows."""
    return digest.apply(digest.EMPTY, digest.of(found))


def file_rows(path: Path, *, is_encrypted: bool) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of which the digest of a file is made; raises ValueError."""
    for block in rows.blocks(path, rows.layout_of(is_encrypted=is_encrypted)):
        yield from encryption.digest_rows(block) if is_encrypted else zip(*block, strict=True)


def _log_rows(
    block: Block, erased: Mapping[int, int], nodes: list[Node], *, is_encrypted: bool
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of which the digest is made, but for those that were erased."""
    kept = [row for row in zip(*block, strict=True) if row[0] not in erased]
    if not kept or not is_encrypted:
        return iter(kept)
    first, last = block[0][0], block[0][-1]
    # A log with a hole has fewer rows than positions.
    keys = dict(zip(range(first, last + 1), key_tree.keys(nodes, first, last), strict=True))
    columns = tuple(zip(*kept, strict=True))
    return iter(encryption.nonces(columns, [keys[row[0]] for row in kept]))
