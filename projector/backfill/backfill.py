"""Reads the activity of many customers on several threads, within a rate and a budget."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Event, Lock, Thread

from projector.backfill.cost import Estimate, estimate, list_requests
from projector.backfill.customers import CustomerSelection, Target
from projector.backfill.filing import Filing
from projector.backfill.options import BackfillOptions, CustomerChoice, check, check_choice
from projector.backfill.reading import ActivityReader
from projector.backfill.report import BackfillProgress, BackfillReport
from projector.errors import BudgetTooSmall, VoucherifyUnreachable
from projector.store.activity import Status
from projector.store.database import Database
from projector.voucherify.client import Client, RequestFailed
from projector.voucherify.credentials import Access
from projector.voucherify.manners import StopReason
from projector.voucherify.pace import Pace, RunStopped

#: The customers in a row that may fail; then a fault of the API or of the network is likely.
FAILURES_MAX = 20

#: The pause between two looks at the threads, in seconds.
_JOIN_SECONDS = 0.1

#: How long threads that wait for an answer are waited for after the end, in seconds.
_GRACE_SECONDS = 0.6


class _CustomerCounts:
    """The customers so far, by how their reading ended. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._failed_in_a_row = 0
        # All keys from the beginning: another thread may iterate over them.
        self.ends = Counter(dict.fromkeys(Status, 0))
        self.fresh = 0
        self.erased = 0

    @property
    def finished(self) -> int:
        """The number of those who were asked for."""
        return self.ends.total()

    def add_fresh(self, count: int) -> None:
        """Count customers who were left out."""
        with self._lock:
            self.fresh += count

    def add_erased(self) -> None:
        """Count a customer who was left out because of an erasure."""
        with self._lock:
            self.erased += 1

    def add(self, status: Status) -> int:
        """Count a customer; return how many have failed in a row."""
        with self._lock:
            self.ends[status] += 1
            self._failed_in_a_row = self._failed_in_a_row + 1 if status is Status.FAILED else 0
            return self._failed_in_a_row


