"""Repairs what differs: by the truth first (the activity), and what is left by observations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event, Lock

from attrs import evolve

from projector.backfill.backfill import Backfill
from projector.backfill.options import BackfillOptions, NamedCustomers
from projector.envelope import Envelope, Shape
from projector.errors import BudgetTooSmall
from projector.reconcile.cases import Case
from projector.reconcile.comparison import Difference, LostEvent
from projector.reconcile.options import ReconcileOptions
from projector.reconcile.ours import OurSide, lost_event
from projector.store import activity
from projector.store.append import Channel, Outcome, append
from projector.store.database import Database
from projector.store.stream_cache import StreamCache
from projector.text.instants import to_utc
from projector.voucherify.credentials import Access
from projector.voucherify.manners import StopReason
from projector.voucherify.pace import RunStopped

#: The observations that are appended in one transaction, and customers looked up in one.
CHUNK = 500

#: Before all events.
_FIRST = datetime.min.replace(tzinfo=UTC)


class Truth:
    """The activity of customers, which a backfill reads into the log."""

    def __init__(
        self,
        database: Database,
        access: Access,
        options: ReconcileOptions,
        *,
        stop: Event,
        requests_left: int,
    ) -> None:
        self._database = database
        self._access = access
        self._options = options
        self._stop = stop
        self._requests_left = requests_left
        self.requests = 0
        #: Why it ended early; None if it did not.
        self.stopped: StopReason | None = None

    def read(self, customer_ids: Sequence[str], on_done: Callable[[int], None]) -> set[str]:
        """Read the activity of customers; return those whose was read to its end."""
        if not customer_ids:
            return set()
        if self._requests_left < 1:
            self.stopped = StopReason.BUDGET
            return set()
        begun_at = datetime.now(UTC)
        options = BackfillOptions(
            per_minute=self._options.per_minute,
            reserve_percent=self._options.reserve_percent,
            requests_max=self._requests_left,
            workers=self._options.workers,
        )
        choice = NamedCustomers(tuple(customer_ids))
        with Backfill(self._database, self._access, choice, options, stop=self._stop) as backfill:
            try:
                report = backfill.run(lambda now: on_done(now.customers))
            except BudgetTooSmall:
                self.stopped = StopReason.BUDGET
                return set()
        self.requests, self.stopped = report.requests, report.stopped
        return self._read_since(customer_ids, begun_at)

    def _read_since(self, customer_ids: Sequence[str], begun_at: datetime) -> set[str]:
        found: set[str] = set()
        for begin in range(0, len(customer_ids), CHUNK):
            with self._database.reading() as connection:
                found |= activity.read_at_since(
                    connection,
                    self._access.project_id,
                    customer_ids[begin : begin + CHUNK],
                    scope="",
                    since=begun_at,
                )
        return found


class Recorder:
    """The way of observations into the log; it can be closed while another thread uses it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache = StreamCache()
        self._lock = Lock()
        self._is_closed = False
        #: The number of observations that are in the log now and were not before.
        self.recorded = 0

    def append(self, events: Sequence[Envelope]) -> None:
        """Append observations, durably; raises RunStopped, and appends nothing, once closed."""
        for begin in range(0, len(events), CHUNK):
            with self._lock:
                if self._is_closed:
                    raise RunStopped(StopReason.INTERRUPTED)
                piece = events[begin : begin + CHUNK]
                receipts = append(
                    self._database,
                    piece,
                    received_at=datetime.now(UTC),
                    cache=self._cache,
                    channel=Channel.RECONCILE,
                )
                self.recorded += sum(each.outcome is Outcome.APPENDED for each in receipts)

    def close(self) -> None:
        """Wait for the observations that are being appended, and let none follow."""
        with self._lock:
            self._is_closed = True


def mark(
    before: Case, after: Case, repaired_by: str | None, *, reason: str | None = None
) -> tuple[Difference, ...]:
    """Return the differences of before, those that are gone marked; and new ones."""
    left = {(each.place, each.kind): each for each in after.differences}
    old = {(each.place, each.kind) for each in before.differences}
    found = []
    for each in before.differences:
        if each.is_open and not any(place == each.place for place, _ in left):
            each = evolve(each, repaired_by=repaired_by, reason=reason or each.reason)
        elif each.is_open:
            new = left.get((each.place, each.kind))
            each = each if new is None else evolve(each, ours=new.ours, theirs=new.theirs)
        found.append(each)
    return (*found, *(each for key, each in left.items() if key not in old))


def find_lost(side: OurSide, difference: Difference, *, after_position: int) -> LostEvent | None:
    """Return the last event of the activity, new in the log, that should have come."""
    events = side.events(
        difference.customer_id,
        after=_FIRST,
        until=to_utc(difference.as_of),
        from_position=after_position,
    )
    own = [
        each.event
        for each in events
        if each.concerns(difference.place) and each.event.source == Shape.ACTIVITY
    ]
    return lost_event(own[-1]) if own else None
