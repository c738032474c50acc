"""Reads a byte stream into batches of items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from projector.envelope import DeliveryDefaults, Item
from projector.errors import ProjectorError
from projector.intake import sources
from projector.intake.documents import split_documents

#: The longest document, in bytes. It may be a page of many events.
DOCUMENT_BYTES_MAX = 16 * 1024 * 1024


class Batch(NamedTuple):
    """Items that are appended together, and the size of their documents in bytes."""

    items: list[Item]
    size: int


def read_batches(
    chunks: Iterable[bytes],
    defaults: DeliveryDefaults,
    *,
    items_max: int,
    bytes_max: int,
    document_bytes_max: int = DOCUMENT_BYTES_MAX,
    allows_own_types: bool = False,
) -> Iterator[Batch]:
    """Split a byte stream into documents, read them, and yield their items in batches.

    A batch ends with the document that reaches `items_max` items or `bytes_max` bytes; for
    `allows_own_types` see `sources.read`. A
    ProjectorError from `chunks` is raised after the items read before it have been yielded.
    """
    items: list[Item] = []
    size = 0
    broken: ProjectorError | None = None
    try:
        for document in split_documents(chunks, document_bytes_max=document_bytes_max):
            items += sources.read(document, defaults, allows_own_types=allows_own_types)
            size += len(document)
            if len(items) >= items_max or size >= bytes_max:
                yield Batch(items, size)
                items, size = [], 0
    except ProjectorError as error:
        broken = error
    if items:
        yield Batch(items, size)
    if broken is not None:
        raise broken