class Backfill:
    """A backfill of one project: estimate its cost, and run it. Close it, or use `with`."""

    def __init__(
        self,
        database: Database,
        access: Access,
        choice: CustomerChoice,
        options: BackfillOptions,
        *,
        stop: Event | None = None,
    ) -> None:
        """Prepare a backfill; it ends early once `stop` is set.

        Raises BadNumber, BadInstant, BadIdentifier or FileUnreadable.
        """
        now = datetime.now(UTC)
        check(options, now=now)
        self._options = options
        self._pace = Pace(
            per_minute=options.per_minute,
            requests_max=options.requests_max,
            stop=stop or Event(),
        )
        self._client = Client(
            access.address,
            access.credentials,
            self._pace,
            reserve_percent=options.reserve_percent,
            connections_max=options.workers,
        )
        self._filing = Filing(database)
        self._reader = ActivityReader(
            self._client, self._filing, access.project_id, again=options.again
        )
        self._chosen = CustomerSelection(
            database,
            access.project_id,
            check_choice([choice]),
            scopes=options.scopes,
            fresh_since=options.fresh_since(now),
            client=lambda: self._client,
        )
        self._estimate: Estimate | None = None
        self._targets = self._each_target()
        self._choosing = Lock()
        self._counts = _CustomerCounts()
        self._has_answered = False
        self._error: BaseException | None = None
        #: Whether no customer is left, and whether one was left unfinished.
        self._is_exhausted = False
        self._is_cut = False
        self._stopped: StopReason | None = None

    def __enter__(self) -> Backfill:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the API, and delete temporary files."""
        self._client.close()
        self._chosen.close()

    def estimate(self, *, may_ask: bool = True) -> Estimate:
        """Return the least that it costs.

        Only the API knows how many customers it lists; `may_ask` allows to ask it, by a request.
        Raises VoucherifyUnreachable and other errors of the API.
        """
        if self._estimate is not None:
            return self._estimate
        tally = self._chosen.count()
        if tally is not None:
            self._estimate = estimate(
                tally.customers,
                fresh=tally.fresh,
                options=self._options,
                more_requests=tally.by_source_id,
            )
            return self._estimate
        total = self._ask_total() if may_ask else None
        found = estimate(
            total,
            fresh=None if total is None else 0,
            options=self._options,
            more_requests=list_requests(total or 0),
        )
        if may_ask:
            self._estimate = found
        return found

    def run(
        self, on_progress: Callable[[BackfillProgress], None] = lambda _progress: None
    ) -> BackfillReport:
        """Read the customers, and return what came of it.

        Every page is durable in the log once it is read, and the next run goes on from there.
        Raises BudgetTooSmall before the customers are read; VoucherifyRefused,
        VoucherifyUnreachable, another error of the API, or of the database.
        """
        found = self.estimate()
        if found.requests is not None and found.requests > self._options.requests_max:
            raise BudgetTooSmall(needed=found.requests, requests_max=self._options.requests_max)
        self._work_on_threads(found.customers, on_progress)
        if self._error is not None:
            raise self._error
        return self._report(found)

    def _ask_total(self) -> int | None:
        try:
            return self._chosen.ask_total()
        except RunStopped:
            # The run will report why.
            return None
        except RequestFailed as error:
            raise VoucherifyUnreachable(host=self._client.host, reason=error) from None

    def _work_on_threads(
        self, total: int | None, on_progress: Callable[[BackfillProgress], None]
    ) -> None:
        threads = [
            Thread(target=self._work, name=f"backfill-{number}", daemon=True)
            for number in range(self._options.workers)
        ]
        begin, grace_end = time.monotonic(), None
        try:
            for each in threads:
                each.start()
            while any(each.is_alive() for each in threads):
                if grace_end is None and self._pace.has_ended:
                    grace_end = time.monotonic() + _GRACE_SECONDS
                if grace_end is not None and time.monotonic() > grace_end:
                    break
                for each in threads:
                    each.join(_JOIN_SECONDS / len(threads))
                on_progress(self._progress(total, time.monotonic() - begin))
        finally:
            is_over = self._is_exhausted and not self._is_cut
            if not is_over or any(each.is_alive() for each in threads):
                self._stopped = self._pace.reason or StopReason.INTERRUPTED
            # Ends also the threads that wait for an answer: they file nothing any more.
            self._pace.end(StopReason.INTERRUPTED)
            self._filing.close()

    def _work(self) -> None:
        try:
            while (target := self._next()) is not None:
                self._read(target)
        except RunStopped:
            self._is_cut = True
        except RequestFailed as error:
            # Of the list of customers: without it no other customer is known.
            self._fail(VoucherifyUnreachable(host=self._client.host, reason=error))
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._pace.end(StopReason.ERROR)

    def _next(self) -> Target | None:
        with self._choosing:
            target = next(self._targets, None)
        if target is None:
            self._is_exhausted = True
        else:
            self._pace.check()
        return target

    def _each_target(self) -> Iterator[Target]:
        for chunk in self._chosen.chunks():
            self._counts.add_fresh(chunk.fresh)
            yield from chunk.targets

    def _read(self, target: Target) -> None:
        try:
            status = self._read_scopes(target)
        except RequestFailed as error:
            if not (error.has_connected or self._has_answered):
                raise
            status = Status.FAILED
        if status is not None and self._counts.add(status) >= FAILURES_MAX:
            self._pace.end(StopReason.FAILURES)

    def _read_scopes(self, target: Target) -> Status | None:
        """Read a customer in every scope; return the worst end, or None if it is left out."""
        customer_id: str | None = target.identifier
        if target.may_be_source_id:
            customer_id = self._reader.find_id(target.identifier)
            self._has_answered = True
            if customer_id is None:
                return Status.ABSENT
            if self._chosen.is_fresh(customer_id):
                self._counts.add_fresh(1)
                return None
        if self._reader.is_erased(str(customer_id)):
            self._counts.add_erased()
            return None
        ends = set()
        for scope in self._options.scopes:
            ends.add(self._reader.read(str(customer_id), scope))
            self._has_answered = True
        return next(each for each in (Status.FAILED, Status.ABSENT, Status.DONE) if each in ends)

    def _progress(self, total: int | None, seconds: float) -> BackfillProgress:
        requests = self._pace.requests
        return BackfillProgress(
            customers=self._counts.finished,
            total=total,
            requests=requests,
            per_minute=requests / seconds * 60 if seconds else 0.0,
            appended=self._filing.appended,
            held_seconds=self._pace.held_seconds,
        )

    def _report(self, found: Estimate) -> BackfillReport:
        counts = self._counts
        finished = counts.finished + counts.fresh + counts.erased
        is_known = self._stopped is not None and found.customers is not None
        return BackfillReport(
            customers=(found.customers or 0) + (found.fresh or 0) if is_known else finished,
            fresh=counts.fresh,
            erased=counts.erased,
            done=counts.ends[Status.DONE],
            absent=counts.ends[Status.ABSENT],
            failed=counts.ends[Status.FAILED],
            requests=self._pace.requests,
            **self._filing.counts(),
            head=self._filing.head(),
            stopped=self._stopped,
        )
