"""Answers the query of an `Endpoint`.

The steps: authenticate, parse, wait for `min_position`, read, encode, tag (ETag).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from projector.errors import ProjectorError
from projector.operate.tokens import Scope
from projector.server import bodies, parameters
from projector.server.context import ServerContext
from projector.server.errors import BadBody
from projector.server.middleware import id_in
from projector.server.positions import TablesPosition
from projector.store.database import Database
from projector.text.encode import as_json

#: The longest body of a query, in bytes.
BODY_BYTES_MAX = 1024 * 1024

#: The response headers with the answer's position and the log's head.
POSITION_HEADER = "Projector-Position"
HEAD_HEADER = "Projector-Head"


@frozen(kw_only=True)
class EndpointRequest:
    """A parsed request."""

    #: The id in the path; empty if the path has none.
    id: str
    #: An instance of the endpoint's `query` class, and one of its `body` class or None.
    query: Any
    body: Any


@frozen(kw_only=True)
class Endpoint:
    """A query: its contract, and the function that answers it."""

    method: str
    path: str
    #: The operationId in the OpenAPI document, from which client generators name their functions.
    name: str
    summary: str
    query: type[Any]
    answers: tuple[type[Any], ...]
    problems: tuple[type[ProjectorError], ...]
    #: Returns the answer, and lower bounds for its position and for the log's head.
    run: Callable[[Database, EndpointRequest], tuple[Any, TablesPosition]]
    body: type[Any] | None = None
    #: Whether the answer has an ETag, so that a client can revalidate it (If-None-Match).
    has_tag: bool = False
    #: Whether requests without `as_of` and `at_position` are batched by the reader.
    reads_now: bool = False


@frozen(kw_only=True)
class _EncodedAnswer:
    """An answer as it is sent."""

    body: bytes
    #: The ETag, or None if the endpoint has none.
    tag: str | None
    tables: TablesPosition


async def respond(context: ServerContext, endpoint: Endpoint, request: Request) -> Response:
    """Return the answer to a query.

    Raise the endpoint's `problems`, and those of authentication, parsing, waiting and overload.
    """
    await context.authenticator.check(request, Scope.READ)
    query = parameters.read(endpoint.query, request.scope["query_string"])
    endpoint_request = EndpointRequest(
        id=id_in(request.path_params.get("id", "")),
        query=query,
        body=None if endpoint.body is None else await read_body(context, endpoint.body, request),
    )
    min_position = getattr(query, "min_position", None)
    if min_position is not None:
        await context.positions.wait_for(min_position)
    if endpoint.reads_now and query.as_of is None and query.at_position is None:
        state = await context.reader.read_customer(endpoint_request.id, query.project)
        answer = _encode(endpoint, *state)
    else:
        answer = await context.thread_pool.run(_run, endpoint, context.database, endpoint_request)
    return _response(answer, request)


async def read_body(context: ServerContext, kind: type[Any], request: Request) -> Any:
    """Return the JSON body as an instance of a class; raise BadBody, BodyTooLarge and others."""
    bodies.check_not_encoded(request)
    with context.body_budget.reserve() as reservation:
        text = await bodies.read(request, reservation, bytes_max=BODY_BYTES_MAX)
        try:
            return msgspec.json.decode(text, type=kind)
        except (ValueError, RecursionError) as error:
            raise BadBody(reason=error) from None


def _run(endpoint: Endpoint, database: Database, request: EndpointRequest) -> _EncodedAnswer:
    # Encode in the thread as well: a long answer would block the event loop.
    return _encode(endpoint, *endpoint.run(database, request))


def _encode(endpoint: Endpoint, answer: Any, tables: TablesPosition) -> _EncodedAnswer:
    fields = as_json(answer)
    return _EncodedAnswer(
        body=msgspec.json.encode(fields),
        tag=_tag(fields) if endpoint.has_tag else None,
        tables=TablesPosition(fields.get("position", tables.position), tables.head),
    )


def _response(answer: _EncodedAnswer, request: Request) -> Response:
    headers = {
        POSITION_HEADER: str(answer.tables.position),
        HEAD_HEADER: str(answer.tables.head),
    }
    if answer.tag is not None:
        headers["Cache-Control"] = "private, no-cache"
        headers["ETag"] = answer.tag
        if _matches(answer.tag, request.headers.get("if-none-match")):
            return Response(status_code=304, headers=headers)
    return Response(answer.body, media_type="application/json", headers=headers)


def _tag(fields: dict[str, Any]) -> str:
    """Return a weak ETag of the answer without its position.

    The position grows with every event of any customer, and does not change the state.
    """
    state = msgspec.json.encode({**fields, "position": None})
    return f'W/"{hashlib.sha256(state).hexdigest()[:32]}"'


def _matches(tag: str, if_none_match: str | None) -> bool:
    """Return whether an If-None-Match header has the tag, by weak comparison (RFC 9110)."""
    if if_none_match is None:
        return False
    tags = [each.strip() for each in if_none_match.split(",")]
    return "*" in tags or tag in tags or tag.removeprefix("W/") in tags
