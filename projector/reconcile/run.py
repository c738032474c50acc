"""The steps of a comparison: read, wait, compare again, explain, repair."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from threading import Event, Lock

from attrs import evolve, frozen

from projector.reconcile.cases import Case, evaluate
from projector.reconcile.choosing import Choosing
from projector.reconcile.file_sightings import FileSightings
from projector.reconcile.frame import Frame
from projector.reconcile.options import (
    REPAIRED_ALWAYS,
    TRIES_AGAIN,
    ReconcileOptions,
    Record,
)
from projector.reconcile.ours import OurSide
from projector.reconcile.reasons import Reason, Reasons
from projector.reconcile.repairing import Recorder, Truth, find_lost, mark
from projector.reconcile.report import ReconcileProgress, ReconcileReport
from projector.reconcile.sightings import Place, Problem, Sighting, observations
from projector.reconcile.source import Source
from projector.reconcile.threads import run_each
from projector.store.database import Database
from projector.voucherify.client import Client, RequestFailed
from projector.voucherify.credentials import Access
from projector.voucherify.manners import StopReason
from projector.voucherify.pace import Pace, RunStopped

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


class Run:
    """One comparison."""

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

    def work(self) -> None:
        """Do all steps; raises RunStopped and the errors of the API and of the database."""
        try:
            if self._in.file is not None:
                self._compare_file(self._in.file)
            elif self._in.source is not None:
                self._compare_api(self._in.source)
        except RunStopped as error:
            self.stop(error.reason)
        self._explain()
        if self._in.options.repair and self._stopped is None:
            self._repair()

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

    def report(self) -> ReconcileReport:
        """Return the result so far."""
        with self._lock:
            cases = list(self._cases.values())
            problems = (*self._problems, *(each for case in cases for each in case.seen.problems))
            compared = max(len(self._compared), self._listed)
        differences = tuple(
            each if each.reason else evolve(each, reason=Reason.UNEXPLAINED)
            for case in cases
            for each in case.settled
        )
        unsettled = {case.customer_id for case in cases if case.unsettled}
        remaining = [each for each in differences if each.is_open]
        touched = {each.customer_id for each in differences} | unsettled
        return ReconcileReport(
            run=self._in.run_id,
            compared=compared,
            agree=compared - len(touched),
            unsettled=len(unsettled),
            absent=len(self._absent),
            failed=self._failed,
            differences=differences,
            by_reason=dict(sorted(Counter(each.reason for each in differences).items())),
            problems=problems,
            repaired=sum(each.repaired_by is not None for each in differences),
            remaining=len(remaining),
            recorded=self._recorder.recorded,
            refused=self._refused,
            requests=self._in.pace.requests + self._truth_requests,
            stopped=self._stopped,
        )

    # Reading and comparing.

    def _compare_file(self, file: FileSightings) -> None:
        self._begin("customers", None)
        for seen in file.read(self._in.choosing):
            self._in.pace.check()
            self._add(seen)
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

    # Explaining and repairing.

    def _explain(self) -> None:
        """Find the reasons, before anything is repaired: then they are still to be seen."""
        reasons = self._reasons = Reasons(self._in.project_id, self._frame)
        for customer_id, case in list(self._cases.items()):
            if not case.differences:
                continue
            with self._in.database.reading_tables() as connection:
                differences = tuple(
                    each
                    if each.reason
                    else evolve(each, reason=reasons.of(connection, each, case.seen.created_at))
                    for each in case.differences
                )
            self._cases[customer_id] = evolve(case, differences=differences)

    def _repair(self) -> None:
        differing = {
            each.customer_id: each
            for each in self._cases.values()
            if any(difference.is_open for difference in each.settled)
        }
        if self._exceeds_max(differing.values()):
            self._refused = True
            return
        may_record = set(differing)
        if self._in.options.activity and self._in.access is not None:
            may_record = self._read_truth(list(differing.values()))
        self._record(may_record)

    def _exceeds_max(self, differing: Iterable[Case]) -> bool:
        """Return whether so many differ that it is likely to be a mistake."""
        percent = self._in.options.repair_percent_max
        count = sum(
            any(each.is_open and each.is_of_state for each in case.settled) for case in differing
        )
        allowed = max(self._base, len(self._compared)) * percent / 100
        return count > max(allowed, REPAIRED_ALWAYS if percent else 0)

    def _read_truth(self, differing: list[Case]) -> set[str]:
        """Read the activity of those who differ; return those who may be recorded then.

        These are those whose activity was read to its end, and those who do not exist: nothing can
        be read of them.
        """
        if self._in.access is None:
            return set()
        present = [each.customer_id for each in differing if each.seen.absence is None]
        absent = {each.customer_id for each in differing if each.seen.absence is not None}
        with self._in.database.reading() as connection:
            head = OurSide(connection, self._in.project_id).head
        self._begin("activity", len(present))
        truth = Truth(
            self._in.database,
            self._in.access,
            self._in.options,
            stop=self._in.stop,
            requests_left=self._in.options.requests_max - self._in.pace.requests,
        )
        read = truth.read(present, self._set_done)
        self._truth_requests = truth.requests
        if truth.stopped is not None:
            self.stop(truth.stopped)
        with self._lock:
            self._compare_again("activity", only=set(present))
            self._note_lost(present, head)
        for each in present:
            if each not in read and truth.stopped is None:
                detail = "Its activity could not be read, so nothing else was repaired."
                self._problems.append(
                    Problem(customer_id=each, reason="activity_failed", detail=detail)
                )
        return read | absent

    def _note_lost(self, customer_ids: list[str], head: int) -> None:
        """Note the events of the activity that were lost."""
        for customer_id in customer_ids:
            case = self._cases[customer_id]
            with self._in.database.reading() as connection:
                side = OurSide(connection, self._in.project_id)
                found = [
                    (each, find_lost(side, each, after_position=head)) for each in case.differences
                ]
            differences = tuple(
                each
                if lost is None
                else evolve(
                    each,
                    lost_event=lost,
                    reason=self._reasons.with_lost(each, lost),
                )
                for each, lost in found
            )
            self._cases[customer_id] = evolve(case, differences=differences)

    def _record(self, may_record: set[str]) -> None:
        """File observations of what still differs, or of everything, and compare again."""
        self._begin("recording", None)
        events, recorded = [], set()
        for case in self._cases.values():
            without = self._left_out(case, may_record)
            if without is None:
                continue
            events += observations(
                case.seen,
                run_id=self._in.run_id,
                silent=self._frame.silent,
                ours=case.ours,
                without=without,
            )
            recorded.add(case.customer_id)
        self._recorder.append(events)
        with self._lock:
            self._compare_again("observation", only=recorded)

    def _left_out(self, case: Case, may_record: set[str]) -> frozenset[Place] | None:
        """Return the places of a customer that are not filed; None if none is."""
        if self._in.options.record is Record.ALL:
            differs = any(each.is_open for each in case.settled)
            return case.blocked if not differs or case.customer_id in may_record else None
        open_places = {each.place for each in case.settled if each.is_open}
        if not open_places or case.customer_id not in may_record:
            return None
        without = set(case.blocked)
        without |= {Place(campaign_id=each.campaign_id) for each in case.seen.tiers} - open_places
        if not any(each.segment_id for each in open_places):
            segments = case.seen.segments
            shown = frozenset() if segments is None else frozenset(segments.segments)
            scope = frozenset() if segments is None else segments.scope or shown | case.ours
            without |= {Place(segment_id=each) for each in shown | scope}
        return frozenset(without)
