"""Errors as HTTP tells them: problem+json (RFC 9457), each with a code, a sentence and a hint."""

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
    """Why a request was refused, or could not be answered."""

    #: Of its sort, for people who look it up.
    type: str = "about:blank"
    #: What went wrong, in a few words.
    title: str
    #: The HTTP status.
    status: int
    #: What programs tell it by.
    code: str
    #: What went wrong, in a sentence.
    detail: str
    #: What to do next.
    hint: str
    #: Of the request, in the server's log too.
    request_id: str


@frozen
class Rule:
    """How an error is told."""

    status: int
    #: What to do next, where the error's own hint speaks of the command line.
    hint: str | None = None
    #: What to say outside, where the error tells of the inside.
    detail: str | None = None
    #: After how many seconds to try again.
    retry_after: int | None = None


_DATABASE = "The database cannot be used at the moment."
_LATER = "Send it again later; what is in the log by then is not stored twice."

#: Every error that a request can end with; a subclass is told as its parent.
RULES: Mapping[type[errors.ProjectorError], Rule] = {
    server_errors.BadQuery: Rule(400),
    server_errors.BadBody: Rule(400),
    server_errors.BadHeader: Rule(400),
    errors.BadInstant: Rule(400),
    errors.BadIdentifier: Rule(400),
    errors.BadNumber: Rule(400),
    errors.BadCursor: Rule(400),
    errors.NotOne: Rule(400, "Ask for exactly one of them."),
    errors.PositionUnknown: Rule(400, "Positions go up to the log's head, which /status tells."),
    errors.FileCorrupt: Rule(
        400, "What came before the break is safely in the log; send the whole body again."
    ),
    server_errors.SignatureWrong: Rule(401),
    server_errors.TokenMissing: Rule(401),
    server_errors.ScopeNeeded: Rule(403),
    server_errors.HostForeign: Rule(403),
    server_errors.PathUnknown: Rule(404),
    errors.CustomerNotFound: Rule(
        404, "Check the id; /customers?source_id= looks up the shop's own id."
    ),
    errors.GroupNotFound: Rule(404, "/segments and /tiers list those that are known."),
    errors.NothingConcerns: Rule(404, "Check the id, which is not the name."),
    server_errors.MetricsMissing: Rule(404),
    server_errors.MethodUnknown: Rule(405),
    server_errors.BodyTooSlow: Rule(408),
    errors.CustomerAmbiguous: Rule(409, "Choose one with project=, or ask by customer id."),
    server_errors.BodyTooLarge: Rule(413),
    server_errors.EncodingUnknown: Rule(415),
    errors.StreamTooLong: Rule(422),
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
    """The code of an error: its class's name, as `customer_not_found`."""
    if not issubclass(kind, errors.ProjectorError) or _rule(kind) is _INTERNAL:
        return "internal_error"
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


def status_of(kind: type[Exception]) -> int:
    """The HTTP status that an error is told with."""
    return _rule(kind).status


def response(error: Exception, request_id: str) -> Response:
    """An error as a response."""
    problem = describe(error, request_id)
    answer = Response(msgspec.json.encode(as_json(problem)), problem.status, media_type=MEDIA_TYPE)
    retry_after = _rule(type(error)).retry_after
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    if isinstance(error, server_errors.BadHeader):
        # Where its body ends is a guess, and so is where the next request begins.
        answer.headers["Connection"] = "close"
    if isinstance(error, server_errors.TokenMissing):
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def describe(error: Exception, request_id: str) -> Problem:
    """An error as it is told outside: nothing of the inside."""
    rule = _rule(type(error))
    code = code_of(type(error))
    hint = error.hint if isinstance(error, errors.ProjectorError) else ""
    # Not every path is UTF-8, nor is every value that an error quotes.
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
