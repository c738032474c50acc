"""Sessions of the console: a browser signs in with a token, and keeps a secret instead of it.

The database stores only a digest (SHA-256) of the secret, so that read access to it yields no
session.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from projector.store import sessions
from projector.store.database import Database
from projector.store.sessions import Session

__all__ = ["Session", "end_session", "find_session", "new_secret", "start_session"]

#: How long a session lasts without a request, and at the most.
IDLE_MAX = timedelta(hours=12)
AGE_MAX = timedelta(days=7)

#: How often a request of a session is recorded: not each is worth a write.
SEEN_INTERVAL = timedelta(minutes=5)

_SECRET_BYTES = 32


def new_secret() -> str:
    """Return the secret of a new session: 64 hexadecimal digits."""
    return secrets.token_hex(_SECRET_BYTES)


def start_session(database: Database, token_id: str) -> str:
    """Store a new session of a token, and return its secret. Deletes those that have ended."""
    secret, now = new_secret(), datetime.now(UTC)
    with database.writing() as connection:
        sessions.delete_ended(connection, created_before=now - AGE_MAX, seen_before=now - IDLE_MAX)
        sessions.add(
            connection,
            Session(digest=_digest(secret), token_id=token_id, created_at=now, seen_at=now),
        )
    return secret


def find_session(database: Database, secret: str) -> Session | None:
    """Return the session with this secret; None if there is none, or if it has ended.

    Records from time to time that it was used. Whether its token is valid is left to the caller.
    """
    digest, now = _digest(secret), datetime.now(UTC)
    with database.reading() as connection:
        found = sessions.find(connection, digest)
    if found is None or now - found.created_at > AGE_MAX or now - found.seen_at > IDLE_MAX:
        return None
    if now - found.seen_at > SEEN_INTERVAL:
        with database.writing() as connection:
            sessions.see(connection, digest, at=now)
    return found


def end_session(database: Database, secret: str) -> None:
    """End the session with this secret; idempotent."""
    with database.writing() as connection:
        sessions.end(connection, _digest(secret))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
