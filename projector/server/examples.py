"""Example values for the OpenAPI document, made of the classes that answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
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
from projector.projections import segment_membership
from projector.queries.customer_events import CustomerEvent, EventPage
from projector.queries.customer_state import CustomerSegment, CustomerState, CustomerTier
from projector.queries.customers import CustomerBatch
from projector.queries.feed_verdicts import Verdict
from projector.queries.feeds import Feed, Feeds
from projector.queries.log_position import LogPosition
from projector.queries.log_tail import LogPage
from projector.queries.members import Member, MemberPage, SegmentCount, TierCount
from projector.queries.search import Match, SearchResult
from projector.queries.sizes import (
    DaySize,
    SegmentSizes,
    SegmentTrend,
    SegmentTrends,
    TierSeries,
    TierSizes,
)
from projector.queries.status import ProjectionStatus, Status
from projector.queries.story.events import Statement, StoryEvent
from projector.queries.story.results import SegmentPeriod, Timeline
from projector.queries.why.explain import WhySegment
from projector.queries.why.steps import Effect, Step
from projector.server.bulk import BulkResult
from projector.server.endpoints import SearchResults, SegmentList, TierList
from projector.server.webhooks import DeliveryResult
from projector.store.append import Outcome
from projector.store.log_pages import LogEntry
from projector.store.quarantine import QuarantineEntry

_ENTERED = datetime(2024, 3, 1, 10, tzinfo=UTC)
_RECEIVED = datetime(2024, 3, 1, 10, 0, 1, 250_000, tzinfo=UTC)
_JOINED = datetime(2024, 3, 14, 9, 29, 32, 501_000, tzinfo=UTC)

#: The example of a path's `{id}`, by the path's first segment.
IDS = {
    "campaigns": "camp_1",
    "customers": "cust_1",
    "segments": "seg_1",
    "tiers": "ltr_1",
    "webhooks": "proj_1",
    "quarantine": "3",
    "dead-letters": "17",
    "jobs": "1",
}

#: The example bodies, by the endpoint's name.
BODIES: dict[str, dict[str, Any]] = {
    "getCustomers": {"customer_ids": ["cust_1", "cust_2"], "project": "proj_1"},
    "retryQuarantine": {"reason": "missing_project", "project": "proj_1"},
    "retryDeadLetters": {"all": True},
    "rebuild": {"projections": ["loyalty_tier"], "dry_run": True},
    "verify": {"sample": 1000},
}

WEBHOOK: dict[str, Any] = {
    "id": "whs_1",
    "project_id": "proj_1",
    "created_at": "2024-03-01T10:00:01.000Z",
    "type": "Entered a segment",
    "source": {"id": "distr_1", "object": "distribution"},
    "event": {
        "id": "evcus_1",
        "type": "customer.segment.entered",
        "created_at": "2024-03-01T10:00:00.000Z",
        "entity_id": "cust_1",
    },
    "data": {
        "customer": {"id": "cust_1", "source_id": "a-tst", "name": "Alex Test"},
        "segment": {"id": "seg_1", "name": "New Customers", "object": "segment"},
    },
}

_CUSTOMER = CustomerState(
    project_id="proj_1",
    customer_id="cust_1",
    source_id="a-tst",
    name="Alex Test",
    email=None,
    deleted_at=None,
    segments=(CustomerSegment(segment_id="seg_1", name="New Customers", entered_at=_ENTERED),),
    tiers=(
        CustomerTier(
            campaign_id="camp_1",
            campaign_name="Loyalty programme",
            tier_id="ltr_1",
            name="Loyal silver",
            points_from=151,
            points_to=250,
            joined_at=_JOINED,
            expires_on=None,
            certain=True,
            overdue=False,
        ),
    ),
    complete=True,
    gaps=0,
    position=17,
    last_event_at=_JOINED,
)

_MEMBERSHIP = segment_membership.Row(
    segment_id="seg_1",
    segment_name="New Customers",
    is_member=True,
    entered_at=_ENTERED,
    left_at=None,
    ended_by_deletion=False,
    gaps=0,
    changed_by="evcus_1",
)

_STEP = Step(
    position=3,
    event_id="evcus_1",
    type="customer.segment.entered",
    occurred_at=_ENTERED,
    received_at=_RECEIVED,
    late=False,
    lateness_seconds=1.25,
    effect=Effect.APPLIED,
    reason=None,
    before=None,
    after=_MEMBERSHIP,
    decides=True,
)

_MEMBERS = MemberPage(
    members=(
        Member(
            project_id="proj_1",
            customer_id="cust_1",
            source_id="a-tst",
            name="Alex Test",
            since=_ENTERED,
        ),
    ),
    next=None,
)

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

_DAYS = (date(2024, 3, 1), date(2024, 3, 2))
_SIZES = (
    DaySize(day=_DAYS[0], members=1, entered=1, left=0),
    DaySize(day=_DAYS[1], members=1, entered=0, left=0),
)

_DELIVERED = DeliveryResult(outcome=Outcome.APPENDED, position=17, reason=None)

#: The example answers, by the endpoint's name.
ANSWERS: dict[str, Any] = {
    "getCustomer": _CUSTOMER,
    "findCustomer": _CUSTOMER,
    "explainCustomer": WhySegment(
        project_id="proj_1",
        customer_id="cust_1",
        segment_id="seg_1",
        steps=(_STEP,),
        next=None,
        conflicts=(),
        current=_MEMBERSHIP,
        complete=True,
        position=17,
    ),
    "listCustomerEvents": EventPage(
        project_id="proj_1",
        customer_id="cust_1",
        events=(
            CustomerEvent(
                position=3,
                event_id="evcus_1",
                type="customer.segment.entered",
                occurred_at=_ENTERED,
                received_at=_RECEIVED,
                late=False,
                source=Shape.WEBHOOK.value,
                duplicates=0,
                body='{"id": "whs_1", "event": {"id": "evcus_1"}}',
            ),
        ),
        next=None,
    ),
    "getCustomerTimeline": Timeline(
        project_id="proj_1",
        customer_id="cust_1",
        segments=(
            SegmentPeriod(
                segment_id="seg_1",
                period=1,
                segment_name="New Customers",
                valid_from=_ENTERED,
                valid_to=None,
                opened_by="evcus_1",
                closed_by=None,
                ended_by_deletion=False,
            ),
        ),
        tiers=(),
        events=(
            StoryEvent(
                position=3,
                event_id="evcus_1",
                type="customer.segment.entered",
                occurred_at=_ENTERED,
                received_at=_RECEIVED,
                late=False,
                lateness_seconds=1.25,
                effect=Effect.APPLIED,
                reason=None,
                stated=Statement(segment_id="seg_1", segment_name="New Customers"),
            ),
        ),
        next=None,
        event_count=1,
        losses=(),
        losses_are_all=True,
        dead_letters=(),
        position=17,
    ),
    "findLogPosition": LogPosition(at_position=17, received_at=_RECEIVED),
    "getCustomers": CustomerBatch(
        customers=(_CUSTOMER,), not_found=("cust_2",), ambiguous=(), position=17
    ),
    "searchCustomers": SearchResults(
        customers=(
            SearchResult(
                project_id="proj_1",
                customer_id="cust_1",
                source_id="a-tst",
                name="Alex Test",
                email=None,
                deleted_at=None,
                last_event_at=_JOINED,
                match=Match.BEGINNING,
            ),
        )
    ),
    "listSegmentSizes": SegmentSizes(
        segment_id="seg_1", from_=_DAYS[0], to=_DAYS[1], unknown=0, days=_SIZES
    ),
    "listSegmentTrends": SegmentTrends(
        from_=_DAYS[0],
        to=_DAYS[1],
        segments=(
            SegmentTrend(
                project_id="proj_1",
                segment_id="seg_1",
                name="New Customers",
                members=(1, 1),
                entered=1,
                left=0,
            ),
        ),
    ),
    "listTierSizes": TierSizes(
        campaign_id="camp_1",
        from_=_DAYS[0],
        to=_DAYS[1],
        tiers=(TierSeries(tier_id="ltr_1", name="Loyal silver", unknown=0, days=_SIZES),),
    ),
    "listSegments": SegmentList(
        segments=(
            SegmentCount(project_id="proj_1", segment_id="seg_1", name="New Customers", members=1),
        )
    ),
    "listSegmentMembers": _MEMBERS,
    "listTiers": TierList(
        tiers=(
            TierCount(
                project_id="proj_1",
                campaign_id="camp_1",
                campaign_name="Loyalty programme",
                tier_id="ltr_1",
                name="Loyal silver",
                members=1,
            ),
        )
    ),
    "listTierMembers": _MEMBERS,
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
    "deliver": _DELIVERED,
    "deliverForProject": _DELIVERED,
    "ingestEvents": BulkResult(
        read=1,
        appended=1,
        duplicates=0,
        conflicts=0,
        quarantined=0,
        last_position=17,
        items=(_DELIVERED,),
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
    "getJob": Job(**_JOB, result={"tried": 1, "resolved": 1, "waiting": 0}),
    "retryQuarantine": _ASKED,
    "retryDeadLetters": _ASKED,
    "rebuild": _ASKED,
    "verify": _ASKED,
}
