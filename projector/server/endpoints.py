"""What can be asked: each path with its parameters, its answer and the errors it may end with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from attrs import frozen
from msgspec import Meta

from projector import errors
from projector.errors import ProjectorError
from projector.projections import discover
from projector.queries.customer_events import EventPage, find_events
from projector.queries.customer_state import CustomerState
from projector.queries.customers import (
    IDS_MAX,
    CustomerBatch,
    PointInTime,
    find_customers,
    read_customer,
)
from projector.queries.members import (
    MemberPage,
    SegmentCount,
    TierCount,
    find_members,
    list_segments,
    list_tiers,
)
from projector.queries.status import Status, read_status
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
from projector.store import log
from projector.store.database import Database
from projector.text.instants import parse_option

#: The most events of a customer for an explanation: with more, it would fill the memory.
EXPLAINED_EVENTS_MAX = 10_000


@frozen(kw_only=True)
class BatchRequest:
    """Whose states are asked for."""

    customer_ids: Annotated[
        tuple[parameters.Id, ...], Meta(max_length=IDS_MAX, examples=[["cust_1", "cust_2"]])
    ]
    project: parameters.Project | None = None


@frozen(kw_only=True)
class SegmentList:
    """The segments, by project and id."""

    segments: tuple[SegmentCount, ...]


@frozen(kw_only=True)
class TierList:
    """The tiers, by project, campaign and id."""

    tiers: tuple[TierCount, ...]


@frozen(kw_only=True)
class EndpointRequest:
    """A request as an endpoint gets it."""

    #: What the path names.
    id: str
    #: An instance of the endpoint's class for parameters, and of that for bodies.
    query: Any
    body: Any


@frozen(kw_only=True)
class Endpoint:
    """A question, and how it is answered."""

    method: str
    path: str
    #: What programs that are made from the document call it.
    name: str
    summary: str
    query: type[Any]
    answers: tuple[type[Any], ...]
    problems: tuple[type[ProjectorError], ...]
    #: Gives the answer, and how far it and the log are at the least.
    run: Callable[[Database, EndpointRequest], tuple[Any, TablesPosition]]
    body: type[Any] | None = None
    #: Whether a client may keep the answer and ask whether it still holds.
    has_tag: bool = False
    #: Whether those who ask for no moment are answered together.
    reads_now: bool = False


def _with_position(
    run: Callable[[Database, EndpointRequest], Any],
) -> Callable[[Database, EndpointRequest], Any]:
    """Of what reads by itself: how far the tables are is read before, so they are as far then."""

    def read(database: Database, asked: EndpointRequest) -> tuple[Any, TablesPosition]:
        reached = read_tables_position(database)
        return run(database, asked), reached

    return read


def _point_in_time(query: parameters.CustomerParameters) -> PointInTime:
    return PointInTime(as_of=parse_option(query.as_of), at_position=query.at_position)


def _customer(database: Database, asked: EndpointRequest) -> tuple[CustomerState, TablesPosition]:
    return _resolved(database, asked.id, asked.query, by_source_id=False)


def _customer_by_source_id(
    database: Database, asked: EndpointRequest
) -> tuple[CustomerState, TablesPosition]:
    return _resolved(database, asked.query.source_id, asked.query, by_source_id=True)


def _resolved(
    database: Database, identifier: str, query: parameters.CustomerParameters, *, by_source_id: bool
) -> tuple[CustomerState, TablesPosition]:
    with database.reading_tables() as connection:
        found = read_customer(
            connection, identifier, query.project, by_source_id, _point_in_time(query)
        )
        return found, TablesPosition(found.position, log.head(connection))


def _why(database: Database, asked: EndpointRequest) -> Explanation:
    query: parameters.WhyParameters = asked.query
    question = WhyQuery(
        identifier=asked.id,
        segment_id=query.segment,
        campaign_id=query.campaign,
        not_=query.not_,
        project_id=query.project,
        moment=_point_in_time(query),
    )
    return why(database, question, events_max=EXPLAINED_EVENTS_MAX)


def _events(database: Database, asked: EndpointRequest) -> EventPage:
    query: parameters.EventParameters = asked.query
    return find_events(
        database, asked.id, project_id=query.project, after=query.after, limit=query.limit
    )


def _batch(database: Database, asked: EndpointRequest) -> CustomerBatch:
    body: BatchRequest = asked.body
    return find_customers(database, body.customer_ids, project_id=body.project)


def _segments(database: Database, asked: EndpointRequest) -> SegmentList:
    return SegmentList(segments=tuple(list_segments(database, project_id=asked.query.project)))


def _tiers(database: Database, asked: EndpointRequest) -> TierList:
    return TierList(tiers=tuple(list_tiers(database, project_id=asked.query.project)))


def _segment_members(database: Database, asked: EndpointRequest) -> MemberPage:
    return _members(database, asked.query, segment_id=asked.id)


def _tier_members(database: Database, asked: EndpointRequest) -> MemberPage:
    return _members(database, asked.query, tier_id=asked.id)


def _members(database: Database, query: parameters.MemberParameters, **group: str) -> MemberPage:
    return find_members(
        database,
        **group,
        project_id=query.project,
        as_of=parse_option(query.as_of),
        after=query.after,
        limit=query.limit,
    )


def _status(database: Database, _asked: EndpointRequest) -> Status:
    return read_status(database, discover())


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
        summary="A customer's state: now, or what was true or known at a moment.",
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
        summary="The state of the customer who has the shop's own id.",
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
        summary="Why a customer is, or is not, in a segment or on a tier.",
        query=parameters.WhyParameters,
        answers=(WhySegment, WhyCampaign, WhyNot),
        problems=(
            *_CUSTOMER_PROBLEMS,
            errors.NotOne,
            errors.NothingConcerns,
            errors.GroupNotFound,
            errors.StreamTooLong,
        ),
        run=_with_position(_why),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/events",
        name="listCustomerEvents",
        summary="A customer's events as they came, in the order of their positions.",
        query=parameters.EventParameters,
        answers=(EventPage,),
        problems=(errors.CustomerNotFound, errors.CustomerAmbiguous, errors.BadCursor),
        run=_with_position(_events),
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
        path="/segments",
        name="listSegments",
        summary="The segments, each with its name and how many are in it.",
        query=parameters.ProjectParameters,
        answers=(SegmentList,),
        problems=(),
        run=_with_position(_segments),
    ),
    Endpoint(
        method="GET",
        path="/segments/{id}/members",
        name="listSegmentMembers",
        summary="Who is in a segment, now or at an instant.",
        query=parameters.MemberParameters,
        answers=(MemberPage,),
        problems=(errors.GroupNotFound, errors.BadCursor, errors.BadInstant),
        run=_with_position(_segment_members),
    ),
    Endpoint(
        method="GET",
        path="/tiers",
        name="listTiers",
        summary="The tiers, each with its name and how many are on it.",
        query=parameters.ProjectParameters,
        answers=(TierList,),
        problems=(),
        run=_with_position(_tiers),
    ),
    Endpoint(
        method="GET",
        path="/tiers/{id}/members",
        name="listTierMembers",
        summary="Who is on a tier, now or at an instant.",
        query=parameters.MemberParameters,
        answers=(MemberPage,),
        problems=(errors.GroupNotFound, errors.BadCursor, errors.BadInstant),
        run=_with_position(_tier_members),
    ),
    Endpoint(
        method="GET",
        path="/status",
        name="getStatus",
        summary="The head of the log, how far each projection is, and what is put aside.",
        query=parameters.NoParameters,
        answers=(Status,),
        problems=(),
        run=_with_position(_status),
    ),
)
