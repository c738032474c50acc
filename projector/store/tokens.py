"""Who may come in by the network: tokens by their id, with the digest of their secret."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, insert, select, update

from projector.store.tables import token


class Scope(StrEnum):
    """What a token opens."""

    #: Questions: customers, reasons, members, status.
    READ = "read"
    #: Deliveries.
    WRITE = "write"
    #: Everything.
    ADMIN = "admin"


@frozen(kw_only=True)
class Token:
    """A token without anything that would let somebody in."""

    token_id: str
    #: What people call it.
    name: str
    #: In the order of `Scope`.
    scopes: tuple[Scope, ...]
    created_at: datetime
    #: From when on it opens nothing; None while it does.
    revoked_at: datetime | None

    def opens(self, scope: Scope) -> bool:
        """Whether its scopes are enough for what needs this one; `admin` is for everything.

        Whether the token is still good is not asked here.
        """
        return scope in self.scopes or Scope.ADMIN in self.scopes


@frozen(kw_only=True)
class StoredToken(Token):
    """A token as it is checked against what a caller brings."""

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
    """Keep a token that is good from now on."""
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
    """Let a token open nothing from now on. One that is revoked stays revoked since then."""
    connection.execute(
        update(token)
        .where(token.c.token_id == token_id, token.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )


def find(connection: Connection, token_id: str) -> Token | None:
    """The token of this id, if there is one."""
    row = connection.execute(select(token).where(token.c.token_id == token_id)).one_or_none()
    return None if row is None else Token(**_fields(row))


def list_all(connection: Connection) -> list[Token]:
    """All tokens in the order in which they were made; revoked ones too."""
    rows = connection.execute(select(token).order_by(token.c.created_at, token.c.token_id))
    return [Token(**_fields(row)) for row in rows]


def by_id(connection: Connection) -> dict[str, StoredToken]:
    """All tokens by their id, revoked ones too, as they are checked."""
    rows = connection.execute(select(token))
    return {row.token_id: StoredToken(**_fields(row), digest=row.digest) for row in rows}


def _fields(row: Any) -> dict[str, Any]:
    # A scope of a newer version means nothing to this one, and opens nothing.
    written = row.scopes.split(",")
    return {
        "token_id": row.token_id,
        "name": row.name,
        "scopes": tuple(scope for scope in Scope if scope in written),
        "created_at": row.created_at,
        "revoked_at": row.revoked_at,
    }
