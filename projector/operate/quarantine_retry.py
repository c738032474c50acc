"""Retries entries of the quarantine after a fix: reads them again, and appends what can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import attrgetter

from attrs import define, field, frozen

from projector.envelope import NO_DEFAULTS, DeliveryDefaults, Envelope, Item, Rejected
from projector.errors import QuarantineEntryNotFound
from projector.intake import sources
from projector.intake.documents import split_documents
from projector.operate.quarantine import check_reason
from projector.store import quarantine
from projector.store.append import Channel, ErasedMeanwhile, Outcome, Receipt, append
from projector.store.database import Database
from projector.store.erasure import records
from projector.store.quarantine import QuarantineEntry
from projector.store.stream_cache import StreamCache

#: The maximum number of entries in one batch of a retry.
RETRY_ENTRIES_MAX = 500


@frozen(kw_only=True)
class QuarantineRetryReport:
    """The result of a retry; tried = resolved + suppressed + waiting."""

    tried: int
    resolved: int
    #: The number of entries that were emptied, because they or their customers had been erased.
    suppressed: int
    #: The number of entries of which all or a part still cannot be appended.
    waiting: int
    #: The same number, by the reason that applies now.
    reasons: dict[str, int]


def retry_quarantine(
    database: Database,
    ids: Sequence[int] | None = None,
    *,
    reason: str | None = None,
    defaults: DeliveryDefaults = NO_DEFAULTS,
    on_piece: Callable[[int], None] = lambda _tried: None,
) -> QuarantineRetryReport:
    """Read entries again: those with the given ids, or all that wait, of one reason or any.

    An event that can be read now is appended, and its entry is resolved with the event's position;
    so is an entry whose event is in the log by now (idempotent). A delivery that conflicts with
    that event, and the part of a page that still cannot be read, become entries of their own. An
    entry is emptied if a part of it is suppressed.
    `defaults` fill in fields that were missing when the entry was received. Raises
    QuarantineEntryNotFound or BadIdentifier, with nothing done.
    """
    check_reason(reason)
    tally, cache = _Tally(), StreamCache()
    for entries in _waiting(database, ids, reason):
        # Deliveries that were received together are appended together.
        for received_at, batch in groupby(entries, key=attrgetter("received_at")):
            _retry(database, list(batch), received_at, defaults, tally, cache)
        on_piece(tally.tried)
    return tally.result()


@define
class _Tally:
    resolved: int = 0
    suppressed: int = 0
    waiting: Counter[str] = field(factory=Counter)

    def count(self, reason: str | None, *, is_suppressed: bool = False) -> None:
        """Count an entry: waiting for a reason; without one suppressed or resolved."""
        if reason is not None:
            self.waiting[reason] += 1
        elif is_suppressed:
            self.suppressed += 1
        else:
            self.resolved += 1

    @property
    def tried(self) -> int:
        return self.resolved + self.suppressed + self.waiting.total()

    def result(self) -> QuarantineRetryReport:
        return QuarantineRetryReport(
            tried=self.tried,
            resolved=self.resolved,
            suppressed=self.suppressed,
            waiting=self.waiting.total(),
            reasons=dict(sorted(self.waiting.items())),
        )


def _waiting(
    database: Database, ids: Sequence[int] | None, reason: str | None
) -> Iterator[list[QuarantineEntry]]:
    """Yield the entries to read again, in batches."""
    if ids is not None:
        with database.reading() as connection:
            found = quarantine.find(connection, ids)
        unknown = {*ids}.difference(each.quarantine_id for each in found)
        if unknown:
            raise QuarantineEntryNotFound(quarantine_id=min(unknown))
        yield found
        return
    with database.reading() as connection:
        # Entries that this retry itself adds have been tried already.
        until = quarantine.last_id(connection)
    last = 0
    while True:
        with database.reading() as connection:
            found = quarantine.page(
                connection,
                reason=reason,
                resolved=False,
                after=last,
                until=until,
                limit=RETRY_ENTRIES_MAX,
            )
        if not found:
            return
        yield found
        last = found[-1].quarantine_id


def _retry(
    database: Database,
    entries: Sequence[QuarantineEntry],
    received_at: datetime,
    defaults: DeliveryDefaults,
    tally: _Tally,
    cache: StreamCache,
) -> None:
    positions: dict[int, int] = {}
    erased: dict[int, int | None] = {}
    for entry, receipts in _append_readable(database, entries, received_at, defaults, tally, cache):
        position = _position(entry, receipts)
        is_suppressed = any(each.outcome == Outcome.SUPPRESSED for each in receipts)
        if is_suppressed:
            erased[entry.quarantine_id] = position
        elif position is not None:
            positions[entry.quarantine_id] = position
        reason = next((each.reason for each in receipts if each.reason is not None), None)
        tally.count(reason, is_suppressed=is_suppressed)
    # After a crash before this point the entries stay open, although their events are appended.
    # The next retry is idempotent: it finds the events in the log, and resolves the entries.
    with database.writing() as connection:
        quarantine.resolve(connection, positions, at=datetime.now(UTC))
        quarantine.erase(connection, erased, at=datetime.now(UTC))


def _append_readable(
    database: Database,
    entries: Sequence[QuarantineEntry],
    received_at: datetime,
    defaults: DeliveryDefaults,
    tally: _Tally,
    cache: StreamCache,
) -> list[tuple[QuarantineEntry, list[Receipt]]]:
    """Append what can be read of entries now; return those with their receipts, count the others.

    Read again after an erasure: it may have emptied an entry, of which a part that cannot be read
    would become an entry of its own.
    """
    while True:
        found, unreadable, erasure_id = _readable(database, entries, defaults)
        try:
            appended = list(_append(database, found, received_at, cache, erasure_id))
        except ErasedMeanwhile:
            continue
        for reason in unreadable:
            tally.count(reason)
        return appended


def _readable(
    database: Database, entries: Sequence[QuarantineEntry], defaults: DeliveryDefaults
) -> tuple[list[tuple[QuarantineEntry, list[Item]]], list[str | None], int]:
    """Return the entries of which at least a part can be read now, and the reasons of the others.

    The reason of a resolved one is None. The last value is the last erasure until then.
    """
    with database.reading() as connection:
        erasure_id = records.last_erasure(connection)
        bodies = quarantine.bodies(connection, [each.quarantine_id for each in entries])
    found: list[tuple[QuarantineEntry, list[Item]]] = []
    unreadable: list[str | None] = []
    for entry in entries:
        if entry.resolved_at is not None:
            unreadable.append(None)
            continue
        body, original_defaults = bodies[entry.quarantine_id]
        # What contradicts an event was valid when it came: this program may have made it.
        is_conflict = entry.reason == "conflict"
        items = _read(body, original_defaults, defaults, allows_own_types=is_conflict)
        if any(isinstance(item, Envelope) for item in items):
            found.append((entry, items))
        else:
            reasons = [item.reason for item in items if isinstance(item, Rejected)]
            unreadable.append(reasons[0] if reasons else entry.reason)
    return found, unreadable, erasure_id


def _append(
    database: Database,
    readable: Sequence[tuple[QuarantineEntry, list[Item]]],
    received_at: datetime,
    cache: StreamCache,
    erasure_id: int,
) -> Iterator[tuple[QuarantineEntry, list[Receipt]]]:
    """Append the items of all entries in one batch; yield each entry with its items' receipts."""
    items = [item for _, entry_items in readable for item in entry_items]
    receipts = iter(_append_again(database, items, received_at, cache, erasure_id) if items else [])
    for entry, entry_items in readable:
        yield entry, list(islice(receipts, len(entry_items)))


