"""Stores the files of an archive in an object store, through obstore."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from projector.errors import ArchiveBroken, ArchiveUnreachable, BadArchiveUrl, ExtraMissing, Taken
from replay.archive.entry import Entry

#: The size of the pieces in which a file is downloaded.
_PIECE_BYTES = 8 * 1024 * 1024

#: How long a request that fails is repeated.
_RETRY_SECONDS_MAX = 30

#: The longest reason of an error; an object store may answer with a page of text.
_REASON_CHARACTERS_MAX = 300

#: The variable with the address of an object store that is not the vendor's own.
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")


class ObjectStore:
    """An archive's files below a prefix of a bucket.

    Credentials come from the environment, in the variables of the vendor. A put is one request,
    with the condition that the name does not exist, and never a multipart upload, whose completion
    is conditional on few stores only.
    """

    def __init__(self, url: str) -> None:
        try:
            import obstore
        except ImportError as error:
            raise ExtraMissing(extra="archive", reason=error) from error
        self.url = url.rstrip("/")
        self._obstore: Any = obstore
        try:
            self._store: Any = obstore.store.from_url(
                self.url,
                client_options=_client_options(),
                retry_config={
                    "max_retries": 5,
                    "retry_timeout": timedelta(seconds=_RETRY_SECONDS_MAX),
                },
            )
        except (ValueError, obstore.exceptions.BaseError) as error:
            raise BadArchiveUrl(url=url, reason=_first_line(error)) from error

    def put(self, name: str, path: Path) -> None:
        """Upload a local file to a name; raises Taken if it exists."""
        self._put(name, path)

    def put_bytes(self, name: str, data: bytes) -> None:
        """Store bytes by a name; raises Taken if it exists."""
        self._put(name, data)

    def get(self, name: str, path: Path) -> None:
        """Download a file to a local path; raises ArchiveBroken if it is missing."""
        with self._translating(name), path.open("wb") as file:
            for piece in self._obstore.get(self._store, name).stream(min_chunk_size=_PIECE_BYTES):
                file.write(piece)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; raises ArchiveBroken if it is missing."""
        with self._translating(name):
            return bytes(self._obstore.get(self._store, name).bytes())

    def reader(self, name: str) -> BinaryIO:
        """Open a file for reading parts of it, each by a request; as `read`."""
        with self._translating(name):
            size = self._obstore.head(self._store, name)["size"]
        return io.BufferedReader(_Ranges(self, name, size), buffer_size=_PIECE_BYTES // 64)

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """Return the bytes of a file from `start` to before `end`."""
        with self._translating(name):
            return bytes(self._obstore.get_range(self._store, name, start=start, end=end))

    def names(self, prefix: str) -> Iterator[Entry]:
        """Yield the files whose names begin with a prefix that ends at a slash, by name."""
        now = datetime.now(UTC)
        with self._translating(prefix):
            for some in self._obstore.list(self._store, prefix.rstrip("/") or None):
                for each in some:
                    age = (now - each["last_modified"]).total_seconds()
                    yield Entry(name=each["path"], size=each["size"], age=age)

    def leftovers(self) -> Iterator[Entry]:
        """Yield nothing: a put that did not finish leaves nothing."""
        return iter(())

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with self._translating(name):
            try:
                self._obstore.delete(self._store, name)
            except FileNotFoundError:
                return

    def _put(self, name: str, content: Path | bytes) -> None:
        with self._translating(name):
            try:
                self._obstore.put(self._store, name, content, mode="create", use_multipart=False)
            except self._obstore.exceptions.AlreadyExistsError:
                raise Taken(name=name, url=self.url) from None

    @contextmanager
    def _translating(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise ArchiveBroken(url=self.url, name=name, reason="it is missing") from None
        except (self._obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise ArchiveUnreachable(url=self.url, reason=_first_line(error)) from error


class _Ranges(io.RawIOBase):
    """A file that is read by ranges."""

    def __init__(self, store: ObjectStore, name: str, size: int) -> None:
        self._store, self._name, self._size = store, name, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        piece = self._store.read_range(self._name, self._at, end)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _client_options() -> dict[str, Any]:
    """Return the options of the HTTP client: unencrypted only to an endpoint that says so."""
    endpoints = (os.environ.get(name, "") for name in _ENDPOINTS)
    is_plain = any(each.startswith("http://") for each in endpoints)
    return {"allow_http": True} if is_plain else {}


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:_REASON_CHARACTERS_MAX]
