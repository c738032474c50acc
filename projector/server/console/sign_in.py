"""Signs in with a token, and out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

from projector.operate.sessions import end_session, start_session
from projector.operate.tokens import Scope, StoredToken, authenticate
from projector.server.console.page import Page, Visit
from projector.server.context import ServerContext
from projector.store.database import Database

#: The delay of the answer to a failed sign-in, in seconds: guessing gets slow.
FAILURE_SECONDS = 1.0

_HOME = "/console/"


def target(visit: Visit) -> str:
    """Return where to go after signing in: a path of the console, never another site."""
    wanted = visit.form.get("next") or visit.query.get("next", "")
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return _HOME
    is_own = not (parts.scheme or parts.netloc) and parts.path.startswith(_HOME)
    # Browsers take a backslash for a slash, and leave out control characters.
    is_plain = "\\" not in wanted and wanted.isprintable() and " " not in wanted
    return wanted if is_own and is_plain else _HOME


async def sign_in(
    context: ServerContext, tokens: Mapping[str, StoredToken], visit: Visit
) -> tuple[str | None, str | None]:
    """Check the token in the form; return the secret of a new session, or else the problem."""
    token = authenticate(tokens, visit.form.get("token", "").strip())
    if token is None:
        context.metrics.count_sign_in("refused")
        await asyncio.sleep(FAILURE_SECONDS)
        return None, "This token is not known, or was revoked."
    if not token.opens(Scope.READ):
        context.metrics.count_sign_in("refused")
        await asyncio.sleep(FAILURE_SECONDS)
        return None, "This token cannot read. Ask for one with the scope “read”."
    context.metrics.count_sign_in("accepted")
    secret = await context.thread_pool.run(start_session, context.database, token.token_id)
    return secret, None


def sign_out(database: Database, secret: str) -> None:
    """End a session."""
    end_session(database, secret)


def page(target: str, problem: str | None) -> Page:
    """Return the page with the form."""
    status = 200 if problem is None else 403
    return Page(template="login.html", values={"target": target, "problem": problem}, status=status)
