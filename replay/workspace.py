"""The folder where a rebuild keeps its files; there is one rebuild of a database on a machine."""

from __future__ import annotations

import fcntl
import os
import shutil
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

#: How long to wait for the workers of a rebuild that was killed, in seconds.
WORKERS_END_SECONDS_MAX = 2.0


@frozen
class Workspace:
    """A folder that is empty at the start and gone in the end."""

    path: Path
    #: Whether a rebuild that was killed had left something in it.
    had_leftovers: bool


@contextmanager
def opened(database: Database) -> Iterator[Workspace]:
    """Make the folder and lock it; raises RebuildRunning or SpillUnwritable."""
    path = path_for(database)
    with spilling(path):
        folder = _locked(path, database)
    try:
        with spilling(path):
            left = [*path.iterdir()]
            for each in left:
                each.unlink()
        try:
            yield Workspace(path, bool(left))
        finally:
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(folder)


def join(path: Path) -> None:
    """Hold the folder, in a worker, for as long as its process lives."""
    fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_SH)


@contextmanager
def spilling(path: Path) -> Iterator[None]:
    """Tell what went wrong with a file; raises SpillUnwritable."""
    try:
        yield
    except OSError as error:
        raise SpillUnwritable(path=path, reason=error.strerror or error) from error


def path_for(database: Database) -> Path:
    """Beside a database that is a file, where there is room for it; else where temporary files go.

    The same one every time, so that the next rebuild finds what one that was killed has left.
    """
    if database.is_sqlite:
        return Path(f"{Path(database.url.database or '').resolve()}-rebuild")
    name = blake2b(str(database).encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"projector-rebuild-{os.getuid()}-{name}"


def _locked(path: Path, database: Database) -> int:
    """The folder, open and locked: for as long as this process or a worker of it lives."""
    deadline = time.monotonic() + WORKERS_END_SECONDS_MAX
    while (folder := _try_to_lock(path)) is None:
        if time.monotonic() > deadline:
            raise RebuildRunning(url=database)
        time.sleep(0.05)
    # Workers hold it as well; nobody else can have it alone before they are gone.
    fcntl.flock(folder, fcntl.LOCK_SH)
    return folder


def _try_to_lock(path: Path) -> int | None:
    path.mkdir(mode=0o700, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    found = os.fstat(folder)
    try:
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise PermissionError(0, "it belongs to somebody else")
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have removed it just now.
        if path.exists() and path.stat().st_ino == found.st_ino:
            return folder
    except BlockingIOError:
        pass
    except BaseException:
        os.close(folder)
        raise
    os.close(folder)
    return None
