"""Reads the activity of one customer: page by page into the log, from where it was left."""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import evolve

from projector.backfill.filing import Filing
from projector.backfill.options import Scope
from projector.envelope import CustomerKey, DeliveryDefaults, Item
from projector.errors import VoucherifyRejected, VoucherifyUnexpected
from projector.intake import sources
from projector.store.activity import Reading, Status
from projector.voucherify.client import Answer, Client, RequestFailed
from projector.voucherify.listing import read_customer_id
from projector.voucherify.pages import (
    ActivityPage,
    PageChain,
    PageUnreadable,
    Start,
    Step,
    activity_path,
    activity_query,
    customer_path,
    is_absent,
    read_page,
    start_of,
)


class ActivityReader:
    """Reads customers of one project."""

    def __init__(self, client: Client, filing: Filing, project_id: str, *, again: bool) -> None:
        self._client = client
        self._filing = filing
        self._project_id = project_id
        self._again = again

    def find_id(self, identifier: str) -> str | None:
        """Return Voucherify's id of a customer named by the shop's own; None if there is none.

        Not from the tables: the shop's id of a deleted customer may belong to another one by now.
        Raises RequestFailed and the errors of `Client.get`.
        """
        answer = self._client.get(customer_path(identifier), {})
        if not answer.is_found:
            check_absent(self._client, answer)
            return None
        try:
            return read_customer_id(answer.body)
        except PageUnreadable as error:
            raise VoucherifyUnexpected(host=self._client.host, reason=error) from None

    def is_erased(self, customer_id: str) -> bool:
        """Return whether a customer was erased from this database."""
        return self._filing.is_erased(CustomerKey(self._project_id, customer_id))

    def read(self, customer_id: str, scope: Scope) -> Status:
        """Read a customer's activity to its end; return how it ended.

        Raises RunStopped, which leaves it to be gone on with, and the errors of `Client.get`;
        RequestFailed is stored as the customer's failure, and raised.
        """
        customer = CustomerKey(self._project_id, customer_id)
        reading = self._filing.find(customer, scope.text)
        start = Start(from_at=scope.since) if self._again else _start(reading, scope)
        if start.cursor is None:
            reading = evolve(reading, begun_at=None)
        run = _Run(self._client, self._filing, scope, reading, start)
        try:
            return run.read()
        except RequestFailed as error:
            problem = f"Voucherify's API failed: {error}."
            self._filing.file([], evolve(run.reading, status=Status.FAILED, problem=problem))
            raise


class _Run:
    """One reading of a customer's activity, from a start to its end."""

    def __init__(
        self, client: Client, filing: Filing, scope: Scope, reading: Reading, start: Start
    ) -> None:
        self._client = client
        self._filing = filing
        self._scope = scope
        self._start = start
        self._chain = PageChain()
        self._may_restart = True
        # What a failure of the first page leaves: the next reading begins where this one does.
        self.reading = evolve(reading, status=Status.READING, cursor=start.cursor, problem=None)

    def read(self) -> Status:
        """Read all pages; raises RequestFailed and what `ActivityReader.read` raises."""
        while True:
            answer = self._get()
            if answer is None or not answer.is_found:
                if answer is not None and self._start.cursor is None:
                    return self._note_absence(answer)
                self._restart()
                continue
            page = _page(answer)
            step = self._chain.follow(page)
            begun_at = self.reading.begun_at or answer.date or answer.sent_at
            self.reading = _advance(evolve(self.reading, begun_at=begun_at), page, step)
            self._filing.file(self._items(answer, page), self.reading)
            if step.cursor is None:
                return self.reading.status
            self._start = Start(cursor=step.cursor)

    def _get(self) -> Answer | None:
        """Request a page; None if the API rejects the cursor."""
        query = activity_query(self._start, type_=self._scope.type)
        try:
            return self._client.get(activity_path(self.reading.customer_id), query)
        except VoucherifyRejected:
            if self._start.cursor is None:
                raise
            return None

    def _restart(self) -> None:
        """Begin again: the event of the cursor may be gone, while the customer is there."""
        if not self._may_restart:
            reason = f"it does not know its own event {self._start.cursor}"
            raise RequestFailed(reason, has_connected=True)
        self._may_restart = False
        self._start, self._chain = Start(from_at=self._scope.since), PageChain()
        self.reading = evolve(self.reading, begun_at=None)

    def _note_absence(self, answer: Answer) -> Status:
        check_absent(self._client, answer)
        self.reading = evolve(
            self.reading,
            status=Status.ABSENT,
            read_at=datetime.now(UTC),
            requests=self.reading.requests + 1,
        )
        self._filing.file([], self.reading)
        return self.reading.status

    def _items(self, answer: Answer, page: ActivityPage) -> list[Item]:
        if not page.entries:
            return []
        reading = self.reading
        defaults = DeliveryDefaults(project_id=reading.project_id, customer_id=reading.customer_id)
        return sources.read(answer.body, defaults)


def check_absent(client: Client, answer: Answer) -> None:
    """Raise VoucherifyUnexpected for a 404 that is not about a customer."""
    if not is_absent(answer.body):
        reason = "it answers with 404, and does not say that there is no such customer"
        raise VoucherifyUnexpected(host=client.host, reason=reason)


def _start(reading: Reading, scope: Scope) -> Start:
    return start_of(
        is_unfinished=reading.status in (Status.READING, Status.FAILED),
        cursor=reading.cursor,
        newest_at=reading.newest_at,
        since=scope.since,
    )


def _page(answer: Answer) -> ActivityPage:
    try:
        return read_page(answer.body)
    except PageUnreadable as error:
        raise RequestFailed(str(error), has_connected=True) from None


def _advance(reading: Reading, page: ActivityPage, step: Step) -> Reading:
    """Return how far a customer is read after a page."""
    newest_at = page.newest_at
    if newest_at is not None and reading.begun_at is not None:
        newest_at = min(newest_at, reading.begun_at)
    newest = [each for each in (reading.newest_at, newest_at) if each is not None]
    last_id = page.event_ids[-1] if page.event_ids else reading.cursor
    if step.problem is not None:
        status = Status.FAILED
    else:
        status = Status.DONE if step.cursor is None else Status.READING
    return evolve(
        reading,
        status=status,
        cursor=step.cursor or last_id,
        newest_at=max(newest, default=None),
        read_at=datetime.now(UTC) if status is Status.DONE else reading.read_at,
        requests=reading.requests + 1,
        entries=reading.entries + page.entries,
        problem=step.problem,
    )
