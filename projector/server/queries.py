"""How a question is answered: who asks, what, whether the tables are far enough, and the answer."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from projector.operate.tokens import Scope
from projector.server import bodies, parameters
from projector.server.context import ServerContext
from projector.server.endpoints import Endpoint, EndpointRequest
from projector.server.errors import BadBody
from projector.server.middleware import id_in
from projector.server.positions import TablesPosition
from projector.store.database import Database
from projector.text.encode import as_json

#: The longest body of a question, in bytes.
BODY_BYTES_MAX = 1024 * 1024

#: How far the answer is, and the log.
POSITION_HEADER = "Projector-Position"
HEAD_HEADER = "Projector-Head"


@frozen(kw_only=True)
class _EncodedAnswer:
    """An answer as it is sent."""

    body: bytes
    #: What it is known by, where a client may keep it.
    tag: str | None
    reached: TablesPosition


async def respond(context: ServerContext, endpoint: Endpoint, request: Request) -> Response:
    """The answer to a question; raises the errors that the endpoint names, and more."""
    await context.authenticator.check(request, Scope.READ)
    query = parameters.read(endpoint.query, request.scope["query_string"])
    asked = EndpointRequest(
        id=id_in(request.path_params.get("id", "")),
        query=query,
        body=None if endpoint.body is None else await _body(context, endpoint.body, request),
    )
    min_position = getattr(query, "min_position", None)
    if min_position is not None:
        await context.positions.wait_for(min_position)
    if endpoint.reads_now and query.as_of is None and query.at_position is None:
        told = _encode(endpoint, *await context.reader.customer(asked.id, query.project))
    else:
        told = await context.thread_pool.run(_run, endpoint, context.database, asked)
    return _response(told, request)


async def _body(context: ServerContext, kind: type[Any], request: Request) -> Any:
    bodies.check_not_encoded(request)
    with context.body_budget.reserve() as reservation:
        text = await bodies.read(request, reservation, bytes_max=BODY_BYTES_MAX)
        try:
            return msgspec.json.decode(text, type=kind)
        except (ValueError, RecursionError) as error:
            raise BadBody(reason=error) from None


def _run(endpoint: Endpoint, database: Database, asked: EndpointRequest) -> _EncodedAnswer:
    return _encode(endpoint, *endpoint.run(database, asked))


def _encode(endpoint: Endpoint, found: Any, reached: TablesPosition) -> _EncodedAnswer:
    """An answer as JSON; long ones take long to write, and must not keep the event loop."""
    told = as_json(found)
    return _EncodedAnswer(
        body=msgspec.json.encode(told),
        tag=_tag(told) if endpoint.has_tag else None,
        reached=TablesPosition(told.get("position", reached.position), reached.head),
    )


def _response(told: _EncodedAnswer, request: Request) -> Response:
    headers = {
        POSITION_HEADER: str(told.reached.position),
        HEAD_HEADER: str(told.reached.head),
    }
    if told.tag is not None:
        headers["Cache-Control"] = "private, no-cache"
        headers["ETag"] = told.tag
        if _matches(told.tag, request.headers.get("if-none-match")):
            return Response(status_code=304, headers=headers)
    return Response(told.body, media_type="application/json", headers=headers)


def _tag(told: dict[str, Any]) -> str:
    """A weak tag: the position of an answer moves with every event, whomever it concerns."""
    state = msgspec.json.encode({**told, "position": None})
    return f'W/"{hashlib.sha256(state).hexdigest()[:32]}"'


def _matches(tag: str, known: str | None) -> bool:
    """Whether one of the tags in If-None-Match is the answer's; they are compared weakly."""
    if known is None:
        return False
    tags = [each.strip() for each in known.split(",")]
    return "*" in tags or tag in tags or tag.removeprefix("W/") in tags
