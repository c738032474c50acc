"""Declares the query endpoints: path, parameters, answers and errors of each.

To add an endpoint, append an `Endpoint` to QUERIES: its route, the checks of its token and of
`min_position`, and its part of the OpenAPI document follow from that. It also needs an example in
`examples.ANSWERS` and a line in docs/http.md; a new first path segment needs an OpenAPI tag in
`paths` and, before an `{id}`, entries in `paths` and in `examples.IDS`. Endpoints that start jobs
are in `actions`; those that take deliveries in `routes`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, cast

from attrs import frozen
from msgspec import Meta

from projector import errors
from projector.operate.dead_letters import (
    DeadLetterDetail,
    DeadLetterPage,
    list_dead_letters,
    show_dead_letter,
)
from projector.operate.jobs import Job, JobList, list_jobs, show_job
from projector.operate.quarantine import (
    QuarantineEntryDetail,
    QuarantinePage,
    list_quarantine,
    show_entry,
)
from projector.projections import discover
from projector.queries.customer_events import EventPage, find_events
from projector.queries.customer_state import CustomerState
from projector.queries.customers import (
    IDS_MAX,
    CustomerBatch,
    PointInTime,
    find_customer_now,
    find_customers,
    read_customer,
)
from projector.queries.feeds import Feeds, read_feeds
from projector.queries.log_position import LogPosition, find_position
from projector.queries.log_tail import LogPage, read_log_page
from projector.queries.members import (
    MemberPage,
    SegmentCount,
    TierCount,
    find_members,
    list_segments,
    list_tiers,
)
from projector.queries.search import SearchResult, search_customers
from projector.queries.sizes import (
    SegmentSizes,
    SegmentTrends,
    TierSizes,
    segment_sizes,
    segment_trends,
    tier_sizes,
)
from projector.queries.status import Status, read_status
from projector.queries.story.results import Timeline
from projector.queries.story.timeline import find_timeline
from projector.queries.why.explain import (
    Explanation,
    WhyCampaign,
    WhyNot,
    WhyQuery,
    WhySegment,
    why,
)
from projector.server import parameters
from projector.server.positions import TablesPosition, read_tables_position
from projector.server.queries import Endpoint, EndpointRequest
from projector.store import log
from projector.store.database import Database
from projector.text.instants import parse_option, shorten


@frozen(kw_only=True)
class BatchRequest:
    """The customers whose states are requested."""

    customer_ids: Annotated[
        tuple[parameters.Id, ...], Meta(max_length=IDS_MAX, examples=[["cust_1", "cust_2"]])
    ]
    project: parameters.Project | None = None


@frozen(kw_only=True)
class SearchResults:
    """The customers who were found, the best matches first."""

    customers: tuple[SearchResult, ...]


@frozen(kw_only=True)
class SegmentList:
    """The segments, by project and id."""

    segments: tuple[SegmentCount, ...]


@frozen(kw_only=True)
class TierList:
    """The tiers, by project, campaign and id."""

    tiers: tuple[TierCount, ...]


def _with_position(
    run: Callable[[Database, EndpointRequest], Any],
) -> Callable[[Database, EndpointRequest], Any]:
    """Let a function that reads in its own snapshot return a position as well.

    The position is read first: checkpoints grow, so the answer reflects at least that position.
    """

    def read(database: Database, request: EndpointRequest) -> tuple[Any, TablesPosition]:
        reached = read_tables_position(database)
        return run(database, request), reached

    return read


def _point_in_time(query: parameters.CustomerParameters) -> PointInTime:
    return PointInTime(as_of=parse_option(query.as_of), at_position=query.at_position)


def _customer(database: Database, request: EndpointRequest) -> tuple[CustomerState, TablesPosition]:
    return _resolved(database, request.id, request.query, by_source_id=False)


def _customer_by_source_id(
    database: Database, request: EndpointRequest
) -> tuple[CustomerState, TablesPosition]:
    return _resolved(database, request.query.source_id, request.query, by_source_id=True)


def _resolved(
    database: Database, identifier: str, query: parameters.CustomerParameters, *, by_source_id: bool
) -> tuple[CustomerState, TablesPosition]:
    moment = _point_in_time(query)
    if moment.is_now:
        found = find_customer_now(
            database, identifier, project_id=query.project, by_source_id=by_source_id
        )
        if found is not None:
            state, head = found
            return state, TablesPosition(state.position, head)
    with database.reading_tables() as connection:
        state = read_customer(connection, identifier, query.project, by_source_id, moment)
        return state, TablesPosition(state.position, log.head(connection))


def _why(database: Database, request: EndpointRequest) -> Explanation:
    query: parameters.WhyParameters = request.query
    why_query = WhyQuery(
        identifier=request.id,
        segment_id=query.segment,
        campaign_id=query.campaign,
        not_=query.not_,
        project_id=query.project,
        moment=_point_in_time(query),
        after=query.after,
        limit=query.limit,
    )
    return why(database, why_query)


def _events(database: Database, request: EndpointRequest) -> EventPage:
    query: parameters.EventParameters = request.query
    return find_events(
        database, request.id, project_id=query.project, after=query.after, limit=query.limit
    )


def _timeline(database: Database, request: EndpointRequest) -> Timeline:
    query: parameters.TimelineParameters = request.query
    return find_timeline(
        database,
        request.id,
        project_id=query.project,
        at_position=query.at_position,
        after=query.after,
        limit=query.limit,
    )


def _log_position(database: Database, request: EndpointRequest) -> LogPosition:
    # The parameter is required.
    received_by = cast(datetime, parse_option(request.query.received_by))
    return find_position(database, received_by)


def _batch(database: Database, request: EndpointRequest) -> CustomerBatch:
    body: BatchRequest = request.body
    return find_customers(database, body.customer_ids, project_id=body.project)


def _search(database: Database, request: EndpointRequest) -> SearchResults:
    query: parameters.SearchParameters = request.query
    found = search_customers(database, query.q, project_id=query.project, limit=query.limit)
    return SearchResults(customers=tuple(found))


def _segment_sizes(database: Database, request: EndpointRequest) -> SegmentSizes:
    return segment_sizes(database, request.id, **_days(request.query))


def _tier_sizes(database: Database, request: EndpointRequest) -> TierSizes:
    return tier_sizes(database, request.id, **_days(request.query))


def _trends(database: Database, request: EndpointRequest) -> SegmentTrends:
    return segment_trends(database, **_days(request.query))


def _days(query: parameters.SizeParameters) -> dict[str, Any]:
    return {"project_id": query.project, "to_day": query.to, "days": query.days}


def _segments(database: Database, request: EndpointRequest) -> SegmentList:
    return SegmentList(segments=tuple(list_segments(database, project_id=request.query.project)))


def _tiers(database: Database, request: EndpointRequest) -> TierList:
    return TierList(tiers=tuple(list_tiers(database, project_id=request.query.project)))


def _segment_members(database: Database, request: EndpointRequest) -> MemberPage:
    return _members(database, request.query, segment_id=request.id)


def _tier_members(database: Database, request: EndpointRequest) -> MemberPage:
    return _members(database, request.query, tier_id=request.id)


def _members(database: Database, query: parameters.MemberParameters, **group: str) -> MemberPage:
    return find_members(
        database,
        **group,
        project_id=query.project,
        as_of=parse_option(query.as_of),
        after=query.after,
        limit=query.limit,
    )


def _status(database: Database, _request: EndpointRequest) -> Status:
    return read_status(database, discover())


def _feeds(database: Database, _request: EndpointRequest) -> Feeds:
    return read_feeds(database)


def _quarantine(database: Database, request: EndpointRequest) -> QuarantinePage:
    query: parameters.QuarantineParameters = request.query
    return list_quarantine(database, reason=query.reason, after=query.after, limit=query.limit)


def _quarantine_entry(database: Database, request: EndpointRequest) -> QuarantineEntryDetail:
    number = number_in(request.id)
    if number is None:
        raise errors.QuarantineEntryNotFound(quarantine_id=shorten(request.id))
    return show_entry(database, number)


def _dead_letters(database: Database, request: EndpointRequest) -> DeadLetterPage:
    query: parameters.DeadLetterParameters = request.query
    return list_dead_letters(
        database, projection=query.projection, after=query.after, limit=query.limit
    )


def _dead_letter(database: Database, request: EndpointRequest) -> DeadLetterDetail:
    position = number_in(request.id)
    if position is None:
        raise errors.DeadLetterNotFound(position=shorten(request.id))
    return show_dead_letter(database, position)


def _log(database: Database, request: EndpointRequest) -> LogPage:
    query: parameters.LogParameters = request.query
    return read_log_page(database, type_=query.type, before=query.before, limit=query.limit)


def _jobs(database: Database, _request: EndpointRequest) -> JobList:
    return list_jobs(database)


def _job(database: Database, request: EndpointRequest) -> Job:
    number = number_in(request.id)
    if number is None:
        raise errors.JobNotFound(job_id=shorten(request.id))
    return show_job(database, number)


def number_in(text: str) -> int | None:
    """Return the number of an entry, a position or a job in a path; None for other texts."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


