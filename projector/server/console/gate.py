"""Decides who sends a request to the console, and refuses requests that other sites forged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import frozen
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from projector.config import ConsoleSettings
from projector.operate.sessions import find_session, new_secret
from projector.operate.tokens import Scope
from projector.server.access import Authenticator, check_local
from projector.server.console import cookies, form_tokens
from projector.server.console.cookies import Cookies
from projector.server.console.page import Visitor
from projector.server.errors import ConsoleOff, FormForged
from projector.store.database import Database
from projector.text.hosts import is_loopback

#: How long a session that was read is cached, in seconds: it ends so much later elsewhere.
SESSION_SECONDS = 2.0

#: The most sessions in the cache.
_SESSIONS_MAX = 1_000

#: The parameter of a request that was sent on to itself once already.
BOUNCED = "bounced"


@frozen(kw_only=True)
class Admission:
    """The result of the check of a request."""

    cookies: Cookies
    #: The browser's secret, a new one if it has none.
    secret: str
    #: None if nobody is signed in.
    visitor: Visitor | None


class Gate:
    """The check of requests to the console. Belongs to the event loop."""

    def __init__(
        self, database: Database, authenticator: Authenticator, settings: ConsoleSettings
    ) -> None:
        self._database = database
        self._authenticator = authenticator
        self._origin = settings.origin
        #: The token ids of sessions by their secrets, and when they were read.
        self._sessions: dict[str, tuple[float, str | None]] = {}

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach the console by https."""
        return self._origin is not None and self._origin.startswith("https:")

    async def admit(self, request: Request) -> Admission:
        """Return who sends a request; raise ConsoleOff or HostForeign."""
        if self._origin is None and not _is_at_loopback(request):
            raise ConsoleOff
        found = cookies.read(request.cookies, is_secure=self.is_secure)
        secret = found.secret or new_secret()
        tokens = await self._authenticator.tokens()
        if not tokens and not self._authenticator.is_public:
            check_local(request)
            visitor = Visitor(name="this machine", is_admin=True, has_session=False)
            return Admission(cookies=found, secret=secret, visitor=visitor)
        token_id = None if found.secret is None else await self._token_id(found.secret)
        token = None if token_id is None else tokens.get(token_id)
        if token is None or token.revoked_at is not None or not token.opens(Scope.READ):
            return Admission(cookies=found, secret=secret, visitor=None)
        visitor = Visitor(name=token.name, is_admin=token.opens(Scope.ADMIN), has_session=True)
        return Admission(cookies=found, secret=secret, visitor=visitor)

    def check_form(self, request: Request, form: Mapping[str, str], secret: str) -> None:
        """Raise FormForged unless a page of this console sent the form."""
        site = request.headers.get("sec-fetch-site")
        own = self._origin or f"http://{request.headers.get('host', '')}"
        is_own = site == "same-origin" or (
            site is None and request.headers.get("origin", "").lower() == own
        )
        path = request.scope["path"]
        if not is_own or not form_tokens.is_valid(form.get("form_token", ""), secret, path):
            raise FormForged

    def forget(self, secret: str) -> None:
        """Forget a session that was ended."""
        self._sessions.pop(secret, None)

    async def _token_id(self, secret: str) -> str | None:
        known = self._sessions.get(secret)
        if known is not None and time.monotonic() - known[0] < SESSION_SECONDS:
            return known[1]
        session = await run_in_threadpool(find_session, self._database, secret)
        if len(self._sessions) >= _SESSIONS_MAX:
            self._sessions.clear()
        token_id = None if session is None else session.token_id
        self._sessions[secret] = time.monotonic(), token_id
        return token_id


def needs_bounce(request: Request) -> bool:
    """Return whether a link on another site led here, so that the browser sent no cookie.

    The cookie is `SameSite=Strict`. A page that reloads itself makes the next request one of this
    site, with the cookie.
    """
    headers = request.headers
    return (
        request.method == "GET"
        and headers.get("sec-fetch-site") in ("cross-site", "same-site")
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
        and BOUNCED not in request.query_params
    )


def _is_at_loopback(request: Request) -> bool:
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name)
