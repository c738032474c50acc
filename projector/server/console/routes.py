"""Maps the paths below `/console` to pages: admits, reads the form, runs the page, renders."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from projector.config import ConsoleSettings
from projector.errors import ProjectorError
from projector.logs import request_id
from projector.operate.tokens import Scope
from projector.server import bodies, problems
from projector.server.console import assets, cookies, rendering, sign_in
from projector.server.console.gate import BOUNCED, Admission, Gate, needs_bounce
from projector.server.console.glance import GlanceCache
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages import (
    check,
    customer_page,
    dead_letters,
    event_log,
    events_page,
    find,
    fresh,
    health,
    preferences,
    quarantine,
    segments,
    tables,
    tiers,
    why_page,
)
from projector.server.console.zones import Zone
from projector.server.context import ServerContext
from projector.server.errors import PathUnknown, ScopeNeeded
from projector.server.middleware import id_in

#: Every page; each module has those of one idea.
PAGES: tuple[PageRoute, ...] = (
    *find.PAGES,
    *customer_page.PAGES,
    *check.PAGES,
    *events_page.PAGES,
    *fresh.PAGES,
    *preferences.PAGES,
    *health.PAGES,
    *quarantine.PAGES,
    *dead_letters.PAGES,
    *tables.PAGES,
    *event_log.PAGES,
    *segments.PAGES,
    *tiers.PAGES,
    *why_page.PAGES,
)

#: The longest form, in bytes.
_FORM_BYTES_MAX = 64 * 1024

_log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


class Console:
    """The pages of one server."""

    def __init__(self, context: ServerContext, settings: ConsoleSettings) -> None:
        self._context = context
        self._settings = settings
        self._gate = Gate(context.database, context.authenticator, settings)
        self._glances = GlanceCache(context)

    def routes(self) -> list[BaseRoute]:
        """Return the routes of all pages, and of their files."""
        return [
            Route("/", _redirect, name="console"),
            Route("/console", _redirect, name="console"),
            Route("/console/static/{version}/{name}", assets.respond, name="consoleStatic"),
            *(self._route(each) for each in PAGES),
            Route("/console/login", self._guarded(self._sign_in), methods=["GET", "POST"]),
            Route("/console/logout", self._guarded(self._sign_out), methods=["POST"]),
            Route("/console/{rest:path}", self._guarded(self._unknown), methods=["GET", "POST"]),
        ]

    def _route(self, page: PageRoute) -> Route:
        handler = self._guarded(partial(self._show, page))
        return Route(f"/console{page.path}", handler, methods=list(page.methods), name=page.name)

    def _guarded(self, handler: Handler) -> Handler:
        """Return the handler with its errors as pages."""

        async def guarded(request: Request) -> Response:
            try:
                if needs_bounce(request):
                    return self._bounce(request)
                return await handler(request)
            except ProjectorError as error:
                return self._error(error, request)

        return guarded

    async def _show(self, page: PageRoute, request: Request) -> Response:
        admission = await self._gate.admit(request)
        if admission.visitor is None:
            if request.method != "GET":
                return RedirectResponse("/console/login", 303)
            return RedirectResponse(f"/console/login?next={quote(_url(request))}", 303)
        form = await self._form(request, admission)
        if page.scope is Scope.ADMIN and not admission.visitor.is_admin:
            raise ScopeNeeded(scope=str(page.scope))
        visit = self._visit(request, admission, form)
        response = await self._context.thread_pool.run(self._answer, page, visit)
        if response.headers.get("etag"):
            response = rendering.revalidated(response, request.headers.get("if-none-match"))
        return self._with_secret(response, admission)

    def _answer(self, route: PageRoute, visit: Visit) -> Response:
        page = route.run(visit)
        if isinstance(page, Response):
            return page
        response = self._render(page, visit)
        return rendering.tagged(response) if page.is_part else response

    def _render(self, page: Page, visit: Visit) -> Response:
        values = {
            **page.values,
            "visit": visit,
            "zone": visit.zone,
            "settings": self._settings,
            "glance": self._glances.glance(),
        }
        return rendering.render(page.template, values, status=page.status, headers=page.headers)

    async def _sign_in(self, request: Request) -> Response:
        admission = await self._gate.admit(request)
        form = await self._form(request, admission)
        visit = self._visit(request, admission, form)
        target = sign_in.target(visit)
        if admission.visitor is not None and request.method == "GET":
            return RedirectResponse(target, 303)
        problem = None
        if request.method == "POST":
            tokens = await self._context.authenticator.tokens()
            secret, problem = await sign_in.sign_in(self._context, tokens, visit)
            if secret is not None:
                response: Response = RedirectResponse(target, 303)
                cookie = cookies.secret(secret, is_secure=self._gate.is_secure)
                response.headers.append("set-cookie", cookie)
                return response
        page = sign_in.page(target, problem)
        values = {**page.values, "visit": visit, "zone": visit.zone, "settings": self._settings}
        return self._with_secret(
            rendering.render(page.template, values, status=page.status), admission
        )

    async def _sign_out(self, request: Request) -> Response:
        admission = await self._gate.admit(request)
        await self._form(request, admission)
        await self._context.thread_pool.run(
            sign_in.sign_out, self._context.database, admission.secret
        )
        self._gate.forget(admission.secret)
        response = RedirectResponse("/console/login", 303)
        response.headers.append("set-cookie", cookies.forget(is_secure=self._gate.is_secure))
        return response

    async def _unknown(self, request: Request) -> Response:
        raise PathUnknown(path=request.scope["path"])

    async def _form(self, request: Request, admission: Admission) -> Mapping[str, str]:
        """Return the fields of a form, of which the last of a name counts; raise FormForged."""
        if request.method != "POST":
            return {}
        bodies.check_not_encoded(request)
        with self._context.body_budget.reserve() as reservation:
            body = await bodies.read(request, reservation, bytes_max=_FORM_BYTES_MAX)
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        self._gate.check_form(request, form, admission.secret)
        return form

    def _visit(self, request: Request, admission: Admission, form: Mapping[str, str]) -> Visit:
        return Visit(
            context=self._context,
            visitor=admission.visitor,
            secret=admission.secret,
            method=request.method,
            url=_url(request),
            ids={name: id_in(text) for name, text in request.path_params.items()},
            query=dict(request.query_params),
            form=form,
            zone=Zone(admission.cookies.zone or self._settings.timezone),
            theme=admission.cookies.theme,
            now=datetime.now(UTC),
        )

    def _with_secret(self, response: Response, admission: Admission) -> Response:
        if admission.cookies.secret is None:
            cookie = cookies.secret(admission.secret, is_secure=self._gate.is_secure)
            response.headers.append("set-cookie", cookie)
        return response

    def _bounce(self, request: Request) -> Response:
        query = request.scope["query_string"].decode("ascii", "replace")
        target = f"{_path(request)}?{query}{'&' if query else ''}{BOUNCED}=1"
        return rendering.render("bounce.html", {"target": target})

    def _error(self, error: ProjectorError, request: Request) -> Response:
        problem = problems.describe(error, request_id.get() or "")
        plain = problems.response(error, problem.request_id)
        if problem.status >= 500:
            _log.warning("a page failed: %s", error)
        found = cookies.read(request.cookies, is_secure=self._gate.is_secure)
        values = {"problem": problem, "theme": found.theme, "settings": self._settings}
        headers = {name: value for name, value in plain.headers.items() if name in ("retry-after",)}
        return rendering.render("error.html", values, status=problem.status, headers=headers)


async def _redirect(_request: Request) -> Response:
    return RedirectResponse("/console/", 308)


def _path(request: Request) -> str:
    raw: bytes = request.scope["raw_path"]
    return raw.decode("ascii", "replace")


def _url(request: Request) -> str:
    query = request.scope["query_string"].decode("ascii", "replace")
    return _path(request) + (f"?{query}" if query else "")
