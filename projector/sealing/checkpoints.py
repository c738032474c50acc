"""Signs the head of the sealed log, and writes it to a file that keeps the last one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from projector.errors import CheckpointInconsistent, FileUnreadable, OutputUnwritable
from projector.sealing.seal import seal
from projector.store.database import Database
from projector.store.sealed import leaves, subtrees
from projector.store.sealed.subtrees import StoredBlocks
from projector.tlog import checkpoint
from projector.tlog.checkpoint import Checkpoint, SignedCheckpoint
from projector.tlog.keys import SigningKey
from projector.tlog.note import NOTE_BYTES_MAX
from projector.tlog.tree import Tree


def make_checkpoint(
    database: Database,
    key: SigningKey,
    out: str | None = None,
    *,
    on_batch: Callable[[int, int], bool] = lambda _sealed, _head: True,
) -> SignedCheckpoint:
    """Seal new events and sign the head of the log.

    With `out`, the note replaces that file, which may have an older checkpoint. A log must never
    sign two checkpoints that contradict each other: raises CheckpointInconsistent, with the file
    unchanged, if this log does not extend that one. Also raises NoteUnreadable or NoteUnsigned if
    the file is not a checkpoint of this key, OutputUnwritable, and the errors of `seal`.
    """
    # First of all, so that nothing is sealed for a file that cannot be replaced.
    _read_last(out, key)
    seal(database, on_batch=on_batch)
    with database.reading() as connection:
        size = leaves.last(connection)
        blocks = StoredBlocks(connection, size)
        tree = Tree(size, blocks)
        head = Checkpoint(origin=key.name, size=size, root=tree.root())
        # Read again: another process may have written it meanwhile.
        last = _read_last(out, key)
        if last is not None:
            require_extends(connection, last, what=str(out))
    if blocks.computed:
        with database.writing() as connection:
            subtrees.add(connection, blocks.computed)
    signed = checkpoint.sign(head, key)
    if out is not None:
        _replace(Path(out), signed.note)
    return signed


def require_extends(connection: Connection, older: Checkpoint, *, what: str) -> None:
    """Raise CheckpointInconsistent unless the sealed log extends the checkpoint of a file."""
    size = leaves.last(connection)
    if size < older.size:
        reason = f"it ends at {size}; the checkpoint is of {older.size} events."
        raise CheckpointInconsistent(what=what, reason=reason)
    if subtrees.tree(connection, older.size).root() != older.root:
        reason = f"its first {older.size} events are not those of the checkpoint."
        raise CheckpointInconsistent(what=what, reason=reason)


def read_note(path: str) -> bytes:
    """Read a note; raises FileUnreadable."""
    try:
        with Path(path).open("rb") as file:
            return file.read(NOTE_BYTES_MAX + 1)
    except OSError as error:
        raise FileUnreadable(path=path, reason=error.strerror) from error


def _read_last(out: str | None, key: SigningKey) -> Checkpoint | None:
    """Return the checkpoint in the file; None if there is no such file."""
    if out is None or not os.path.lexists(out):
        return None
    try:
        note = read_note(out)
    except FileUnreadable as error:
        # Removed in this moment. A link that leads nowhere is there, and is an error.
        if isinstance(error.__cause__, FileNotFoundError) and not os.path.lexists(out):
            return None
        raise
    return checkpoint.open_checkpoint(note, [key.verifier], what=out)


def _replace(path: Path, text: str) -> None:
    """Write a file beside, durably, and give it the name: a reader sees the old or the new one."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                # A checkpoint is public.
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise OutputUnwritable(reason=f"{path}: {error.strerror or error}") from error
