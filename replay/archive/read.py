"""Opens archives: finds the newest manifest and the files, and compares an archive with a log."""

from __future__ import annotations

from hashlib import sha256
from itertools import chain

from attrs import field, frozen
from sqlalchemy import Connection

from projector.errors import (
    ArchiveAhead,
    ArchiveBroken,
    ArchiveForeign,
    ArchiveKeyMissing,
    NotArchived,
)
from projector.store import log, log_ranges
from projector.store.erasure import archive_keys, key_tree, markers
from replay.archive import encryption, manifest, shelf
from replay.archive.encryption import KeyMissing
from replay.archive.manifest import MANIFESTS, File, Link, Manifest
from replay.archive.shelf import Shelf
from replay.archive.tally import row_digest


@frozen(kw_only=True)
class Archive:
    """An archive as its newest manifest describes it; without files if it has none."""

    shelf: Shelf
    #: The digest of the row at position 1, which identifies the log; empty without files.
    log: str
    #: The files, in the order of their positions, without a hole.
    files: tuple[File, ...]
    #: The newest manifest and the link to it.
    newest: Manifest | None = field(default=None, repr=False)
    link: Link | None = field(default=None, repr=False)

    @property
    def last(self) -> int:
        """The last archived position; 0 for none."""
        return self.files[-1].last if self.files else 0

    @property
    def is_encrypted(self) -> bool:
        """Whether the files are; not without files."""
        return self.newest is not None and self.newest.is_encrypted


def opened(url: str) -> Archive:
    """Open the archive at a URL; without files if there is no manifest.

    Raises BadArchiveUrl, ArchiveUnreachable, ArchiveBroken or ArchiveSchemaUnknown.
    """
    return read(shelf.opened(url))


def read(stored: Shelf) -> Archive:
    """Return the archive on a shelf; the errors are those of `opened`."""
    newest = max((each.name for each in stored.names(MANIFESTS)), default=None)
    if newest is None:
        return Archive(shelf=stored, log="", files=())
    encoded = stored.read(newest)
    page = manifest.decode(newest, encoded, url=stored.url)
    pages = [page]
    while pages[-1].page is not None:
        pages.append(_follow_link(stored, pages[-1], pages[-1].page))
    return Archive(
        shelf=stored,
        log=page.log,
        files=tuple(chain.from_iterable(each.files for each in reversed(pages))),
        newest=page,
        link=manifest.link_to(newest, encoded),
    )


def _follow_link(stored: Shelf, page: Manifest, link: Link) -> Manifest:
    """Return the page before one; raises ArchiveBroken unless it is the one that was linked."""
    encoded = stored.read(link.name)
    if sha256(encoded).hexdigest() != link.sha256:
        reason = f"it has changed since {page.name} was written"
        raise ArchiveBroken(url=stored.url, name=link.name, reason=reason)
    before = manifest.decode(link.name, encoded, url=stored.url)
    is_alike = (before.log, before.schema) == (page.log, page.schema)
    if before.last != page.first - 1 or not is_alike:
        reason = f"it does not precede {page.name}"
        raise ArchiveBroken(url=stored.url, name=link.name, reason=reason)
    return before


def require_files(archive: Archive) -> None:
    """Raise NotArchived unless the archive has files."""
    if not archive.files:
        raise NotArchived(url=archive.shelf.url)


def require_same_log(connection: Connection, archive: Archive) -> None:
    """Raise an error unless the log is the one that was archived, and goes at least as far.

    NotArchived without files; ArchiveForeign if the log's first event, or the one at which the
    archive ends, is another one; ArchiveAhead if the log ends before the archive. An event that was
    erased since cannot be compared: then the last one of the file before is. For an encrypted
    archive also ArchiveKeyMissing.
    """
    require_files(archive)
    head = log.head(connection)
    if head and not _is_erased_since(connection, archive.files[0], 1):
        _require_row(connection, archive, 1, archive.log)
    if archive.last > head:
        raise ArchiveAhead(url=archive.shelf.url, last=archive.last, head=head)
    for file in reversed(archive.files):
        if not _is_erased_since(connection, file, file.last):
            _require_row(connection, archive, file.last, file.last_digest)
            return


def digest_of_row(connection: Connection, position: int, *, is_encrypted: bool) -> str | None:
    """Return the digest that the archive of a log has of a row; None without such a row.

    Raises KeyMissing.
    """
    row = log_ranges.read_one(connection, position)
    if row is None:
        return None
    if not is_encrypted:
        return row_digest(row)
    nodes = archive_keys.read(connection, position, position)
    [found] = encryption.nonces(
        tuple([each] for each in row), key_tree.keys(nodes, position, position)
    )
    return row_digest(found)


def _is_erased_since(connection: Connection, file: File, position: int) -> bool:
    """Return whether an event was erased after it was archived in a file."""
    erasure_id = markers.read(connection, position, position).get(position, 0)
    return erasure_id > file.erasure_id


def _require_row(connection: Connection, archive: Archive, position: int, digest: str) -> None:
    try:
        found = digest_of_row(connection, position, is_encrypted=archive.is_encrypted)
    except KeyMissing as error:
        raise ArchiveKeyMissing(url=archive.shelf.url, position=error.position) from error
    if found != digest:
        raise ArchiveForeign(url=archive.shelf.url, position=position)
