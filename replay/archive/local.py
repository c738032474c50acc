"""Handles local copies of an archive's files, and imports what needs the extra."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from projector.errors import ArchiveBroken, ExtraMissing
from replay.archive.manifest import File
from replay.archive.shelf import Shelf


@contextmanager
def temporary() -> Iterator[Path]:
    """Yield the path of a file that does not exist, and remove it in the end."""
    with tempfile.TemporaryDirectory(prefix="projector-archive-") as folder:
        yield Path(folder, "events.parquet")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def downloaded(shelf: Shelf, file: File) -> Iterator[Path]:
    """Yield a local copy of a file; raises ArchiveBroken unless it has the SHA-256 of its entry."""
    with temporary() as path:
        shelf.get(file.name, path)
        if sha256_of(path) != file.sha256:
            reason = "its SHA-256 is not the manifest's: bytes have changed"
            raise ArchiveBroken(url=shelf.url, name=file.name, reason=reason)
        yield path


@contextmanager
def requiring_extra() -> Iterator[None]:
    """Raise ExtraMissing if the block imports a module whose packages are not installed."""
    try:
        yield
    except ImportError as error:
        raise ExtraMissing(extra="archive", reason=error) from error
