"""Writes the events of a range of positions to a local file, plain or encrypted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from projector.errors import LogHole, LogUnreadable, OutputUnwritable
from projector.store import log_ranges
from projector.store.database import Database
from projector.store.erasure import archive_keys, key_tree, records
from replay.archive import encryption, rows
from replay.archive.local import sha256_of
from replay.archive.manifest import File
from replay.archive.rows import Layout
from replay.archive.tally import EncryptedTally, Rows, Tally


def write(
    database: Database,
    path: Path,
    first: int,
    last: int,
    layout: Layout,
    *,
    zstd_level: int,
    on_progress: Callable[[int], None],
) -> File:
    """Write the events from `first` to `last` to a local file, from one snapshot of the log.

    Memory is bounded by a row group, and the keys of the range.
    """
    is_encrypted = layout is rows.ENCRYPTED
    tally = EncryptedTally(first) if is_encrypted else Tally(first)
    with database.reading() as connection:
        erasure_id = records.last_erasure(connection)
        # Of the same snapshot as the rows: what is no marker in it has its key.
        nodes = archive_keys.read(connection, first, last) if is_encrypted else []
        keys = key_tree.keys(nodes, first, last)
        with (
            closing(log_ranges.read(connection, after=first - 1, until=last)) as blocks,
            _writing(path),
            rows.writer(path, layout, zstd_level=zstd_level) as writer,
        ):
            for block in blocks:
                _require_no_hole(database, tally, block)
                with _reading(database, block):
                    if is_encrypted:
                        rows.require_instants(block)
                        block = encryption.encrypt(block, keys)
                    tally.add(block)
                    batch = rows.as_batch(block, layout)
                writer.add(batch)
                on_progress(tally.last)
    if tally.last != last:
        raise LogHole(url=database, position=tally.last + 1)
    return tally.as_file(size=path.stat().st_size, sha256=sha256_of(path), erasure_id=erasure_id)


def _require_no_hole(database: Database, tally: Rows, block: log_ranges.Block) -> None:
    for expected, found in enumerate(block[0], tally.last + 1):
        if found != expected:
            raise LogHole(url=database, position=expected)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise OutputUnwritable for errors of the local file, such as a full disk."""
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(reason=f"{path}: {error}") from error


@contextmanager
def _reading(database: Database, block: log_ranges.Block) -> Iterator[None]:
    """Raise LogUnreadable for values that another program has written, of another type."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        first, last = block[0][0], block[0][-1]
        raise LogUnreadable(url=database, first=first, last=last, reason=error) from error