_CUSTOMER_PROBLEMS = (
    errors.CustomerNotFound,
    errors.CustomerAmbiguous,
    errors.BadInstant,
    errors.PositionUnknown,
)

QUERIES: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/customers/{id}",
        name="getCustomer",
        summary="A customer's state: now, as of an instant, or at a position of the log.",
        query=parameters.CustomerParameters,
        answers=(CustomerState,),
        problems=_CUSTOMER_PROBLEMS,
        run=_customer,
        has_tag=True,
        reads_now=True,
    ),
    Endpoint(
        method="GET",
        path="/customers",
        name="findCustomer",
        summary="The state of the customer with a source id, the shop's own id.",
        query=parameters.SourceIdParameters,
        answers=(CustomerState,),
        problems=_CUSTOMER_PROBLEMS,
        run=_customer_by_source_id,
        has_tag=True,
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/why",
        name="explainCustomer",
        summary="Why a customer is, or is not, in a segment or on a tier; the steps in pages.",
        query=parameters.WhyParameters,
        answers=(WhySegment, WhyCampaign, WhyNot),
        problems=(
            *_CUSTOMER_PROBLEMS,
            errors.NotOne,
            errors.NothingConcerns,
            errors.GroupNotFound,
            errors.BadCursor,
        ),
        run=_with_position(_why),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/events",
        name="listCustomerEvents",
        summary="A customer's events as received, in the order of their positions.",
        query=parameters.EventParameters,
        answers=(EventPage,),
        problems=(errors.CustomerNotFound, errors.CustomerAmbiguous, errors.BadCursor),
        run=_with_position(_events),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/timeline",
        name="getCustomerTimeline",
        summary="A customer's periods, events with their effects, and proofs of lost deliveries.",
        query=parameters.TimelineParameters,
        answers=(Timeline,),
        problems=(
            errors.CustomerNotFound,
            errors.CustomerAmbiguous,
            errors.PositionUnknown,
            errors.BadCursor,
        ),
        run=_with_position(_timeline),
    ),
    Endpoint(
        method="POST",
        path="/customers:batch",
        name="getCustomers",
        summary=f"The states of up to {IDS_MAX:,} customers, from one snapshot.",
        query=parameters.ReadParameters,
        body=BatchRequest,
        answers=(CustomerBatch,),
        problems=(),
        run=_with_position(_batch),
    ),
    Endpoint(
        method="GET",
        path="/customers:search",
        name="searchCustomers",
        summary="Customers by an id, or by the beginning of a name or an e-mail address.",
        query=parameters.SearchParameters,
        answers=(SearchResults,),
        problems=(),
        run=_with_position(_search),
    ),
    Endpoint(
        method="GET",
        path="/segments",
        name="listSegments",
        summary="The segments, each with its name and number of members.",
        query=parameters.ProjectParameters,
        answers=(SegmentList,),
        problems=(),
        run=_with_position(_segments),
    ),
    Endpoint(
        method="GET",
        path="/segments/{id}/members",
        name="listSegmentMembers",
        summary="The members of a segment, now or as of an instant.",
        query=parameters.MemberParameters,
        answers=(MemberPage,),
        problems=(errors.GroupNotFound, errors.BadCursor, errors.BadInstant),
        run=_with_position(_segment_members),
    ),
    Endpoint(
        method="GET",
        path="/segments/sizes",
        name="listSegmentTrends",
        summary="The sizes of all segments at the end of each day.",
        query=parameters.SizeParameters,
        answers=(SegmentTrends,),
        problems=(),
        run=_with_position(_trends),
    ),
    Endpoint(
        method="GET",
        path="/segments/{id}/sizes",
        name="listSegmentSizes",
        summary="The size of a segment at the end of each day, with the entries and exits.",
        query=parameters.SizeParameters,
        answers=(SegmentSizes,),
        problems=(errors.GroupNotFound,),
        run=_with_position(_segment_sizes),
    ),
    Endpoint(
        method="GET",
        path="/campaigns/{id}/sizes",
        name="listTierSizes",
        summary="The sizes of a campaign's tiers at the end of each day.",
        query=parameters.SizeParameters,
        answers=(TierSizes,),
        problems=(errors.GroupNotFound,),
        run=_with_position(_tier_sizes),
    ),
    Endpoint(
        method="GET",
        path="/tiers",
        name="listTiers",
        summary="The tiers, each with its name and number of members.",
        query=parameters.ProjectParameters,
        answers=(TierList,),
        problems=(),
        run=_with_position(_tiers),
    ),
    Endpoint(
        method="GET",
        path="/tiers/{id}/members",
        name="listTierMembers",
        summary="The members of a tier, now or as of an instant.",
        query=parameters.MemberParameters,
        answers=(MemberPage,),
        problems=(errors.GroupNotFound, errors.BadCursor, errors.BadInstant),
        run=_with_position(_tier_members),
    ),
    Endpoint(
        method="GET",
        path="/log/position",
        name="findLogPosition",
        summary="The position of the last event that was received by an instant.",
        query=parameters.ReceivedParameters,
        answers=(LogPosition,),
        problems=(errors.BadInstant,),
        run=_with_position(_log_position),
    ),
    Endpoint(
        method="GET",
        path="/status",
        name="getStatus",
        summary="The head of the log, each projection's position and lag, and quarantine counts.",
        query=parameters.NoParameters,
        answers=(Status,),
        problems=(),
        run=_with_position(_status),
    ),
    Endpoint(
        method="GET",
        path="/feeds",
        name="listFeeds",
        summary="What arrives, by sender and type, and whether it has gone silent.",
        query=parameters.NoParameters,
        answers=(Feeds,),
        problems=(),
        run=_with_position(_feeds),
    ),
    Endpoint(
        method="GET",
        path="/quarantine",
        name="listQuarantine",
        summary="The deliveries that wait in the quarantine, in the order in which they came.",
        query=parameters.QuarantineParameters,
        answers=(QuarantinePage,),
        problems=(errors.BadCursor, errors.BadIdentifier),
        run=_with_position(_quarantine),
    ),
    Endpoint(
        method="GET",
        path="/quarantine/{id}",
        name="getQuarantineEntry",
        summary="A delivery of the quarantine with its body.",
        query=parameters.NoParameters,
        answers=(QuarantineEntryDetail,),
        problems=(errors.QuarantineEntryNotFound,),
        run=_with_position(_quarantine_entry),
    ),
    Endpoint(
        method="GET",
        path="/dead-letters",
        name="listDeadLetters",
        summary="The events that could not be folded, by projection and position.",
        query=parameters.DeadLetterParameters,
        answers=(DeadLetterPage,),
        problems=(errors.BadCursor, errors.ProjectionUnknown),
        run=_with_position(_dead_letters),
    ),
    Endpoint(
        method="GET",
        path="/dead-letters/{id}",
        name="getDeadLetter",
        summary="The dead letter at a position, with its body.",
        query=parameters.NoParameters,
        answers=(DeadLetterDetail,),
        problems=(errors.DeadLetterNotFound,),
        run=_with_position(_dead_letter),
    ),
    Endpoint(
        method="GET",
        path="/log",
        name="listEvents",
        summary="The events of the log without their bodies, the newest one first.",
        query=parameters.LogParameters,
        answers=(LogPage,),
        problems=(errors.BadIdentifier,),
        run=_with_position(_log),
    ),
    Endpoint(
        method="GET",
        path="/jobs",
        name="listJobs",
        summary="The last jobs without their results, the newest one first.",
        query=parameters.NoParameters,
        answers=(JobList,),
        problems=(),
        run=_with_position(_jobs),
    ),
    Endpoint(
        method="GET",
        path="/jobs/{id}",
        name="getJob",
        summary="A job: how far it is, or what came of it.",
        query=parameters.NoParameters,
        answers=(Job,),
        problems=(errors.JobNotFound,),
        run=_with_position(_job),
    ),
)
