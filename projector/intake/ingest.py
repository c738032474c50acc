"""Ingests a byte stream: splits it into deliveries, and appends them to the log in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from attrs import frozen

from projector.envelope import DeliveryDefaults
from projector.errors import FileCorrupt, FileUnreadable, ProjectorError
from projector.intake.batches import read_batches
from projector.store import log
from projector.store.append import Channel, Outcome, append
from projector.store.database import Database
from projector.store.stream_cache import StreamCache

#: The approximate size of a transaction, in deliveries and in bytes of their documents.
BATCH_ITEMS_MAX = 5_000
BATCH_BYTES_MAX = 16 * 1024 * 1024


@frozen(kw_only=True)
class IngestReport:
    """The outcomes of deliveries: read = appended + duplicates + conflicts + quarantined."""

    read: int
    appended: int
    duplicates: int
    conflicts: int
    quarantined: int
    #: The head of the log afterwards: the position of its last event.
    head: int

    def __add__(self, later: IngestReport) -> IngestReport:
        """Add the report of a later ingest."""
        return IngestReport(
            read=self.read + later.read,
            appended=self.appended + later.appended,
            duplicates=self.duplicates + later.duplicates,
            conflicts=self.conflicts + later.conflicts,
            quarantined=self.quarantined + later.quarantined,
            head=later.head,
        )


def ingest(
    database: Database,
    chunks: Iterable[bytes],
    defaults: DeliveryDefaults,
    *,
    cache: StreamCache | None = None,
    on_batch: Callable[[int], None] = lambda _read: None,
) -> IngestReport:
    """Append the deliveries of a byte stream in batches; each batch is durable when it is done.

    The stream may be NDJSON, JSON arrays or documents of any layout, divided into `chunks` at any
    byte. A caller of many ingests passes a `cache` of its own. `on_batch` gets the number of
    deliveries done. FileUnreadable or FileCorrupt from `chunks` is raised after the deliveries
    before it have been appended.
    """
    outcomes: Counter[Outcome] = Counter()
    cache = cache or StreamCache()
    source = _UntilError(chunks)
    batches = read_batches(
        source,
        defaults,
        items_max=BATCH_ITEMS_MAX,
        bytes_max=BATCH_BYTES_MAX,
        # The events of another log may be moved in a file.
        allows_own_types=True,
    )
    for batch in batches:
        receipts = append(
            database,
            batch.items,
            received_at=datetime.now(UTC),
            cache=cache,
            channel=Channel.FILE,
        )
        outcomes.update(receipt.outcome for receipt in receipts)
        on_batch(outcomes.total())
    if source.error is not None:
        raise source.error
    return IngestReport(
        read=outcomes.total(),
        appended=outcomes[Outcome.APPENDED],
        duplicates=outcomes[Outcome.DUPLICATE],
        conflicts=outcomes[Outcome.CONFLICT],
        quarantined=outcomes[Outcome.QUARANTINED],
        head=cache.head.position if outcomes else _read_head(database),
    )


def _read_head(database: Database) -> int:
    with database.reading() as connection:
        return log.head(connection)


class _UntilError:
    """Chunks that end where their source raises an error, which is kept for later.

    So the splitter sees an ordinary end of the stream: the last document may be complete.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.error: ProjectorError | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except (FileUnreadable, FileCorrupt) as error:
            self.error = error
