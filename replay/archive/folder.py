"""Stores the files of an archive in a folder, with the standard library only."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from projector.errors import ArchiveBroken, ArchiveUnreachable, Taken
from replay.archive.entry import Entry
from replay.archive.manifest import WORK

#: The archive has customers' data: others than the owner and the group cannot read it.
_FILE_MODE = 0o640
_FOLDER_MODE = 0o750


class Folder:
    """An archive's files in a folder.

    A file gets its name when it is complete and durable: until then it has a hidden one, which a
    killed process leaves behind.
    """

    def __init__(self, url: str) -> None:
        self._root = Path(url).absolute()
        #: The absolute path.
        self.url = str(self._root)

    def put(self, name: str, path: Path) -> None:
        """Copy a local file to a name; raises Taken if it exists."""
        with path.open("rb") as source:
            self._put(name, lambda file: shutil.copyfileobj(source, file))

    def put_bytes(self, name: str, data: bytes) -> None:
        """Store bytes by a name; raises Taken if it exists."""
        self._put(name, lambda file: file.write(data))

    def get(self, name: str, path: Path) -> None:
        """Copy a file to a local path; raises ArchiveBroken if it is missing."""
        with self._reading(name) as source, source.open("rb") as file, path.open("wb") as target:
            shutil.copyfileobj(file, target)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; raises ArchiveBroken if it is missing."""
        with self._reading(name) as path:
            return path.read_bytes()

    def reader(self, name: str) -> BinaryIO:
        """Open a file for reading parts of it; raises ArchiveBroken if it is missing."""
        with self._reading(name) as path:
            return path.open("rb")

    def names(self, prefix: str) -> Iterator[Entry]:
        """Yield the files whose names begin with a prefix that ends at a slash, by name."""
        return (each for each in self._walk(prefix) if not _is_hidden(each.name))

    def leftovers(self) -> Iterator[Entry]:
        """Yield the hidden files of puts that have not finished."""
        return (each for each in self._walk("") if _is_hidden(each.name))

    def remove(self, name: str) -> None:
        """Remove a file, and the folder of a rebuild's parts when it is empty."""
        path = self._root / name
        with self._translating():
            path.unlink(missing_ok=True)
            if name.startswith(WORK):
                # It is not empty, or another process has removed it.
                with suppress(OSError):
                    path.parent.rmdir()

    def _put(self, name: str, write: Callable[[BinaryIO], object]) -> None:
        path = self._root / name
        with self._translating():
            self._make(path.parent)
            hidden = path.parent / f".{secrets.token_hex(8)}"
            try:
                _write_durably(hidden, write)
                # A link never replaces a file, as a rename would.
                path.hardlink_to(hidden)
            except FileExistsError:
                raise Taken(name=name, url=self.url) from None
            finally:
                hidden.unlink(missing_ok=True)
            _sync(path.parent)

    def _make(self, folder: Path) -> None:
        """Create a folder, and those above it, durably."""
        if folder.is_dir():
            return
        if folder.parent != folder:
            self._make(folder.parent)
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        _sync(folder.parent)

    def _walk(self, prefix: str) -> Iterator[Entry]:
        with self._translating():
            # A wrong URL, such as that of a file, must not look like an empty archive.
            if self._root.exists() and not self._root.is_dir():
                raise NotADirectoryError(f"{self._root} is a file, not a folder")
            for folder, folders, files in os.walk(self._root / prefix, onerror=_raise_unless_gone):
                folders.sort()
                for file in sorted(files):
                    path = Path(folder, file)
                    # Another process may have removed it.
                    with suppress(FileNotFoundError):
                        found = path.stat()
                        name = path.relative_to(self._root).as_posix()
                        age = time.time() - found.st_mtime
                        yield Entry(name=name, size=found.st_size, age=age)

    @contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        with self._translating():
            try:
                yield self._root / name
            except FileNotFoundError:
                raise ArchiveBroken(url=self.url, name=name, reason="it is missing") from None

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}" if error.filename else error
            raise ArchiveUnreachable(url=self.url, reason=reason) from error


def _write_durably(path: Path, write: Callable[[BinaryIO], object]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".")


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
