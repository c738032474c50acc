"""Example answers about the log, the tables, what was put aside, and jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import asdict

from projector.envelope import NO_DEFAULTS, Shape
from projector.operate.dead_letters import (
    DeadLetterDetail,
    DeadLetterPage,
    DeadLetterSummary,
    ProjectionFailure,
    ReasonCount,
)
from projector.operate.jobs import Job, JobKind, JobList, JobState, JobSummary
from projector.operate.quarantine import QuarantineEntryDetail, QuarantinePage
from projector.queries.feed_verdicts import Verdict
from projector.queries.feeds import Feed, Feeds
from projector.queries.log_position import LogPosition
from projector.queries.log_tail import LogPage
from projector.queries.status import ProjectionStatus, Status
from projector.store.erasure.counts import ErasureCounts
from projector.store.log_pages import LogEntry
from projector.store.quarantine import QuarantineEntry

_ENTERED = datetime(2024, 3, 1, 10, tzinfo=UTC)

_RECEIVED = datetime(2024, 3, 1, 10, 0, 1, 250_000, tzinfo=UTC)


_QUARANTINED: dict[str, Any] = {
    "quarantine_id": 3,
    "reason": "missing_project",
    "detail": "The delivery has no project. Give it with --project.",
    "project_id": None,
    "event_id": "evcus_2",
    "received_at": _RECEIVED,
    "resolved_at": None,
    "resolved_position": None,
}

_DEAD_LETTER: dict[str, Any] = {
    "position": 17,
    "project_id": "proj_1",
    "customer_id": "cust_1",
    "event_id": "evcus_3",
    "type": "customer.segment.entered",
    "occurred_at": _ENTERED,
    "failures": (
        ProjectionFailure(
            projection="segment_membership",
            reason="The data do not state a customer.segment.entered: Expected `object`, got "
            "`null` - at `$.segment`.",
        ),
    ),
}

_JOB: dict[str, Any] = {
    "job_id": 1,
    "kind": JobKind.DEAD_LETTER_RETRY,
    "state": JobState.DONE,
    "arguments": {"all": True},
    "asked_by": "shop",
    "asked_at": _RECEIVED,
    "began_at": _RECEIVED,
    "ended_at": _RECEIVED,
    "phase": "folding again",
    "phase_began_at": _RECEIVED,
    "done": 1,
    "total": None,
    "exit_code": 0,
    "problem": None,
}

_ASKED = Job(
    **{
        **_JOB,
        "state": JobState.WAITING,
        "began_at": None,
        "ended_at": None,
        "phase": None,
        "phase_began_at": None,
        "done": None,
        "exit_code": None,
    },
    result=None,
)

#: By the endpoint's name.
ANSWERS: dict[str, Any] = {
    "findLogPosition": LogPosition(at_position=17, received_at=_RECEIVED),
    "getStatus": Status(
        head=17,
        projections=(
            ProjectionStatus(
                name="customer",
                position=17,
                lag=0,
                dead_letters=0,
                digest="0" * 64,
                installed=True,
                error=None,
            ),
        ),
        quarantine={"unknown_shape": 1},
        overdue=0,
        erased=ErasureCounts(customers=0, events=0, last=None, unpurged=0),
    ),
    "listFeeds": Feeds(
        feeds=(
            Feed(
                project_id="proj_1",
                sender="distr_1",
                type="customer.segment.left",
                verdict=Verdict.SILENT,
                last_at=_RECEIVED,
                a_day=15.0,
                days=(*[15] * 41, 0),
                missing=45.2,
                noticed_after_seconds=64_800,
                in_log=6_846,
            ),
        ),
        everything=None,
        senders=(),
        checked_at=_RECEIVED + timedelta(days=3),
    ),
    "listQuarantine": QuarantinePage(
        quarantine=(QuarantineEntry(**_QUARANTINED),), counts={"missing_project": 1}, next=None
    ),
    "getQuarantineEntry": QuarantineEntryDetail(
        **_QUARANTINED, defaults=NO_DEFAULTS, body='{"id": "evcus_2"}', body_base64=None
    ),
    "listDeadLetters": DeadLetterPage(
        dead_letters=(DeadLetterSummary(**_DEAD_LETTER),),
        counts=(ReasonCount(**asdict(_DEAD_LETTER["failures"][0]), count=1),),
        next=None,
    ),
    "getDeadLetter": DeadLetterDetail(
        **_DEAD_LETTER,
        received_at=_RECEIVED,
        source=Shape.WEBHOOK.value,
        body='{"id": "whs_1", "event": {"id": "evcus_3"}}',
    ),
    "listEvents": LogPage(
        head=17,
        events=(
            LogEntry(
                position=17,
                project_id="proj_1",
                customer_id="cust_1",
                event_id="evcus_3",
                type="customer.segment.entered",
                occurred_at=_ENTERED,
                received_at=_RECEIVED,
                late=False,
                source=Shape.WEBHOOK.value,
            ),
        ),
        next=17,
    ),
    "listJobs": JobList(jobs=(JobSummary(**_JOB),)),
    "getJob": Job(**_JOB, result={"tried": 1, "resolved": 1, "suppressed": 0, "waiting": 0}),
    "retryQuarantine": _ASKED,
    "retryDeadLetters": _ASKED,
    "rebuild": _ASKED,
    "verify": _ASKED,
    "reconcile": _ASKED,
}
