"""Defines the manifests of an archive: which files it has, and their digests. PURE.

Each manifest names the one before it by its hash, and its own name is that of the position after
which it goes on: so a manifest can have one successor only, the one that was put first.
"""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import pairwise
from typing import Any

import msgspec
from attrs import evolve, frozen

from projector.errors import ArchiveBroken, ArchiveSchemaUnknown
from projector.text.encode import as_json

FORMAT = "customer-state-projector/archive"

#: The versions of the format: of archives whose events can be read by all who have the files, and
#: of encrypted ones. A reader refuses any other one.
SCHEMA = 1
ENCRYPTED_SCHEMA = 2

MANIFESTS = "manifests/"
EVENTS = "events/"

#: The parts of a rebuild that reads the archive; they are gone when it ends.
WORK = "work/"

#: The number of files that a page lists. The newest manifest of each page lists all of its files,
#: so a reader needs one manifest for so many files.
PAGE_FILES_MAX = 100

_DIGITS = 19
_HEX = re.compile("[0-9a-f]+")


@frozen(kw_only=True)
class File:
    """A Parquet file with the events of a range of positions."""

    first: int
    last: int
    name: str
    #: Its size, and the SHA-256 of its bytes, in hex.
    bytes: int
    sha256: str
    #: The digest of its rows, which does not depend on Parquet, and that of the row at `last`.
    digest: str
    last_digest: str
    #: The number of the log's last erasure when it was written; 0 for none. What was erased before
    #: is in the file as markers.
    erasure_id: int = 0
    #: The number of events of each type. This and what follows are None if the file is encrypted:
    #: together they would tell what single events are.
    types: dict[str, int] | None = None
    #: The number of events without a customer, and of those that were late.
    without_customer: int | None = None
    late: int | None = None
    #: The size of all bodies, as UTF-8.
    body_bytes: int | None = None
    #: The highest stream id; 0 if no event has a customer.
    stream_id_max: int | None = None
    #: The least and the greatest instant, as RFC 3339 with six digits of a second.
    occurred: tuple[str, str] | None = None
    #: As `occurred`; this one is there in every file.
    received: tuple[str, str]

    @property
    def events(self) -> int:
        """The number of its events."""
        return self.last - self.first + 1


@frozen(kw_only=True)
class Link:
    """The name of a manifest, and the SHA-256 of its bytes, in hex."""

    name: str
    sha256: str


@frozen(kw_only=True)
class Manifest:
    """A page of the list of an archive's files, up to one position."""

    format: str = FORMAT
    schema: int = SCHEMA
    #: The digest of the row at position 1: it identifies the log.
    log: str
    #: The positions of this page's files.
    first: int
    last: int
    files: tuple[File, ...]
    #: The manifest before this one, and the last one of the page before; None if it is the first.
    parent: Link | None
    page: Link | None
    #: The program and its version.
    made_by: str

    @property
    def is_encrypted(self) -> bool:
        """Whether its files are."""
        return self.schema == ENCRYPTED_SCHEMA

    @property
    def name(self) -> str:
        """The name that its position gives it."""
        return manifest_name(self.files[-1].first - 1)


class _Header(msgspec.Struct):
    """The keys that every schema has."""

    format: str
    schema: Any


_decode_header = msgspec.json.Decoder(_Header).decode
_decode_manifest = msgspec.json.Decoder(Manifest).decode


def manifest_name(after: int) -> str:
    """Return the name of the manifest that goes on after a position."""
    return f"{MANIFESTS}{after:0{_DIGITS}}.json"


def file_name(first: int, last: int, digest: str) -> str:
    """Return the name of a file by its positions and the SHA-256 of its bytes, in hex."""
    return f"{EVENTS}{first:0{_DIGITS}}-{last:0{_DIGITS}}-{digest[:16]}.parquet"


def begin(file: File, *, log: str, made_by: str, is_encrypted: bool = False) -> Manifest:
    """Return the first manifest of an archive."""
    return Manifest(
        schema=ENCRYPTED_SCHEMA if is_encrypted else SCHEMA,
        log=log,
        first=file.first,
        last=file.last,
        files=(file,),
        parent=None,
        page=None,
        made_by=made_by,
    )


def follow(parent: Manifest, link: Link, file: File, *, made_by: str) -> Manifest:
    """Return the manifest that adds a file to those of its parent, or begins another page.

    `link` is that to the parent, of the bytes that are stored.
    """
    added = evolve(parent, last=file.last, parent=link, made_by=made_by)
    if len(parent.files) < PAGE_FILES_MAX:
        return evolve(added, files=(*parent.files, file))
    return evolve(added, first=file.first, files=(file,), page=link)


def link_to(name: str, encoded: bytes) -> Link:
    """Return the link to a manifest."""
    return Link(name=name, sha256=sha256(encoded).hexdigest())


def encode(manifest: Manifest) -> bytes:
    """Return the bytes of a manifest: one JSON object, with a line for each value."""
    return msgspec.json.format(msgspec.json.encode(as_json(manifest)), indent=1) + b"\n"


def decode(name: str, encoded: bytes, *, url: str) -> Manifest:
    """Parse a manifest and check it against itself and its name.

    Raises ArchiveBroken, or ArchiveSchemaUnknown; `url` is the archive's, for the message.
    """
    try:
        header = _decode_header(encoded)
        if header.format != FORMAT:
            raise ArchiveBroken(url=url, name=name, reason="it is no manifest of an archive")
        if header.schema not in (SCHEMA, ENCRYPTED_SCHEMA):
            raise ArchiveSchemaUnknown(url=url, name=name, found=header.schema)
        manifest = _decode_manifest(encoded)
    except (ValueError, RecursionError) as error:
        raise ArchiveBroken(url=url, name=name, reason=f"it cannot be read: {error}") from error
    if problem := _find_problem(manifest, name):
        raise ArchiveBroken(url=url, name=name, reason=problem)
    return manifest


def _find_problem(manifest: Manifest, name: str) -> str | None:
    """Return what contradicts itself in a manifest, as a sentence."""
    files = manifest.files
    if not files:
        return "it lists no files"
    for file in files:
        if problem := _find_file_problem(file, is_encrypted=manifest.is_encrypted):
            return f"its file {file.name!r} {problem}"
    for before, file in pairwise(files):
        if file.first != before.last + 1:
            return f"after position {before.last} its files go on at {file.first}"
    if (manifest.first, manifest.last) != (files[0].first, files[-1].last):
        return "its positions are not those of its files"
    if (manifest.page is None) != (manifest.first == 1):
        return "it does not say which page it follows"
    if (manifest.parent is None) != (files[-1].first == 1):
        return "it does not say which manifest it follows"
    if manifest.name != name:
        return f"its name should be {manifest.name}"
    return None


def _find_file_problem(file: File, *, is_encrypted: bool) -> str | None:
    # A name decides which file is read or removed, so it must not lead elsewhere.
    if not _HEX.fullmatch(file.sha256):
        return "has no SHA-256"
    if not 1 <= file.first <= file.last:
        return "has no positions"
    if file.name != file_name(file.first, file.last, file.sha256):
        return "has a name that is not that of its positions and its SHA-256"
    counts = (file.types, file.without_customer, file.late, file.body_bytes, file.stream_id_max)
    if [each is None for each in (*counts, file.occurred)] != [is_encrypted] * 6:
        return "has counts that it should not have, or lacks some"
    if file.types is not None and sum(file.types.values()) != file.events:
        return "has types that do not add up to its events"
    return None