def _append_again(
    database: Database,
    items: Sequence[Item],
    received_at: datetime,
    cache: StreamCache,
    erasure_id: int,
) -> list[Receipt]:
    """Append items that arrived at `received_at`, and count them now."""
    now = datetime.now(UTC)
    return append(
        database,
        items,
        received_at=received_at,
        cache=cache,
        channel=Channel.RETRY,
        counted_at=now,
        read_after=erasure_id,
    )


def _read(
    body: bytes, original: DeliveryDefaults, added: DeliveryDefaults, *, allows_own_types: bool
) -> list[Item]:
    """Read a body with its original defaults, completed by the ones that are given now.

    The new ones replace nothing: an operator who names the project of some entries does not mean
    the entries that came with another one.
    """
    defaults = DeliveryDefaults(
        project_id=original.project_id or added.project_id,
        type=original.type or added.type,
        occurred_at=original.occurred_at or added.occurred_at,
        customer_id=original.customer_id or added.customer_id,
    )
    return [
        item
        for document in split_documents([body])
        for item in sources.read(document, defaults, allows_own_types=allows_own_types)
    ]


def _position(entry: QuarantineEntry, receipts: Sequence[Receipt]) -> int | None:
    """Return the position that resolves an entry; None for a conflict that is still a conflict.

    The offer of a webhook does not resolve the conflict of its event.
    """
    if entry.reason == "conflict" and any(r.outcome == Outcome.CONFLICT for r in receipts):
        return None
    return next((each.position for each in receipts if each.position is not None), None)
