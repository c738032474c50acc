"""The application: which request goes where, and what it must pass before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from projector.envelope import BODY_BYTES_MAX
from projector.errors import ProjectorError
from projector.operate.tokens import Scope
from projector.queries.customer_state import as_json
from projector.server import bodies, docs, parameters, problems, webhooks
from projector.server.context import Service
from projector.server.endpoints import QUERIES, Endpoint
from projector.server.middleware import Shell, id_in
from projector.server.queries import answer

JSON = "application/json"


def build(service: Service) -> ASGIApp:
    """The application of a service."""

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        async with service.running():
            yield

    # They are tried in this order: what is asked most comes first.
    routes = [
        *_deliveries(service),
        *(_query(service, endpoint) for endpoint in QUERIES),
        *_operation(service),
        *docs.routes(),
    ]
    router = Router(routes, redirect_slashes=False, lifespan=lifespan)
    return Shell(router, on_answer=service.metrics.answered)


def _query(service: Service, endpoint: Endpoint) -> Route:
    async def ask(request: Request) -> Response:
        return await answer(service, endpoint, request)

    return Route(endpoint.path, ask, methods=[endpoint.method], name=endpoint.name)


def _deliveries(service: Service) -> list[Route]:
    async def webhook(request: Request) -> Response:
        try:
            return await _deliver(service, request)
        except ProjectorError as error:
            service.metrics.refused(problems.code_of(type(error)))
            raise

    async def events(request: Request) -> Response:
        await service.gate.check(request, Scope.WRITE)
        told = parameters.read(parameters.Told, request.scope["query_string"])
        parts = await service.bulk.ingest(request, parameters.given(told))
        return StreamingResponse(parts, media_type=JSON)

    return [
        Route("/webhooks/voucherify", webhook, methods=["POST"], name="deliver"),
        Route("/webhooks/voucherify/{id}", webhook, methods=["POST"], name="deliverForProject"),
        Route("/events", events, methods=["POST"], name="ingestEvents"),
    ]


async def _deliver(service: Service, request: Request) -> Response:
    bodies.check_plain(request)
    project = request.path_params.get("id")
    with service.held.share() as share:
        body = await bodies.read(request, share, bytes_max=BODY_BYTES_MAX)
        items = webhooks.open_delivery(
            body,
            request.headers.get(webhooks.SIGNATURE_HEADER),
            None if project is None else id_in(project),
            service.setup.secrets,
        )
        receipts = await service.writer.append(items, len(body))
    return Response(msgspec.json.encode(as_json(webhooks.told(receipts))), media_type=JSON)


def _operation(service: Service) -> list[Route]:
    async def live(_request: Request) -> Response:
        return Response(b'{"status":"alive"}', media_type=JSON)

    async def ready(_request: Request) -> Response:
        health = service.doctor.tell()
        status = 200 if health.ready else 503
        return Response(msgspec.json.encode(as_json(health)), status, media_type=JSON)

    async def metrics(request: Request) -> Response:
        await service.gate.check(request, Scope.READ)
        page, media_type = await service.questions.ask(service.metrics.page)
        return Response(page, media_type=media_type)

    return [
        Route("/health/live", live, name="live"),
        Route("/health/ready", ready, name="ready"),
        Route("/metrics", metrics, name="metrics"),
    ]
