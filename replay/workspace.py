"""Manages the folder of a rebuild's files, and locks it: one rebuild of a database at a time.

The lock keeps out other rebuilds on this machine; see `projector.store.rebuild.shadow.lock` for
other machines.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from attrs import frozen

from projector.errors import RebuildRunning, SpillUnwritable
from projector.store.database import Database

#: The time to wait until the workers of a rebuild that was killed have exited, in seconds.
WORKERS_END_SECONDS_MAX = 2.0


@frozen
class Workspace:
    """A folder that is empty when the rebuild starts and removed when it ends."""

    path: Path
    #: Whether it had files of a rebuild that was killed.
    had_leftovers: bool


@contextmanager
def opened(database: Database) -> Iterator[Workspace]:
    """Create, lock and empty the folder; raises RebuildRunning or SpillUnwritable."""
    path = path_for(database)
    with spilling(path):
        folder = _locked(path, database)
    try:
        with spilling(path):
            leftovers = [*path.iterdir()]
            for each in leftovers:
                each.unlink()
        try:
            yield Workspace(path, bool(leftovers))
        finally:
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(folder)


def join(path: Path) -> None:
    """Hold a shared lock on the folder until this worker process exits."""
    fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_SH)


@contextmanager
def spilling(path: Path) -> Iterator[None]:
    """Translate an OSError into SpillUnwritable."""
    try:
        yield
    except OSError as error:
        raise SpillUnwritable(path=path, reason=error.strerror or error) from error


def path_for(database: Database) -> Path:
    """Return the path of the folder for a database.

    It is beside a SQLite database, where there is room for data of that size; for Postgres it is
    in the directory for temporary files (`TMPDIR`). The path is the same every time, so that the
    next rebuild finds the leftovers of one that was killed.
    """
    if database.is_sqlite:
        return Path(f"{Path(database.url.database or '').resolve()}-rebuild")
    return Path(tempfile.gettempdir()) / f"projector-rebuild-{os.getuid()}-{key_of(database)}"


def key_of(database: Database) -> str:
    """Return a short name for a database, as it is reached from this machine."""
    place = str(database)
    if database.is_sqlite:
        place = str(Path(database.url.database or "").resolve())
    return blake2b(f"{socket.gethostname()} {place}".encode(), digest_size=8).hexdigest()


def _locked(path: Path, database: Database) -> int:
    """Open and lock the folder; return the file descriptor.

    The lock lasts until this process and all its workers have exited or closed the folder. Raises
    RebuildRunning.
    """
    deadline = time.monotonic() + WORKERS_END_SECONDS_MAX
    while (folder := _try_to_lock(path)) is None:
        if time.monotonic() > deadline:
            raise RebuildRunning(url=database)
        time.sleep(0.05)
    # Downgrade to a shared lock, so that workers can hold it as well (see `join`). Another rebuild
    # needs the exclusive lock, and gets it only when the last of them has exited.
    fcntl.flock(folder, fcntl.LOCK_SH)
    return folder


def _try_to_lock(path: Path) -> int | None:
    """Return the open and exclusively locked folder; None if another process has it."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (FileExistsError, FileNotFoundError):
        is_foreign = os.path.lexists(path) and not path.is_dir()
        if is_foreign or not path.parent.exists():
            raise
        # The previous holder removed the folder between these two calls, or within the first.
        return None
    found = os.fstat(folder)
    try:
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise PermissionError(0, "it belongs to another user, or others may write to it")
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The previous holder may have removed the folder between our open and our lock.
        if path.exists() and path.stat().st_ino == found.st_ino:
            return folder
    except BlockingIOError:
        pass
    except BaseException:
        os.close(folder)
        raise
    os.close(folder)
    return None
