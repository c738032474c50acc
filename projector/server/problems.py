"""Turns errors into problem+json responses (RFC 9457), with a code, a sentence and a hint."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from attrs import frozen
from starlette.responses import Response

from projector import errors
from projector.server import errors as server_errors
from projector.text.encode import as_json

MEDIA_TYPE = "application/problem+json"


@frozen(kw_only=True)
class Problem:
    """The reason why a request was refused or failed (RFC 9457)."""

    #: A URI for the kind of problem; `about:blank` means that title and status say it all.
    type: str = "about:blank"
    #: A short summary of the kind of problem.
    title: str
    #: The HTTP status.
    status: int
    #: The code by which programs distinguish problems.
    code: str
    #: This occurrence of the problem, as a sentence.
    detail: str
    #: The next step.
    hint: str
    #: The id of the request, which the server's log has too.
    request_id: str


@frozen
class Rule:
    """The response to a class of errors."""

    status: int
    #: The hint, if the error's own is for the command line; else None.
    hint: str | None = None
    #: The detail, if the error's message would reveal internals; else None.
    detail: str | None = None
    #: The Retry-After header in seconds, or None.
    retry_after: int | None = None


_DATABASE = "The database cannot be used at the moment."
_LATER = "Retry later; an event that is already in the log is not stored twice."

_CREDENTIALS = "The server's credentials of Voucherify's API, or its address, cannot be used."
_CREDENTIALS_HINT = (
    "Give the server PROJECTOR_VOUCHERIFY_APP_ID and PROJECTOR_VOUCHERIFY_APP_TOKEN, each with "
    "PROJECT=VALUE, and start it again."
)
_EXTRA_HINT = "Install the extra: pip install 'customer-state-projector[voucherify]'."
_LOG_HINT = "The server's log has the reason."

#: Every error that a request can end with; a subclass has its parent's rule.
RULES: Mapping[type[errors.ProjectorError], Rule] = {
    server_errors.BadQuery: Rule(400),
    server_errors.BadBody: Rule(400),
    server_errors.BadHeader: Rule(400),
    server_errors.BadForm: Rule(400),
    errors.BadInstant: Rule(400),
    errors.BadIdentifier: Rule(400),
    errors.BadNumber: Rule(400),
    errors.BadCursor: Rule(400),
    errors.ProjectionUnknown: Rule(400),
    errors.NotOne: Rule(400, "Give exactly one of these."),
    errors.PositionUnknown: Rule(400, "Positions go up to the log's head, which /status shows."),
    errors.FileCorrupt: Rule(
        400, "The deliveries before the break are safely in the log; send the whole body again."
    ),
    server_errors.SignatureWrong: Rule(401),
    server_errors.TokenMissing: Rule(401),
    server_errors.ScopeNeeded: Rule(403),
    server_errors.HostForeign: Rule(403),
    server_errors.ConsoleOff: Rule(403),
    server_errors.FormForged: Rule(403),
    server_errors.PathUnknown: Rule(404),
    errors.CustomerNotFound: Rule(
        404, "Check the id; /customers?source_id= looks up the shop's own id."
    ),
    errors.GroupNotFound: Rule(404, "/segments and /tiers list the known ones."),
    errors.NothingConcerns: Rule(404, "Check the id (not the name)."),
    errors.QuarantineEntryNotFound: Rule(404, "/quarantine lists the ids of the waiting entries."),
    errors.DeadLetterNotFound: Rule(404, "/dead-letters lists the positions."),
    errors.JobNotFound: Rule(404, "/jobs lists the last ones."),
    server_errors.MetricsMissing: Rule(404),
    server_errors.MethodUnknown: Rule(405),
    errors.CustomerErased: Rule(410, "Nothing is kept of the customer, and nothing is let in."),
    server_errors.BodyTooSlow: Rule(408),
    errors.CustomerAmbiguous: Rule(409, "Choose one with project=, or use the customer id."),
    errors.CredentialsMissing: Rule(409, _CREDENTIALS_HINT),
    server_errors.CredentialsUnnamed: Rule(409),
    errors.BadCredentials: Rule(409, _LOG_HINT, _CREDENTIALS),
    errors.BadVoucherifyUrl: Rule(409, _LOG_HINT, _CREDENTIALS),
    errors.ExtraMissing: Rule(409, _EXTRA_HINT),
    errors.JobsWaiting: Rule(409, "Ask again once some have ended; /jobs lists them."),
    server_errors.BodyTooLarge: Rule(413),
    errors.FormatUnreadable: Rule(
        415, "Nothing of it was stored. Send NDJSON or JSON, plain or packed by gzip."
    ),
    server_errors.BodyCorrupt: Rule(400),
    server_errors.EncodingUnknown: Rule(415),
    server_errors.ClientGone: Rule(400),
    server_errors.Overloaded: Rule(503, retry_after=1),
    server_errors.Stopping: Rule(503, retry_after=5),
    server_errors.PositionNotReached: Rule(503, retry_after=1),
    errors.DatabaseBusy: Rule(503, _LATER, "The database is busy.", retry_after=1),
    errors.DatabaseUnreachable: Rule(503, _LATER, _DATABASE, retry_after=5),
    errors.RightsMissing: Rule(503, _LATER, _DATABASE, retry_after=30),
    errors.NotMigrated: Rule(503, _LATER, _DATABASE, retry_after=30),
    errors.SchemaUnknown: Rule(503, _LATER, _DATABASE, retry_after=30),
}

_INTERNAL = Rule(500, "The server's log has the reason, under this request_id.", "Internal error.")


def code_of(kind: type[Exception]) -> str:
    """Return the code of an error: its class's name in snake case, or `internal_error`."""
    if not issubclass(kind, errors.ProjectorError) or _rule(kind) is _INTERNAL:
        return "internal_error"
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


def status_of(kind: type[Exception]) -> int:
    """Return the HTTP status of an error."""
    return _rule(kind).status


def response(error: Exception, request_id: str) -> Response:
    """Return an error as a response."""
    problem = describe(error, request_id)
    answer = Response(msgspec.json.encode(as_json(problem)), problem.status, media_type=MEDIA_TYPE)
    retry_after = _rule(type(error)).retry_after
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    if isinstance(error, server_errors.BadHeader):
        # Close, because the end of the body, and so the beginning of the next request, is a guess.
        answer.headers["Connection"] = "close"
    if isinstance(error, server_errors.TokenMissing):
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def describe(error: Exception, request_id: str) -> Problem:
    """Return an error as a problem that reveals no internals."""
    rule = _rule(type(error))
    code = code_of(type(error))
    hint = error.hint if isinstance(error, errors.ProjectorError) else ""
    # A path, or a value that the message quotes, may not be valid UTF-8.
    detail = str(error).encode(errors="replace").decode()
    return Problem(
        title=code.replace("_", " ").capitalize(),
        status=rule.status,
        code=code,
        detail=detail if rule.detail is None else rule.detail,
        hint=hint if rule.hint is None else rule.hint,
        request_id=request_id,
    )


def _rule(kind: type[Exception]) -> Rule:
    return next((RULES[each] for each in kind.__mro__ if each in RULES), _INTERNAL)
