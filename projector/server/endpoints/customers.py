"""Endpoints about customers: state, reasons, events, search."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from msgspec import Meta

from projector import errors
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
from projector.queries.erased import or_erased
from projector.queries.search import SearchResult, search_customers
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
from projector.server.endpoints.shared import with_position
from projector.server.positions import TablesPosition
from projector.server.queries import Endpoint, EndpointRequest
from projector.store import log
from projector.store.database import Database
from projector.text.instants import parse_option


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
    with or_erased(database, identifier, query.project, by_source_id=by_source_id):
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


def _batch(database: Database, request: EndpointRequest) -> CustomerBatch:
    body: BatchRequest = request.body
    return find_customers(database, body.customer_ids, project_id=body.project)


def _search(database: Database, request: EndpointRequest) -> SearchResults:
    query: parameters.SearchParameters = request.query
    found = search_customers(database, query.q, project_id=query.project, limit=query.limit)
    return SearchResults(customers=tuple(found))


_SOURCE_ID_PROBLEMS = (
    errors.CustomerNotFound,
    errors.CustomerAmbiguous,
    errors.BadInstant,
    errors.PositionUnknown,
)
_CUSTOMER_PROBLEMS = (errors.CustomerErased, *_SOURCE_ID_PROBLEMS)


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
        problems=_SOURCE_ID_PROBLEMS,
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
        run=with_position(_why),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/events",
        name="listCustomerEvents",
        summary="A customer's events as received, in the order of their positions.",
        query=parameters.EventParameters,
        answers=(EventPage,),
        problems=(
            errors.CustomerNotFound,
            errors.CustomerErased,
            errors.CustomerAmbiguous,
            errors.BadCursor,
        ),
        run=with_position(_events),
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
            errors.CustomerErased,
            errors.CustomerAmbiguous,
            errors.PositionUnknown,
            errors.BadCursor,
        ),
        run=with_position(_timeline),
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
        run=with_position(_batch),
    ),
    Endpoint(
        method="GET",
        path="/customers:search",
        name="searchCustomers",
        summary="Customers by an id, or by the beginning of a name or an e-mail address.",
        query=parameters.SearchParameters,
        answers=(SearchResults,),
        problems=(),
        run=with_position(_search),
    ),
)
