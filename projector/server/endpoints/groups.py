"""Endpoints about segments and tiers: lists, members, sizes."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from projector import errors
from projector.queries.members import (
    MemberPage,
    SegmentCount,
    TierCount,
    find_members,
    list_segments,
    list_tiers,
)
from projector.queries.sizes import (
    SegmentSizes,
    SegmentTrends,
    TierSizes,
    segment_sizes,
    segment_trends,
    tier_sizes,
)
from projector.server import parameters
from projector.server.endpoints.shared import with_position
from projector.server.queries import Endpoint, EndpointRequest
from projector.store.database import Database
from projector.text.instants import parse_option


@frozen(kw_only=True)
class SegmentList:
    """The segments, by project and id."""

    segments: tuple[SegmentCount, ...]


@frozen(kw_only=True)
class TierList:
    """The tiers, by project, campaign and id."""

    tiers: tuple[TierCount, ...]


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


QUERIES: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/segments",
        name="listSegments",
        summary="The segments, each with its name and number of members.",
        query=parameters.ProjectParameters,
        answers=(SegmentList,),
        problems=(),
        run=with_position(_segments),
    ),
    Endpoint(
        method="GET",
        path="/segments/{id}/members",
        name="listSegmentMembers",
        summary="The members of a segment, now or as of an instant.",
        query=parameters.MemberParameters,
        answers=(MemberPage,),
        problems=(errors.GroupNotFound, errors.BadCursor, errors.BadInstant),
        run=with_position(_segment_members),
    ),
    Endpoint(
        method="GET",
        path="/segments/sizes",
        name="listSegmentTrends",
        summary="The sizes of all segments at the end of each day.",
        query=parameters.SizeParameters,
        answers=(SegmentTrends,),
        problems=(),
        run=with_position(_trends),
    ),
    Endpoint(
        method="GET",
        path="/segments/{id}/sizes",
        name="listSegmentSizes",
        summary="The size of a segment at the end of each day, with the entries and exits.",
        query=parameters.SizeParameters,
        answers=(SegmentSizes,),
        problems=(errors.GroupNotFound,),
        run=with_position(_segment_sizes),
    ),
    Endpoint(
        method="GET",
        path="/campaigns/{id}/sizes",
        name="listTierSizes",
        summary="The sizes of a campaign's tiers at the end of each day.",
        query=parameters.SizeParameters,
        answers=(TierSizes,),
        problems=(errors.GroupNotFound,),
        run=with_position(_tier_sizes),
    ),
    Endpoint(
        method="GET",
        path="/tiers",
        name="listTiers",
        summary="The tiers, each with its name and number of members.",
        query=parameters.ProjectParameters,
        answers=(TierList,),
        problems=(),
        run=with_position(_tiers),
    ),
    Endpoint(
        method="GET",
        path="/tiers/{id}/members",
        name="listTierMembers",
        summary="The members of a tier, now or as of an instant.",
        query=parameters.MemberParameters,
        answers=(MemberPage,),
        problems=(errors.GroupNotFound, errors.BadCursor, errors.BadInstant),
        run=with_position(_tier_members),
    ),
)
