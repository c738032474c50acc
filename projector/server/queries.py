"""How a question is answered: who asks, what, whether the tables are far enough, and the answer."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from projector.operate.tokens import Scope
from projector.queries.customer_state import as_json
from projector.server import bodies, parameters
from projector.server.context import Service
from projector.server.endpoints import Asked, Endpoint
from projector.server.errors import BadBody
from projector.server.middleware import id_in
from projector.server.positions import Reached
from projector.store.database import Database

#: The longest body of a question, in bytes.
BODY_BYTES_MAX = 1024 * 1024

#: How far the answer is, and the log.
POSITION_HEADER = "Projector-Position"
HEAD_HEADER = "Projector-Head"


@frozen(kw_only=True)
class _Told:
    """An answer as it is sent."""

    body: bytes
    #: What it is known by, where a client may keep it.
    tag: str | None
    reached: Reached


async def answer(service: Service, endpoint: Endpoint, request: Request) -> Response:
    """The answer to a question; raises the errors that the endpoint names, and more."""
    await service.gate.check(request, Scope.READ)
    query = parameters.read(endpoint.query, request.scope["query_string"])
    asked = Asked(
        id=id_in(request.path_params.get("id", "")),
        query=query,
        body=None if endpoint.body is None else await _body(service, endpoint.body, request),
    )
    min_position = getattr(query, "min_position", None)
    if min_position is not None:
        await service.progress.reach(min_position)
    if endpoint.reads_now and query.as_of is None and query.at_position is None:
        told = _tell(endpoint, *await service.reader.customer(asked.id, query.project))
    else:
        told = await service.questions.ask(_ask, endpoint, service.database, asked)
    return _response(told, request)


async def _body(service: Service, kind: type[Any], request: Request) -> Any:
    bodies.check_plain(request)
    with service.held.share() as share:
        text = await bodies.read(request, share, bytes_max=BODY_BYTES_MAX)
        try:
            return msgspec.json.decode(text, type=kind)
        except (ValueError, RecursionError) as error:
            raise BadBody(reason=error) from None


def _ask(endpoint: Endpoint, database: Database, asked: Asked) -> _Told:
    return _tell(endpoint, *endpoint.run(database, asked))


def _tell(endpoint: Endpoint, found: Any, reached: Reached) -> _Told:
    """An answer as JSON; long ones take long to write, and must not keep the event loop."""
    told = as_json(found)
    return _Told(
        body=msgspec.json.encode(told),
        tag=_tag(told) if endpoint.has_tag else None,
        reached=Reached(told.get("position", reached.position), reached.head),
    )


def _response(told: _Told, request: Request) -> Response:
    headers = {
        POSITION_HEADER: str(told.reached.position),
        HEAD_HEADER: str(told.reached.head),
    }
    if told.tag is not None:
        headers["Cache-Control"] = "private, no-cache"
        headers["ETag"] = told.tag
        if _holds(told.tag, request.headers.get("if-none-match")):
            return Response(status_code=304, headers=headers)
    return Response(told.body, media_type="application/json", headers=headers)


def _tag(told: dict[str, Any]) -> str:
    """A weak tag: the position of an answer moves with every event, whomever it concerns."""
    state = msgspec.json.encode({**told, "position": None})
    return f'W/"{hashlib.sha256(state).hexdigest()[:32]}"'


def _holds(tag: str, known: str | None) -> bool:
    """Whether one of the tags in If-None-Match is the answer's; they are compared weakly."""
    if known is None:
        return False
    tags = [each.strip() for each in known.split(",")]
    return "*" in tags or tag in tags or tag.removeprefix("W/") in tags
