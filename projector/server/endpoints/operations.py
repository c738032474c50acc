"""Endpoints about the log, the tables, what was put aside, and jobs."""

from __future__ import annotations

from datetime import datetime
from typing import cast

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
from projector.queries.feeds import Feeds, read_feeds
from projector.queries.log_position import LogPosition, find_position
from projector.queries.log_tail import LogPage, read_log_page
from projector.queries.status import Status, read_status
from projector.server import parameters
from projector.server.endpoints.shared import number_in, with_position
from projector.server.queries import Endpoint, EndpointRequest
from projector.store.database import Database
from projector.text.instants import parse_option, shorten


def _log_position(database: Database, request: EndpointRequest) -> LogPosition:
    # The parameter is required.
    received_by = cast(datetime, parse_option(request.query.received_by))
    return find_position(database, received_by)


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


QUERIES: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/log/position",
        name="findLogPosition",
        summary="The position of the last event that was received by an instant.",
        query=parameters.ReceivedParameters,
        answers=(LogPosition,),
        problems=(errors.BadInstant,),
        run=with_position(_log_position),
    ),
    Endpoint(
        method="GET",
        path="/status",
        name="getStatus",
        summary="The head of the log, each projection's position and lag, and quarantine counts.",
        query=parameters.NoParameters,
        answers=(Status,),
        problems=(),
        run=with_position(_status),
    ),
    Endpoint(
        method="GET",
        path="/feeds",
        name="listFeeds",
        summary="What arrives, by sender and type, and whether it has gone silent.",
        query=parameters.NoParameters,
        answers=(Feeds,),
        problems=(),
        run=with_position(_feeds),
    ),
    Endpoint(
        method="GET",
        path="/quarantine",
        name="listQuarantine",
        summary="The deliveries that wait in the quarantine, in the order in which they came.",
        query=parameters.QuarantineParameters,
        answers=(QuarantinePage,),
        problems=(errors.BadCursor, errors.BadIdentifier),
        run=with_position(_quarantine),
    ),
    Endpoint(
        method="GET",
        path="/quarantine/{id}",
        name="getQuarantineEntry",
        summary="A delivery of the quarantine with its body.",
        query=parameters.NoParameters,
        answers=(QuarantineEntryDetail,),
        problems=(errors.QuarantineEntryNotFound,),
        run=with_position(_quarantine_entry),
    ),
    Endpoint(
        method="GET",
        path="/dead-letters",
        name="listDeadLetters",
        summary="The events that could not be folded, by projection and position.",
        query=parameters.DeadLetterParameters,
        answers=(DeadLetterPage,),
        problems=(errors.BadCursor, errors.ProjectionUnknown),
        run=with_position(_dead_letters),
    ),
    Endpoint(
        method="GET",
        path="/dead-letters/{id}",
        name="getDeadLetter",
        summary="The dead letter at a position, with its body.",
        query=parameters.NoParameters,
        answers=(DeadLetterDetail,),
        problems=(errors.DeadLetterNotFound,),
        run=with_position(_dead_letter),
    ),
    Endpoint(
        method="GET",
        path="/log",
        name="listEvents",
        summary="The events of the log without their bodies, the newest one first.",
        query=parameters.LogParameters,
        answers=(LogPage,),
        problems=(errors.BadIdentifier,),
        run=with_position(_log),
    ),
    Endpoint(
        method="GET",
        path="/jobs",
        name="listJobs",
        summary="The last jobs without their results, the newest one first.",
        query=parameters.NoParameters,
        answers=(JobList,),
        problems=(),
        run=with_position(_jobs),
    ),
    Endpoint(
        method="GET",
        path="/jobs/{id}",
        name="getJob",
        summary="A job: how far it is, or what came of it.",
        query=parameters.NoParameters,
        answers=(Job,),
        problems=(errors.JobNotFound,),
        run=with_position(_job),
    ),
)
