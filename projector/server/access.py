"""Authenticates requests: bearer tokens or, while no token exists, loopback clients only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from projector.operate.tokens import Scope, StoredToken, authenticate, read_tokens
from projector.server.errors import HostForeign, ScopeNeeded, TokenMissing
from projector.store.database import Database
from projector.text.hosts import is_loopback

#: How long the tokens that were read are cached, in seconds.
TOKENS_SECONDS = 2.0

#: Headers in which a proxy names its client, and the prefixes of the others.
_FORWARDED = {b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip"}
_FORWARDED_PREFIXES = (b"x-forwarded-", b"cf-")

#: `Sec-Fetch-Site` values that are not cross-site: the header is missing (no browser), the page
#: has this origin, or the user typed the address.
_OWN_SITES = (None, "same-origin", "none")


class Authenticator:
    """The check of a request's token and of the token's scopes."""

    def __init__(self, database: Database, *, is_public: bool) -> None:
        self._database = database
        #: Whether other machines can reach the server.
        self.is_public = is_public
        self._known: Mapping[str, StoredToken] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def check(self, request: Request, scope: Scope) -> StoredToken | None:
        """Return the request's token; None if it needs none, because no token exists.

        Raise TokenMissing, ScopeNeeded or HostForeign unless the request has the scope.
        """
        known = await self.tokens()
        if not known and not self.is_public:
            check_local(request)
            return None
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        token = authenticate(known, text.strip()) if kind.lower() == "bearer" else None
        if token is None:
            raise TokenMissing
        if not token.opens(scope):
            raise ScopeNeeded(scope=str(scope))
        return token

    async def tokens(self) -> Mapping[str, StoredToken]:
        """Return all tokens by their id, as they were at most two seconds ago."""
        if time.monotonic() - self._read_at > TOKENS_SECONDS:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            # Single flight: concurrent requests share one read and its failure. If each read by
            # itself, they would wait for an unreachable database one after the other.
            await asyncio.shield(self._reading)
        return self._known

    async def _read(self) -> None:
        self._known = await run_in_threadpool(read_tokens, self._database)
        self._read_at = time.monotonic()


def check_local(request: Request) -> None:
    """Raise HostForeign unless a program on this machine sent the request.

    Without tokens, guard against CSRF and DNS rebinding: a page in a local browser could send
    requests from its own origin, or by a host name of its own that resolves to this machine.
    Refuse requests that a local proxy forwards as well, because their client is elsewhere.
    """
    headers = request.headers
    is_own = headers.get("sec-fetch-site") in _OWN_SITES
    is_local = is_own and _is_local(headers.get("host", ""), headers.get("origin"))
    if not is_local or _is_forwarded(request):
        raise HostForeign


def _is_forwarded(request: Request) -> bool:
    # nginx's default configuration adds no forwarding header, but it speaks HTTP/1.0 to its
    # upstream, which few other clients still do.
    return request.scope["http_version"] == "1.0" or any(
        name in _FORWARDED or name.startswith(_FORWARDED_PREFIXES)
        for name, _ in request.scope["headers"]
    )


@lru_cache(maxsize=128)
def _is_local(host: str, origin: str | None) -> bool:
    return is_loopback(_name(host)) and origin in (None, f"http://{host}", f"https://{host}")


def _name(host: str) -> str:
    """Return a host without its port; empty if it cannot be parsed."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
