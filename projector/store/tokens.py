"""Stores access tokens for the HTTP API: by id, with the digest of their secret."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, insert, select, update

from projector.store.tables import token


class Scope(StrEnum):
    """A scope of access that a token grants."""

    #: Queries: customers, reasons (`why`), members, status.
    READ = "read"
    #: Ingestion of deliveries.
    WRITE = "write"
    #: Everything.
    ADMIN = "admin"


@frozen(kw_only=True)
class Token:
    """A token without its secret or the digest of it; safe to show."""

    token_id: str
    #: The name that an operator gave it.
    name: str
    #: The scopes that it grants, in the order of `Scope`.
    scopes: tuple[Scope, ...]
    created_at: datetime
    #: The time from which on it grants nothing; None for a valid token.
    revoked_at: datetime | None

    def opens(self, scope: Scope) -> bool:
        """Return whether its scopes include a scope; `admin` includes every scope.

        Does not check whether the token is revoked.
        """
        return scope in self.scopes or Scope.ADMIN in self.scopes


@frozen(kw_only=True)
class StoredToken(Token):
    """A token with the digest that a bearer's secret is checked against."""

    #: The SHA-256 of its secret part, in hex.
    digest: str = field(repr=False)


def add(
    connection: Connection,
    *,
    token_id: str,
    name: str,
    scopes: Iterable[Scope],
    digest: str,
    created_at: datetime,
) -> None:
    """Insert a token, which is valid from now on."""
    connection.execute(
        insert(token).values(
            token_id=token_id,
            name=name,
            scopes=",".join(scopes),
            digest=digest,
            created_at=created_at,
        )
    )


def revoke(connection: Connection, token_id: str, *, at: datetime) -> None:
    """Revoke a token; idempotent: one that is revoked already keeps its `revoked_at`."""
    connection.execute(
        update(token)
        .where(token.c.token_id == token_id, token.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )


def find(connection: Connection, token_id: str) -> Token | None:
    """Return the token with this id, valid or revoked, or None."""
    row = connection.execute(select(token).where(token.c.token_id == token_id)).one_or_none()
    return None if row is None else Token(**_fields(row))


def list_all(connection: Connection) -> list[Token]:
    """Return all tokens in the order of their creation, including revoked ones."""
    rows = connection.execute(select(token).order_by(token.c.created_at, token.c.token_id))
    return [Token(**_fields(row)) for row in rows]


def by_id(connection: Connection) -> dict[str, StoredToken]:
    """Return all tokens by id with their digests, including revoked ones."""
    rows = connection.execute(select(token))
    return {row.token_id: StoredToken(**_fields(row), digest=row.digest) for row in rows}


def _fields(row: Any) -> dict[str, Any]:
    # An unknown scope, which a newer version of the program added, is ignored: it grants nothing.
    stored = row.scopes.split(",")
    return {
        "token_id": row.token_id,
        "name": row.name,
        "scopes": tuple(scope for scope in Scope if scope in stored),
        "created_at": row.created_at,
        "revoked_at": row.revoked_at,
    }
