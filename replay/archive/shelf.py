"""Stores the files of an archive by name: in a folder, or in an object store.

A name is given once, and what exists is never overwritten (put-if-absent): that is what keeps two
archivers apart, without a lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from projector.errors import BadArchiveUrl, Taken
from replay.archive.entry import Entry
from replay.archive.folder import Folder

__all__ = ["Entry", "Shelf", "Taken", "opened"]

#: The schemes of object stores.
SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl")

_SCHEME = re.compile("[A-Za-z][A-Za-z0-9+.-]*://")


class Shelf(Protocol):
    """The files of an archive, by name; names have slashes.

    Every method raises ArchiveUnreachable.
    """

    @property
    def url(self) -> str:
        """The URL that opens it again, also on another machine; it has no secrets."""

    def put(self, name: str, path: Path) -> None:
        """Store a copy of a local file, durably; raises Taken if the name exists."""

    def put_bytes(self, name: str, data: bytes) -> None:
        """Store bytes, durably; raises Taken if the name exists."""

    def get(self, name: str, path: Path) -> None:
        """Copy a file to a local path; raises ArchiveBroken if it is missing."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; raises ArchiveBroken if it is missing."""

    def reader(self, name: str) -> BinaryIO:
        """Open a file that can be read in parts; raises ArchiveBroken if it is missing."""

    def names(self, prefix: str) -> Iterator[Entry]:
        """Yield the files below a prefix that ends with a slash, in the order of their names."""

    def leftovers(self) -> Iterator[Entry]:
        """Yield the files of puts that have not finished."""

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""


def opened(url: str) -> Shelf:
    """Open the shelf at a URL: a folder, `file:///FOLDER`, or that of an object store.

    Nothing is created or asked for before the first call. Raises BadArchiveUrl, or ExtraMissing
    for an object store without the extra.
    """
    if not url or "\0" in url:
        raise BadArchiveUrl(url=url, reason="it is empty, or has a NUL")
    if not _SCHEME.match(url):
        return Folder(url)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadArchiveUrl(url="…", reason=error) from error
    _refuse_secrets(parts)
    if parts.scheme == "file":
        if parts.netloc or not parts.path:
            raise BadArchiveUrl(url=url, reason="a folder is file:///FOLDER, without a host")
        return Folder(unquote(parts.path))
    if parts.scheme not in SCHEMES:
        known = ", ".join(("file", *SCHEMES))
        raise BadArchiveUrl(url=url, reason=f"unknown scheme {parts.scheme}; known: {known}")
    if not parts.netloc:
        raise BadArchiveUrl(url=url, reason="it names no bucket")
    from replay.archive.object_store import ObjectStore

    return ObjectStore(url)


def _refuse_secrets(parts: SplitResult) -> None:
    """Raise BadArchiveUrl for a password or a query, without showing it: URLs are printed."""
    if parts.password is not None or parts.query or parts.fragment:
        raise BadArchiveUrl(
            url=f"{parts.scheme}://…", reason="it has a password, a query or a fragment"
        )
