"""The steps of a comparison: read and compare, explain, repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from attrs import evolve

from projector.reconcile.cases import Case
from projector.reconcile.comparing import Comparing, Inputs
from projector.reconcile.options import REPAIRED_ALWAYS, Record
from projector.reconcile.ours import OurSide
from projector.reconcile.reasons import Reason, Reasons
from projector.reconcile.repairing import Truth, find_lost
from projector.reconcile.report import ReconcileReport
from projector.reconcile.sightings import Place, Problem, observations
from projector.voucherify.pace import RunStopped

__all__ = ["Inputs", "Run"]


class Run(Comparing):
    """One comparison."""

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
