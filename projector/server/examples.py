"""Example values for the OpenAPI document, made of the classes that answer."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from projector.envelope import Shape
from projector.projections import segment_membership
from projector.queries.customer_events import CustomerEvent, EventPage
from projector.queries.customer_state import CustomerSegment, CustomerState, CustomerTier
from projector.queries.customers import CustomerBatch
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
from projector.queries.story.events import Statement, StoryEvent
from projector.queries.story.results import SegmentPeriod, Timeline
from projector.queries.why.explain import WhySegment
from projector.queries.why.steps import Effect, Step
from projector.server import operation_examples
from projector.server.bulk import BulkResult
from projector.server.endpoints.customers import SearchResults
from projector.server.endpoints.groups import SegmentList, TierList
from projector.server.webhooks import DeliveryResult
from projector.store.append import Outcome

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
    "reconcile": {"customer": "cust_1", "project": "proj_1"},
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
    segments=(
        CustomerSegment(
            segment_id="seg_1", name="New Customers", entered_at=_ENTERED, seen_at=None
        ),
    ),
    tiers=(
        CustomerTier(
            campaign_id="camp_1",
            campaign_name="Loyalty programme",
            tier_id="ltr_1",
            name="Loyal silver",
            points_from=151,
            points_to=250,
            joined_at=_JOINED,
            seen_at=None,
            expires_on=None,
            certain=True,
            overdue=False,
        ),
    ),
    complete=True,
    gaps=0,
    gaps_open=0,
    position=17,
    last_event_at=_JOINED,
    checked_at=None,
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
                entered_at=_ENTERED,
                left_at=None,
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
    "getCustomers": CustomerBatch(
        customers=(_CUSTOMER,), not_found=("cust_2",), erased=(), ambiguous=(), position=17
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
    "deliver": _DELIVERED,
    "deliverForProject": _DELIVERED,
    "ingestEvents": BulkResult(
        read=1,
        appended=1,
        duplicates=0,
        conflicts=0,
        quarantined=0,
        suppressed=0,
        last_position=17,
        items=(_DELIVERED,),
    ),
    **operation_examples.ANSWERS,
}
