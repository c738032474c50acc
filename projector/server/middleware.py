"""Wraps every request: request id, security headers, and the last error handler."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from projector.errors import ProjectorError
from projector.logs import request_id as current_id
from projector.server import problems
from projector.server.errors import BadHeader, MethodUnknown, PathUnknown, Stopping

_log = logging.getLogger(__name__)

_INTERNAL = 500

#: Request ids are a random prefix of this process and a number.
_PROCESS = secrets.token_hex(4)
_numbers = itertools.count(1)

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

#: The security headers of every answer: against clickjacking (framing), MIME sniffing, and
#: cross-origin embedding.
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
#: The headers of answers that do not set their own: no script runs, no cache stores them, and no
#: referrer leaks.
_DEFAULTS = [
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]


class Middleware:
    """The ASGI application that wraps the router."""

    def __init__(self, app: ASGIApp, *, on_answer: Callable[[str, int], None]) -> None:
        self._app = app
        self._on_answer = on_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; turn every error into a problem response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        # A context variable: log records of this request's tasks and threads have the id.
        current_id.set(request_id)
        scope["path"] = _path(scope["raw_path"])
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _add_headers(message.get("headers", ()), request_id)
            await send(message)

        # Without an "app" in the scope, the router answers unknown paths by itself, in plain text.
        scope["app"] = self
        try:
            _refuse_conflicting_lengths(Headers(scope=scope))
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:
            # The graceful shutdown has timed out; inform the client, if it is still connected.
            if status:
                raise
            await _error_response(Stopping(), scope, request_id)(scope, receive, sending)
        except Exception as error:
            if status:
                # The answer has begun. Raising makes uvicorn break the connection, so that half an
                # answer does not look like a whole one.
                raise
            await _error_response(error, scope, request_id)(scope, receive, sending)
        finally:
            self._on_answer(_endpoint(scope), status)


def _error_response(error: Exception, scope: Scope, request_id: str) -> Response:
    """Return an error as a response; log what the response must not reveal."""
    headers: Mapping[str, str] = {}
    if isinstance(error, HTTPException):
        # From the router: 405 has an Allow header, 404 has no headers.
        headers = error.headers or {}
        error = (
            MethodUnknown(method=scope["method"]) if headers else PathUnknown(path=scope["path"])
        )
    response = problems.response(error, request_id)
    response.headers.update(headers)
    if response.status_code >= _INTERNAL:
        _log.log(
            # 503 passes by itself, so it is a warning. 500, such as for corrupt rows, needs an
            # operator.
            logging.ERROR if response.status_code == _INTERNAL else logging.WARNING,
            "a request failed: %s",
            error,
            exc_info=None if isinstance(error, ProjectorError) else error,
        )
    return response


def _refuse_conflicting_lengths(headers: Headers) -> None:
    """Reject Content-Length together with Transfer-Encoding (request smuggling).

    A proxy may believe the one and this server the other, and then disagree about where the next
    request begins.
    """
    if "content-length" in headers and "transfer-encoding" in headers:
        raise BadHeader(name="Content-Length", reason="the request also has Transfer-Encoding")


def _request_id(scope: Scope) -> str:
    """Return the X-Request-Id of the proxy or the client if it is harmless, or else a new one."""
    received = Headers(scope=scope).get("x-request-id", "")
    return received if _ID.fullmatch(received) else f"{_PROCESS}-{next(_numbers):x}"


def _path(raw: bytes) -> str:
    """Return the decoded path, in which an encoded slash in an id stays `%2F`, and `%` is `%25`.

    A line feed stays `%0A`, because `$` in a route's pattern also matches before a final one.
    """
    parts = raw.decode("ascii", "replace").split("/")
    decoded = (unquote(part, errors="surrogateescape") for part in parts)
    return "/".join(
        part.replace("%", "%25").replace("/", "%2F").replace("\n", "%0A") for part in decoded
    )


def id_in(part: str) -> str:
    """Return the id in a segment that `_path` made."""
    return part.replace("%0A", "\n").replace("%2F", "/").replace("%25", "%")


def _add_headers(
    headers: Iterable[tuple[bytes, bytes]], request_id: str
) -> list[tuple[bytes, bytes]]:
    """Add the common headers to an answer's own; Starlette's names are in lower case."""
    own = list(headers)
    names = {name for name, _ in own}
    defaults = (each for each in _DEFAULTS if each[0] not in names)
    return [*own, (b"x-request-id", request_id.encode()), *_HEADERS, *defaults]


def _endpoint(scope: Scope) -> str:
    """Return the endpoint's name for the metrics: paths have unbounded cardinality."""
    route = scope.get("route")
    return getattr(route, "name", None) or "unknown"
