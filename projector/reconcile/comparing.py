"""The first half of a comparison: read, wait, and compare again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Event, Lock

from attrs import evolve, frozen

from projector.reconcile.cases import Case, evaluate
from projector.reconcile.choosing import Choosing
from projector.reconcile.file_sightings import FileSightings
from projector.reconcile.frame import Frame
from projector.reconcile.options import (
    TRIES_AGAIN,
    ReconcileOptions,
    Record,
)
from projector.reconcile.ours import OurSide
from projector.reconcile.reasons import Reason, Reasons
from projector.reconcile.repairing import Recorder, mark
from projector.reconcile.report import ReconcileProgress
from projector.reconcile.sightings import Problem, Sighting
from projector.reconcile.source import Source
from projector.reconcile.threads import run_each
from projector.store.database import Database
from projector.voucherify.client import Client, RequestFailed
from projector.voucherify.credentials import Access
from projector.voucherify.manners import StopReason
from projector.voucherify.pace import Pace

#: The customers in a row that may fail; then a fault of the API or of the network is likely.
FAILURES_MAX = 20

#: The pause between two looks whether a wait is over or the run has ended, in seconds.
_TICK_SECONDS = 0.1


@frozen(kw_only=True)
class Inputs:
    """All that the steps need."""

    database: Database
    project_id: str
    run_id: str
    options: ReconcileOptions
    choosing: Choosing
    frame: Frame
    pace: Pace
    client: Client | None
    source: Source | None
    file: FileSightings | None
    access: Access | None
    is_erased: Callable[[str], bool]
    stop: Event


class Comparing:
    """Reads customers, and holds the cases of those who differ."""

    def __init__(self, inputs: Inputs) -> None:
        self._in = inputs
        self._frame = inputs.frame
        self._lock = Lock()
        self._recorder = Recorder(inputs.database)
        #: By customer: those of whom something is to be done, or all if all are recorded.
        self._cases: dict[str, Case] = {}
        self._compared: set[str] = set()
        self._absent: set[str] = set()
        self._problems: list[Problem] = []
        self._failed = self._failed_in_a_row = 0
        #: What `--repair-max` is a percentage of, and the customers who were compared by lists.
        self._base = self._listed = 0
        self._truth_requests = 0
        self._refused = False
        self._stopped: StopReason | None = None
        self._phase, self._done = "lists", 0
        self._total: int | None = None
        self._settled_at = 0.0
        self._reasons = Reasons(inputs.project_id, self._frame)

    def stop(self, reason: StopReason) -> None:
        """Note why the run ends early; the first reason stays."""
        self._stopped = self._stopped or reason

    def close(self) -> None:
        """Wait for what is being appended, and let nothing follow."""
        self._recorder.close()

    def progress(self) -> ReconcileProgress:
        """Return how far it is."""
        settling = max(self._settled_at - time.monotonic(), 0.0)
        return ReconcileProgress(
            phase=self._phase,
            done=self._done,
            total=self._total,
            requests=self._in.pace.requests + self._truth_requests,
            held_seconds=max(self._in.pace.held_seconds, settling),
        )

    def _compare_file(self, file: FileSightings) -> None:
        self._begin("customers", None)
        for seen in file.read(self._in.choosing):
            self._in.pace.check()
            self._add(seen)
        self._problems += file.problems
        self._base = len(self._compared)

    def _compare_api(self, source: Source) -> None:
        choosing = self._in.choosing
        if choosing.uses_lists and self._in.client is not None:
            identifiers, self._base = choosing.suspects(self._in.client, self._frame, self._advance)
            self._listed = self._base
            if identifiers:
                self._settle()
        else:
            identifiers = choosing.named()
            self._base = choosing.count_compared(len(identifiers))
        self._read_all(source, identifiers)
        if not choosing.uses_lists and any(
            each.differences or each.unsettled for each in self._cases.values()
        ):
            # What is on its way now may be all that is missing.
            self._settle()
            self._compare_again(None, reason=Reason.LATE)
        self._ask_again(source)
        self._leave_out_unsynced(source)

    def _read_all(self, source: Source, identifiers: Iterable[str]) -> None:
        identifiers = list(identifiers)
        self._begin("customers", len(identifiers))
        run_each(
            identifiers,
            lambda each: self._read_one(source, each),
            workers=self._in.options.workers,
            pace=self._in.pace,
            name="reconcile",
        )

    def _read_one(self, source: Source, identifier: str) -> None:
        try:
            seen = source.read(identifier, self._frame)
        except RequestFailed as error:
            with self._lock:
                self._failed += 1
                self._failed_in_a_row += 1
                self._problems.append(
                    Problem(customer_id=identifier, reason="failed", detail=f"{error}.")
                )
            if self._failed_in_a_row >= FAILURES_MAX:
                self._in.pace.end(StopReason.FAILURES)
            return
        self._failed_in_a_row = 0
        self._add(seen)

    def _add(self, seen: Sighting) -> None:
        """Compare what was seen of a customer, and keep the case if something is to be done."""
        with self._lock, self._in.database.reading_tables() as connection:
            self._done += 1
            case = self._evaluate(OurSide(connection, self._in.project_id), seen)
            if not case.is_usable:
                self._failed += 1
                self._problems += seen.problems
                return
            self._compared.add(case.customer_id)
            if seen.absence is not None:
                self._absent.add(case.customer_id)
            is_of_use = case.differences or case.blocked or seen.problems
            if is_of_use or self._in.options.record is Record.ALL:
                self._cases[case.customer_id] = case
            else:
                self._cases.pop(case.customer_id, None)

    def _evaluate(self, side: OurSide, seen: Sighting) -> Case:
        return evaluate(side, seen, self._frame, self._in.options)

    def _compare_again(
        self, repaired_by: str | None, *, reason: Reason | None = None, only: set[str] | None = None
    ) -> None:
        """Compare the cases that differ with our side of now, as of the same instants."""
        for customer_id, case in list(self._cases.items()):
            if not case.differences or (only is not None and customer_id not in only):
                continue
            with self._in.database.reading_tables() as connection:
                after = self._evaluate(OurSide(connection, self._in.project_id), case.seen)
            differences = mark(case, after, repaired_by, reason=reason)
            self._cases[customer_id] = evolve(after, differences=differences)

    def _ask_again(self, source: Source) -> None:
        """Read those again who changed while they were read."""
        for number in range(TRIES_AGAIN):
            moving = [each.customer_id for each in self._cases.values() if each.unsettled]
            if not moving:
                return
            if number or self._in.choosing.uses_lists:
                self._settle()
            self._read_all(source, moving)

    def _leave_out_unsynced(self, source: Source) -> None:
        """Leave out segments whose first computation goes on, which only concerns what differs."""
        segments = self._frame.segments or {}
        differing = {
            each.segment_id
            for case in self._cases.values()
            for each in case.differences
            if each.segment_id is not None
        }
        unsynced = {
            each for each in differing & segments.keys() if not source.is_synced(segments[each])
        }
        if not unsynced:
            return
        self._frame = evolve(self._frame, unsynced=frozenset(unsynced))
        for segment_id in sorted(unsynced):
            detail = "The source is still computing who is in it."
            self._problems.append(
                Problem(segment_id=segment_id, reason="not_synced", detail=detail)
            )
        for customer_id, case in list(self._cases.items()):
            with self._in.database.reading_tables() as connection:
                side = OurSide(connection, self._in.project_id)
                self._cases[customer_id] = self._evaluate(side, case.seen)

    # Waiting and counting.

    def _settle(self) -> None:
        """Wait for what is on its way; raises RunStopped."""
        self._begin("settling", None)
        self._settled_at = time.monotonic() + self._in.options.settle.total_seconds()
        while (left := self._settled_at - time.monotonic()) > 0:
            self._in.pace.check()
            time.sleep(min(left, _TICK_SECONDS))
        self._in.pace.check()

    def _begin(self, phase: str, total: int | None) -> None:
        self._phase, self._done, self._total = phase, 0, total

    def _advance(self, count: int) -> None:
        self._done += count

    def _set_done(self, done: int) -> None:
        self._done = done
