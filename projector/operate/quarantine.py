"""The quarantine as a person works with it: list, look at one, retry after a fix."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import attrgetter

from attrs import asdict, define, field, frozen

from projector.envelope import NO_DEFAULTS, DeliveryDefaults, Envelope, Item, Rejected, id_problem
from projector.errors import BadIdentifier, QuarantineEntryNotFound
from projector.intake import sources
from projector.intake.documents import split_documents
from projector.store import quarantine
from projector.store.append import Outcome, Receipt, append
from projector.store.database import Database
from projector.store.quarantine import QuarantineEntry
from projector.text import paging

#: How many entries are read again in one go.
RETRY_ENTRIES_MAX = 500


@frozen(kw_only=True)
class QuarantinePage:
    """Some entries, in the order in which they came."""

    quarantine: tuple[QuarantineEntry, ...]
    #: How many wait in all, by reason.
    counts: dict[str, int]
    #: What to give as `after` for the next page; None at the end.
    next: str | None


@frozen(kw_only=True)
class QuarantineEntryDetail(QuarantineEntry):
    """An entry with its body, and with what the caller said of it."""

    defaults: DeliveryDefaults
    #: The body as text; None where it is not UTF-8.
    body: str | None
    #: The body in base64, where it is no text.
    body_base64: str | None


@frozen(kw_only=True)
class QuarantineRetryReport:
    """What a retry did; tried = resolved + waiting."""

    tried: int
    resolved: int
    #: How many of them, or a part of them, still cannot be filed.
    waiting: int
    #: The same, by the reason that keeps them now.
    reasons: dict[str, int]


def list_quarantine(
    database: Database,
    *,
    reason: str | None = None,
    resolved: bool = False,
    after: str | None = None,
    limit: int,
) -> QuarantinePage:
    """A page of entries that wait, or of all of them.

    Raises BadCursor, BadNumber, or BadIdentifier for a reason that is no text.
    """
    paging.check_limit(limit)
    _check(reason)
    [last] = paging.from_cursor(after, tuple[paging.Number]) or (0,)
    with database.reading() as connection:
        found = quarantine.page(
            connection, reason=reason, resolved=resolved, after=last, limit=limit + 1
        )
        counts = quarantine.counts(connection)
    shown = found[:limit]
    more = len(found) > limit
    return QuarantinePage(
        quarantine=tuple(shown),
        counts=counts,
        next=paging.to_cursor([shown[-1].quarantine_id]) if more else None,
    )


def show_entry(database: Database, quarantine_id: int) -> QuarantineEntryDetail:
    """An entry with its body; raises QuarantineEntryNotFound."""
    with database.reading() as connection:
        found = quarantine.find(connection, [quarantine_id])
        if not found:
            raise QuarantineEntryNotFound(quarantine_id=quarantine_id)
        [(body, defaults)] = quarantine.bodies(connection, [quarantine_id]).values()
    try:
        text, encoded = body.decode(), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(body).decode()
    known = asdict(found[0], recurse=False)
    return QuarantineEntryDetail(**known, defaults=defaults, body=text, body_base64=encoded)


def retry_quarantine(
    database: Database,
    ids: Sequence[int] | None = None,
    *,
    reason: str | None = None,
    defaults: DeliveryDefaults = NO_DEFAULTS,
    on_piece: Callable[[int], None] = lambda _tried: None,
) -> QuarantineRetryReport:
    """Read entries again: those of some ids, or all that wait, of one reason or any.

    What can be filed now is appended, and its entry closed with the position of its event; so is
    one whose event is in the log by now. What contradicts that event, and the part of a page that
    cannot be filed, is from then on an entry of its own. `defaults` fill in what the
    caller left out then. Raises QuarantineEntryNotFound or BadIdentifier, with nothing done.
    """
    _check(reason)
    tally = _Tally()
    for entries in _waiting(database, ids, reason):
        # What was received together is appended together.
        for received_at, batch in groupby(entries, key=attrgetter("received_at")):
            _retry(database, list(batch), received_at, defaults, tally)
        on_piece(tally.tried)
    return tally.result()


def _check(reason: str | None) -> None:
    problem = None if reason is None else id_problem(reason)
    if problem:
        # The database could not even be asked.
        raise BadIdentifier(name="The reason", text=reason, reason=problem)


@define
class _Tally:
    resolved: int = 0
    waiting: Counter[str] = field(factory=Counter)

    def count(self, reason: str | None) -> None:
        """Count an entry that is resolved, or that waits for a reason."""
        if reason is None:
            self.resolved += 1
        else:
            self.waiting[reason] += 1

    @property
    def tried(self) -> int:
        return self.resolved + self.waiting.total()

    def result(self) -> QuarantineRetryReport:
        return QuarantineRetryReport(
            tried=self.tried,
            resolved=self.resolved,
            waiting=self.waiting.total(),
            reasons=dict(sorted(self.waiting.items())),
        )


def _waiting(
    database: Database, ids: Sequence[int] | None, reason: str | None
) -> Iterator[list[QuarantineEntry]]:
    """The entries to read again, piece by piece."""
    if ids is not None:
        with database.reading() as connection:
            found = quarantine.find(connection, ids)
        unknown = {*ids}.difference(each.quarantine_id for each in found)
        if unknown:
            raise QuarantineEntryNotFound(quarantine_id=min(unknown))
        yield found
        return
    with database.reading() as connection:
        # What a retry puts aside anew has been tried.
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
    told: DeliveryDefaults,
    tally: _Tally,
) -> None:
    readable = _readable(database, entries, told, tally)
    positions: dict[int, int] = {}
    for entry, receipts in _append(database, readable, received_at):
        position = _position(entry, receipts)
        if position is not None:
            positions[entry.quarantine_id] = position
        tally.count(next((each.reason for each in receipts if each.reason is not None), None))
    # An interruption before this leaves entries open whose event is found when they are tried next.
    with database.writing() as connection:
        quarantine.resolve(connection, positions, at=datetime.now(UTC))


def _readable(
    database: Database, entries: Sequence[QuarantineEntry], told: DeliveryDefaults, tally: _Tally
) -> list[tuple[QuarantineEntry, list[Item]]]:
    """The entries of which a part can be filed by now; the others are counted here."""
    with database.reading() as connection:
        bodies = quarantine.bodies(connection, [each.quarantine_id for each in entries])
    found: list[tuple[QuarantineEntry, list[Item]]] = []
    for entry in entries:
        if entry.resolved_at is not None:
            tally.count(None)
            continue
        items = _read(*bodies[entry.quarantine_id], told)
        if any(isinstance(item, Envelope) for item in items):
            found.append((entry, items))
        else:
            reasons = [item.reason for item in items if isinstance(item, Rejected)]
            tally.count(reasons[0] if reasons else entry.reason)
    return found


def _append(
    database: Database,
    readable: Sequence[tuple[QuarantineEntry, list[Item]]],
    received_at: datetime,
) -> Iterator[tuple[QuarantineEntry, list[Receipt]]]:
    """Append all that entries hold, in one go; each entry with what became of its items."""
    items = [item for _, mine in readable for item in mine]
    receipts = iter(append(database, items, received_at=received_at) if items else [])
    for entry, mine in readable:
        yield entry, list(islice(receipts, len(mine)))


def _read(body: bytes, defaults: DeliveryDefaults, told: DeliveryDefaults) -> list[Item]:
    """Read a body in the light in which it came; what is told now adds to that.

    It replaces nothing: who tells the project of some entries does not mean those of another one.
    """
    both = DeliveryDefaults(
        project_id=defaults.project_id or told.project_id,
        type=defaults.type or told.type,
        occurred_at=defaults.occurred_at or told.occurred_at,
    )
    return [item for frame in split_documents([body]) for item in sources.read(frame, both)]


def _position(entry: QuarantineEntry, receipts: Sequence[Receipt]) -> int | None:
    """The position that closes an entry; none for a conflict that is still one."""
    for receipt in receipts:
        still = receipt.outcome == Outcome.CONFLICT and entry.reason == "conflict"
        if receipt.position is not None and not still:
            return receipt.position
    return None
