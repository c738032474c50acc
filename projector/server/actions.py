"""Declares the endpoints that start jobs, such as retries and rebuilds.

To add one, write its body in `job_requests` and append an `Action` to ACTIONS: its route, the check
of its token and its part of the OpenAPI document follow from that. It also needs an example in
`examples.BODIES`, and a line in docs/http.md.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from projector import errors
from projector.errors import ProjectorError
from projector.operate.jobs import Job, ask_job
from projector.operate.tokens import Scope
from projector.server import errors as server_errors
from projector.server.context import ServerContext
from projector.server.job_requests import (
    DeadLetterRetryRequest,
    JobRequest,
    QuarantineRetryRequest,
    RebuildRequest,
    ReconcileRequest,
    VerifyRequest,
)
from projector.server.queries import read_body
from projector.text.encode import as_json

#: Who asks for a job without a token, while none exists.
THIS_MACHINE = "this machine"

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Action:
    """An endpoint that starts a job: `POST` with a JSON body and a token of the scope `admin`."""

    path: str
    #: The operationId in the OpenAPI document, from which client generators name their functions.
    name: str
    summary: str
    #: A JobRequest.
    body: type[Any]
    problems: tuple[type[ProjectorError], ...]


ACTIONS: tuple[Action, ...] = (
    Action(
        path="/quarantine:retry",
        name="retryQuarantine",
        summary="Read entries of the quarantine again, as a job.",
        body=QuarantineRetryRequest,
        problems=(errors.NotOne, errors.BadIdentifier, errors.BadInstant),
    ),
    Action(
        path="/dead-letters:retry",
        name="retryDeadLetters",
        summary="Fold the customers of dead letters again, as a job.",
        body=DeadLetterRetryRequest,
        problems=(errors.NotOne, errors.ProjectionUnknown),
    ),
    Action(
        path="/rebuilds",
        name="rebuild",
        summary="Compute tables from the log again, or report what that would change, as a job.",
        body=RebuildRequest,
        problems=(errors.ProjectionUnknown,),
    ),
    Action(
        path="/verifications",
        name="verify",
        summary="Compare tables with what the log folds to, as a job.",
        body=VerifyRequest,
        problems=(errors.ProjectionUnknown,),
    ),
    Action(
        path="/reconciliations",
        name="reconcile",
        summary="Compare a customer with Voucherify and repair what differs, as a job.",
        body=ReconcileRequest,
        problems=(
            errors.BadIdentifier,
            errors.CustomerErased,
            errors.CredentialsMissing,
            server_errors.CredentialsUnnamed,
            errors.BadCredentials,
            errors.BadVoucherifyUrl,
            errors.ExtraMissing,
        ),
    ),
)


async def respond(context: ServerContext, action: Action, request: Request) -> Response:
    """Queue the job and return it, with its path; raise the action's `problems` and others."""
    token = await context.authenticator.check(request, Scope.ADMIN)
    body = await read_body(context, action.body, request)
    asked_by = THIS_MACHINE if token is None else token.name
    job = await context.thread_pool.run(start, context, body, asked_by)
    headers = {"Location": f"/jobs/{job.job_id}"}
    text = msgspec.json.encode(as_json(job))
    return Response(text, 202, headers, media_type="application/json")


def start(context: ServerContext, request: JobRequest, asked_by: str) -> Job:
    """Queue a job, log who asked for it, and return it.

    Raise JobsWaiting, or an error of the request's `check`.
    """
    request.check(context.database)
    arguments = msgspec.to_builtins(request)
    job = ask_job(context.database, request.kind, arguments, asked_by=asked_by)
    # No erasure reaches the log of the server: it names no customer.
    named = {name: value for name, value in arguments.items() if name != "customer"}
    _log.info("%r asked for job %d: %s %s", asked_by, job.job_id, job.kind, named)
    context.jobs.wake()
    return job
