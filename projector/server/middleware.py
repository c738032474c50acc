"""What surrounds every request: its id, every answer's headers, and the last net for errors."""

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

#: Ids of requests: of this process, and numbered.
_PROCESS = secrets.token_hex(4)
_numbers = itertools.count(1)

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

#: Of every answer: none of them is a page that another one may show, or guess the type of.
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
#: Of those that say nothing else of it: an answer runs nothing, and is kept by nobody.
_DEFAULTS = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]


class Middleware:
    """The application as the server calls it."""

    def __init__(self, app: ASGIApp, *, on_answer: Callable[[str, int], None]) -> None:
        self._app = app
        self._on_answer = on_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever comes of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        # For the tasks and threads that work for this request.
        current_id.set(request_id)
        scope["path"] = _path(scope["raw_path"])
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message.get("headers", ()), request_id)
            await send(message)

        # Where this is missing, the router answers by itself what it cannot route.
        scope["app"] = self
        try:
            _refuse_conflicting_lengths(Headers(scope=scope))
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:
            # The server has stopped waiting; its client shall know, if it still listens.
            if status:
                raise
            await _error_response(Stopping(), scope, request_id)(scope, receive, sending)
        except Exception as error:
            if status:
                # Half of an answer must not look like a whole one.
                raise
            await _error_response(error, scope, request_id)(scope, receive, sending)
        finally:
            self._on_answer(_endpoint(scope), status)


def _error_response(error: Exception, scope: Scope, request_id: str) -> Response:
    """An error as an answer; the log has what is not told outside."""
    headers: Mapping[str, str] = {}
    if isinstance(error, HTTPException):
        # Of the router: the path is known or not, and so is the method.
        headers = error.headers or {}
        method = MethodUnknown(method=scope["method"])
        error = method if headers else PathUnknown(path=scope["path"])
    found = problems.response(error, request_id)
    found.headers.update(headers)
    if found.status_code >= _INTERNAL:
        _log.log(
            # What passes by itself is a warning; what somebody must look at, such as rows that
            # mean nothing, is not.
            logging.ERROR if found.status_code == _INTERNAL else logging.WARNING,
            "a request failed: %s",
            error,
            exc_info=None if isinstance(error, ProjectorError) else error,
        )
    return found


def _refuse_conflicting_lengths(headers: Headers) -> None:
    """What tells its length in two ways is read in two ways: by a proxy in one, here in another."""
    if "content-length" in headers and "transfer-encoding" in headers:
        raise BadHeader(name="Content-Length", reason="Transfer-Encoding is there, too")


def _request_id(scope: Scope) -> str:
    """The id that a proxy or a client gave, if it is harmless, or else one of our own."""
    received = Headers(scope=scope).get("x-request-id", "")
    return received if _ID.fullmatch(received) else f"{_PROCESS}-{next(_numbers):x}"


def _path(raw: bytes) -> str:
    """The path in which an id may hold a slash: that one stays `%2F`, and `%` is `%25`.

    So does a line end, without which a pattern may match a path that has one.
    """
    parts = raw.decode("ascii", "replace").split("/")
    decoded = (unquote(part, errors="surrogateescape") for part in parts)
    return "/".join(
        part.replace("%", "%25").replace("/", "%2F").replace("\n", "%0A") for part in decoded
    )


def id_in(part: str) -> str:
    """The id in a part of the path."""
    return part.replace("%0A", "\n").replace("%2F", "/").replace("%25", "%")


def _completed(
    headers: Iterable[tuple[bytes, bytes]], request_id: str
) -> list[tuple[bytes, bytes]]:
    """The headers of an answer and those of every answer; Starlette's names are in lower case."""
    received = list(headers)
    names = {name for name, _ in received}
    more = (each for each in _DEFAULTS if each[0] not in names)
    return [*received, (b"x-request-id", request_id.encode()), *_HEADERS, *more]


def _endpoint(scope: Scope) -> str:
    """The name of what was asked: of paths there may be any number."""
    route = scope.get("route")
    return getattr(route, "name", None) or "unknown"
