"""Builds the ASGI application: maps each path to its handler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from projector.envelope import BODY_BYTES_MAX
from projector.errors import ProjectorError
from projector.intake import formats
from projector.intake.formats import Packing
from projector.operate.tokens import Scope
from projector.server import actions, bodies, docs, parameters, problems, webhooks
from projector.server.actions import ACTIONS, Action
from projector.server.console.routes import Console
from projector.server.context import ServerContext
from projector.server.endpoints import QUERIES
from projector.server.middleware import Middleware, id_in
from projector.server.queries import Endpoint, respond
from projector.text.encode import as_json

JSON = "application/json"


def build(context: ServerContext) -> ASGIApp:
    """Return the ASGI application of a server."""

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        async with context.running():
            yield

    # The router tries them in this order, so the most frequent come first.
    routes = [
        *_deliveries(context),
        *(_query(context, endpoint) for endpoint in QUERIES),
        *(_action(context, action) for action in ACTIONS),
        *_operation(context),
        *docs.routes(),
        *_console(context),
    ]
    router = Router(routes, redirect_slashes=False, lifespan=lifespan)
    return Middleware(router, on_answer=context.metrics.count_request)


def _query(context: ServerContext, endpoint: Endpoint) -> Route:
    async def answer(request: Request) -> Response:
        return await respond(context, endpoint, request)

    return Route(endpoint.path, answer, methods=[endpoint.method], name=endpoint.name)


def _action(context: ServerContext, action: Action) -> Route:
    async def answer(request: Request) -> Response:
        return await actions.respond(context, action, request)

    return Route(action.path, answer, methods=["POST"], name=action.name)


def _console(context: ServerContext) -> list[BaseRoute]:
    if context.config.console is None:
        return [Route("/", docs.redirect, name="docs")]
    return Console(context, context.config.console).routes()


def _deliveries(context: ServerContext) -> list[Route]:
    async def webhook(request: Request) -> Response:
        try:
            return await _deliver(context, request)
        except ProjectorError as error:
            context.metrics.count_refusal(problems.code_of(type(error)))
            raise

    async def events(request: Request) -> Response:
        await context.authenticator.check(request, Scope.WRITE)
        query = parameters.read(parameters.DeliveryParameters, request.scope["query_string"])
        parts = await context.bulk.ingest(request, parameters.delivery_defaults(query))
        return StreamingResponse(parts, media_type=JSON)

    return [
        Route("/webhooks/voucherify", webhook, methods=["POST"], name="deliver"),
        Route("/webhooks/voucherify/{id}", webhook, methods=["POST"], name="deliverForProject"),
        Route("/events", events, methods=["POST"], name="ingestEvents"),
    ]


async def _deliver(context: ServerContext, request: Request) -> Response:
    encoding = bodies.encoding(request)
    project = request.path_params.get("id")
    with context.body_budget.reserve() as reservation:
        body = await bodies.read(request, reservation, bytes_max=BODY_BYTES_MAX)
        read = partial(
            webhooks.verify_and_read,
            body,
            request.headers.get(webhooks.SIGNATURE_HEADER),
            None if project is None else id_in(project),
            context.config.secrets,
        )
        if encoding == "gzip" or formats.packing(body) is Packing.GZIP:
            reservation.take(BODY_BYTES_MAX)
            # In a thread: ten thousand empty gzip members would keep other requests waiting.
            items = await to_thread.run_sync(partial(read, is_packed=True))
        else:
            items = read()
        size = max(len(body), sum(len(each.body) for each in items))
        receipts = await context.writer.append(items, size)
    return Response(
        msgspec.json.encode(as_json(webhooks.delivery_result(items, receipts))), media_type=JSON
    )


def _operation(context: ServerContext) -> list[Route]:
    async def live(_request: Request) -> Response:
        return Response(b'{"status":"alive"}', media_type=JSON)

    async def ready(_request: Request) -> Response:
        health = context.health_monitor.health()
        status = 200 if health.ready else 503
        return Response(msgspec.json.encode(as_json(health)), status, media_type=JSON)

    async def metrics(request: Request) -> Response:
        await context.authenticator.check(request, Scope.READ)
        page, media_type = await context.thread_pool.run(context.metrics.page)
        return Response(page, media_type=media_type)

    return [
        Route("/health/live", live, name="live"),
        Route("/health/ready", ready, name="ready"),
        Route("/metrics", metrics, name="metrics"),
    ]
