"""Who may come in: bearers of tokens, and while there are none, programs of this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from projector.operate.tokens import Scope, StoredToken, authenticate, read_tokens
from projector.server.errors import HostForeign, ScopeNeeded, TokenMissing
from projector.store.database import Database

#: For how many seconds tokens are believed to be as they were read.
TOKENS_SECONDS = 2.0

#: What a proxy says of whom it speaks for, and how the names of most such headers begin.
_FORWARDED = {b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip"}
_FORWARDED_BEGIN = (b"x-forwarded-", b"cf-")

#: Whose page asks, as a browser says it, where it is not another one's: its own, or the user.
_OWN_PAGES = (None, "same-origin", "none")


def is_loopback(host: str) -> bool:
    """Whether an address or a name is of this machine alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Authenticator:
    """Lets requests in, by their tokens."""

    def __init__(self, database: Database, *, is_public: bool) -> None:
        self._database = database
        self._is_public = is_public
        self._known: Mapping[str, StoredToken] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def check(self, request: Request, scope: Scope) -> None:
        """Raise TokenMissing, ScopeNeeded or HostForeign unless the request may do that."""
        known = await self._tokens()
        if not known and not self._is_public:
            _check_local(request)
            return
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        found = authenticate(known, text.strip()) if kind.lower() == "bearer" else None
        if found is None:
            raise TokenMissing
        if not found.opens(scope):
            raise ScopeNeeded(scope=str(scope))

    async def _tokens(self) -> Mapping[str, StoredToken]:
        if time.monotonic() - self._read_at > TOKENS_SECONDS:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            # All who wait share its failure too: one after the other they would wait for long.
            await asyncio.shield(self._reading)
        return self._known

    async def _read(self) -> None:
        self._known = await run_in_threadpool(read_tokens, self._database)
        self._read_at = time.monotonic()


def _check_local(request: Request) -> None:
    """Nobody asked for a token: so no page in a browser here may ask in its user's name.

    It could by a name of its own that leads to this machine, or from its own origin. And whoever a
    proxy on this machine speaks for is somewhere else.
    """
    headers = request.headers
    is_own = headers.get("sec-fetch-site") in _OWN_PAGES
    is_local = is_own and _is_local(headers.get("host", ""), headers.get("origin"))
    if not is_local or _is_forwarded(request):
        raise HostForeign


def _is_forwarded(request: Request) -> bool:
    # nginx, left to itself, tells nothing of whom it speaks for, and speaks HTTP/1.0, which few
    # others still do.
    return request.scope["http_version"] == "1.0" or any(
        name in _FORWARDED or name.startswith(_FORWARDED_BEGIN)
        for name, _ in request.scope["headers"]
    )


@lru_cache(maxsize=128)
def _is_local(host: str, origin: str | None) -> bool:
    return is_loopback(_name(host)) and origin in (None, f"http://{host}", f"https://{host}")


def _name(host: str) -> str:
    """A host without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
