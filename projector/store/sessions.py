"""Stores the sessions of the console: by the digest of their cookie, with their token."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen
from sqlalchemy import Connection, delete, insert, select, update

from projector.store.tables import session


@frozen(kw_only=True)
class Session:
    """A session, without its secret."""

    #: The SHA-256 of the secret, in hex.
    digest: str
    #: The token that it was signed in with.
    token_id: str
    created_at: datetime
    #: The last request, give or take a few minutes.
    seen_at: datetime


def add(connection: Connection, new: Session) -> None:
    """Insert a session."""
    connection.execute(
        insert(session).values(
            digest=new.digest,
            token_id=new.token_id,
            created_at=new.created_at,
            seen_at=new.seen_at,
        )
    )


def find(connection: Connection, digest: str) -> Session | None:
    """Return the session with this digest, or None."""
    row = connection.execute(select(session).where(session.c.digest == digest)).one_or_none()
    return None if row is None else Session(**row._mapping)


def see(connection: Connection, digest: str, *, at: datetime) -> None:
    """Record a request of the session."""
    connection.execute(update(session).where(session.c.digest == digest).values(seen_at=at))


def end(connection: Connection, digest: str) -> None:
    """Delete a session; idempotent."""
    connection.execute(delete(session).where(session.c.digest == digest))


def delete_ended(
    connection: Connection, *, created_before: datetime, seen_before: datetime
) -> None:
    """Delete the sessions that are too old, or that nobody has used for too long."""
    connection.execute(
        delete(session).where(
            (session.c.created_at < created_before) | (session.c.seen_at < seen_before)
        )
    )
