"""Compares customers with the source as of the instants at which it was read, and repairs."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event, Thread

from projector.errors import BudgetTooSmall, VoucherifyUnreachable
from projector.reconcile.choosing import Choosing
from projector.reconcile.cost import Cost, cost_of
from projector.reconcile.file_sightings import FileSightings
from projector.reconcile.files import ObservationFile
from projector.reconcile.frame import Frame
from projector.reconcile.options import Choice, ReconcileOptions, SegmentMembers, check
from projector.reconcile.report import ReconcileProgress, ReconcileReport
from projector.reconcile.run import Inputs, Run
from projector.reconcile.source import Source
from projector.store import reconciliations
from projector.store.database import Database
from projector.store.reconciliations import Reconciliation
from projector.voucherify.client import Client, RequestFailed
from projector.voucherify.credentials import Access
from projector.voucherify.manners import StopReason
from projector.voucherify.pace import Pace, RunStopped

#: The pause between two looks at the work, and how long it is waited for after the end, in seconds.
_JOIN_SECONDS = 0.1
_GRACE_SECONDS = 0.6


class Reconcile:
    """A comparison of one project: estimate its cost, and run it. Close it, or use `with`."""

    def __init__(
        self,
        database: Database,
        project_id: str,
        choice: Choice,
        options: ReconcileOptions,
        *,
        access: Access | None,
        file: str | None = None,
        stop: Event | None = None,
        is_erased: Callable[[str], bool] = lambda _customer_id: False,
    ) -> None:
        """Prepare a comparison with the API, or with a file; it ends early once `stop` is set.

        `access` may be None for a file unless the activity is to be read. `is_erased` says of whom
        nothing may be asked. Raises BadNumber, BadInstant, BadIdentifier or an error of the file.
        """
        now = datetime.now(UTC)
        check(options, now=now)
        self._database = database
        self._project_id = project_id
        self._options = options
        self._run_id = f"rec_{secrets.token_hex(8)}"
        self._stop = stop or Event()
        self._pace = Pace(
            per_minute=options.per_minute, requests_max=options.requests_max, stop=self._stop
        )
        self._choosing = Choosing(database, project_id, choice)
        self._file: ObservationFile | None = None
        self._file_sightings: FileSightings | None = None
        self._is_erased = is_erased
        self._client: Client | None = None
        self._source: Source | None = None
        if file is not None:
            segment_id = choice.segment_id if isinstance(choice, SegmentMembers) else None
            self._open_file(file, segment_id, now)
        elif access is not None:
            self._client = Client(
                access.address,
                access.credentials,
                self._pace,
                reserve_percent=options.reserve_percent,
                connections_max=options.workers,
            )
            margin = options.margin_of(is_file=False)
            self._source = Source(self._client, project_id, margin=margin, is_erased=is_erased)
        self._access = access
        self._frame: Frame | None = None
        self._error: BaseException | None = None

    def _open_file(self, path: str, segment_id: str | None, now: datetime) -> None:
        observed_at = self._options.observed_at
        self._file = ObservationFile(path, segment_id=segment_id, observed_at=observed_at, now=now)
        self._file_sightings = FileSightings(
            self._database,
            self._project_id,
            self._file,
            segment_id=segment_id,
            observed_at=observed_at,
            margin=self._options.margin_of(is_file=True),
            is_erased=self._is_erased,
        )

    def __enter__(self) -> Reconcile:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the API, and delete temporary files."""
        if self._client is not None:
            self._client.close()
        if self._file is not None:
            self._file.close()

    def estimate(self, *, may_ask: bool = True) -> Cost:
        """Return the least that it costs.

        Only the API knows how many campaigns there are; `may_ask` allows to ask it. Raises
        VoucherifyUnreachable and other errors of the API.
        """
        if self._source is None:
            customers = 0 if self._file is None else self._file.count
            return self._cost(customers, campaigns=None, list_requests=0, frame_requests=0)
        customers = self._choosing.count()
        if may_ask and self._frame is None:
            with suppress(RunStopped):
                self._frame = self._read_frame(self._source)
        campaigns = 0 if not self._options.tiers else None
        if self._frame is not None:
            campaigns = len(self._frame.with_tiers)
        return self._cost(
            customers,
            campaigns=campaigns,
            list_requests=self._list_requests(customers),
            frame_requests=self._pace.requests or 1,
        )

    def _cost(
        self, customers: int, *, campaigns: int | None, list_requests: int, frame_requests: int
    ) -> Cost:
        return cost_of(
            customers,
            campaigns=campaigns,
            list_requests=list_requests,
            frame_requests=frame_requests,
            is_file=self._file is not None,
            per_minute=self._options.per_minute,
            requests_max=self._options.requests_max,
        )

    def _list_requests(self, customers: int) -> int:
        """Return how many requests the lists take at the least, by what the tables know."""
        if not self._choosing.uses_lists:
            return 0
        segments = [] if self._frame is None else (self._frame.segments or {}).values()
        announced = sum(each.is_announced for each in segments)
        of_segments = announced if not self._choosing.is_of_segment else 0
        return max(-(-customers // 100), 1) + of_segments

    def _read_frame(self, source: Source) -> Frame:
        try:
            return source.read_frame(with_tiers=self._options.tiers)
        except RequestFailed as error:
            host = "" if self._client is None else self._client.host
            raise VoucherifyUnreachable(host=host, reason=error) from None

    def run(
        self, on_progress: Callable[[ReconcileProgress], None] = lambda _progress: None
    ) -> ReconcileReport:
        """Compare the customers, repair if that is wanted, and return what came of it.

        The tables follow once they are caught up. Raises BudgetTooSmall before a customer is read;
        VoucherifyRefused, VoucherifyUnreachable, another error of the API, or of the database.
        """
        cost = self.estimate()
        if cost.requests is not None and cost.requests > self._options.requests_max:
            raise BudgetTooSmall(needed=cost.requests, requests_max=self._options.requests_max)
        kind = "api" if self._file is None else "csv" if self._file.is_csv else "ndjson"
        with self._database.writing() as connection:
            reconciliations.begin(
                connection,
                self._run_id,
                self._project_id,
                begun_at=datetime.now(UTC),
                source=kind,
            )
        run = Run(
            Inputs(
                database=self._database,
                project_id=self._project_id,
                run_id=self._run_id,
                options=self._options,
                choosing=self._choosing,
                frame=self._frame or Frame(),
                pace=self._pace,
                client=self._client,
                source=self._source,
                file=self._file_sightings,
                access=self._access,
                is_erased=self._is_erased,
                stop=self._stop,
            )
        )
        self._work(run, on_progress)
        report = run.report()
        self._store(report)
        if self._error is not None:
            raise self._error
        return report

    def _work(self, run: Run, on_progress: Callable[[ReconcileProgress], None]) -> None:
        """Let another thread work, so that this one may handle signals, and wait for it."""
        thread = Thread(target=self._run, args=(run,), name="reconcile", daemon=True)
        grace_end = None
        try:
            thread.start()
            while thread.is_alive():
                if grace_end is None and self._pace.has_ended and self._stop.is_set():
                    grace_end = time.monotonic() + _GRACE_SECONDS
                if grace_end is not None and time.monotonic() > grace_end:
                    break
                thread.join(_JOIN_SECONDS)
                on_progress(run.progress())
        finally:
            if thread.is_alive():
                run.stop(StopReason.INTERRUPTED)
            # Ends also the threads that wait for an answer: they file nothing any more.
            self._pace.end(StopReason.INTERRUPTED)
            run.close()

    def _run(self, run: Run) -> None:
        try:
            run.work()
        except RunStopped as error:
            run.stop(error.reason)
        except RequestFailed as error:
            host = "" if self._client is None else self._client.host
            self._error = VoucherifyUnreachable(host=host, reason=error)
        except BaseException as error:
            self._error = error

    def _store(self, report: ReconcileReport) -> None:
        counts = Counter(each.reason for each in report.differences)
        found = Reconciliation(
            run_id=self._run_id,
            project_id=self._project_id,
            ended_at=datetime.now(UTC),
            compared=report.compared,
            differing=len({each.customer_id for each in report.differences}),
            repaired=report.repaired,
            remaining=report.remaining,
            requests=report.requests,
            reasons=counts,
            stopped="error" if self._error is not None else report.stopped,
        )
        with self._database.writing() as connection:
            reconciliations.end(connection, found)
