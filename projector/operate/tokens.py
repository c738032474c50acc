"""Access tokens for the HTTP server, with their scopes.

A token is `pjt_ID_SECRET`. The database stores only a digest (SHA-256) of the secret, so that read
access to it yields no token.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from attrs import field, frozen

from projector.envelope import id_problem
from projector.errors import BadIdentifier, ScopeMissing, ScopeUnknown, TokenNotFound
from projector.store import tokens
from projector.store.database import Database
from projector.store.tokens import Scope, StoredToken, Token

__all__ = [
    "NewToken",
    "Scope",
    "StoredToken",
    "Token",
    "authenticate",
    "create_token",
    "list_tokens",
    "read_tokens",
    "revoke_token",
]

#: The number of random bytes of an id and of a secret.
_ID_BYTES, _SECRET_BYTES = 6, 32

# Hex has no underscore, and no hyphen, which would make an id look like an option.
_TOKEN = re.compile(
    rf"pjt_(?P<id>[0-9a-f]{{{2 * _ID_BYTES}}})_(?P<secret>[0-9a-f]{{{2 * _SECRET_BYTES}}})"
)

#: The digest that stands in for that of an unknown id; no text is known to have it.
_UNUSED_DIGEST = "0" * 64

#: Control characters, which could inject escape sequences into the terminal that shows a name.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@frozen(kw_only=True)
class NewToken:
    """A new token, with its secret."""

    token_id: str
    name: str
    scopes: tuple[Scope, ...]
    #: The bearer token; it is not stored, and so cannot be shown again.
    token: str = field(repr=False)


def create_token(database: Database, *, name: str, scopes: Iterable[str]) -> NewToken:
    """Create a token with some scopes (`read`, `write`, `admin`).

    Names need not be unique. Raises BadIdentifier for an invalid name, ScopeUnknown, or
    ScopeMissing if no scope is given.
    """
    _check_name(name)
    granted = _scopes(scopes)
    token_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
    with database.writing() as connection:
        tokens.add(
            connection,
            token_id=token_id,
            name=name,
            scopes=granted,
            digest=_digest(secret),
            created_at=datetime.now(UTC),
        )
    return NewToken(token_id=token_id, name=name, scopes=granted, token=f"pjt_{token_id}_{secret}")


def list_tokens(database: Database) -> list[Token]:
    """List all tokens, also revoked ones, in the order of their creation, without any secret."""
    with database.reading() as connection:
        return tokens.list_all(connection)


def revoke_token(database: Database, token_id: str) -> Token:
    """Revoke a token, and return it with the time at which it was first revoked.

    Idempotent. Raises TokenNotFound.
    """
    unknown = TokenNotFound(token_id=token_id)
    if id_problem(token_id):
        # Such a text cannot be a parameter of a SQL statement.
        raise unknown
    with database.writing() as connection:
        tokens.revoke(connection, token_id, at=datetime.now(UTC))
        found = tokens.find(connection, token_id)
    if found is None:
        raise unknown
    return found


def read_tokens(database: Database) -> dict[str, StoredToken]:
    """Read all tokens by their id, also revoked ones, for `authenticate`."""
    with database.reading() as connection:
        return tokens.by_id(connection)


def authenticate(known: Mapping[str, StoredToken], text: str) -> StoredToken | None:
    """Return the valid token that a text is; None for a revoked token and any other text.

    PURE. The text is the token alone, without the `Bearer` of the Authorization header.
    """
    parts = _TOKEN.fullmatch(text)
    if parts is None:
        return None
    found = known.get(parts["id"])
    # Constant time, against timing attacks: the duration reveals neither which ids exist nor how
    # much of a secret is right. So an unknown id takes the same work.
    expected = _UNUSED_DIGEST if found is None else found.digest
    matches = hmac.compare_digest(_digest(parts["secret"]).encode(), expected.encode())
    if found is None or not matches or found.revoked_at is not None:
        return None
    return found


def _digest(secret: str) -> str:
    """Return the digest of a secret, which is what the database stores.

    A slow salted hash protects passwords, which can be guessed; 32 random bytes cannot.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def _check_name(name: str) -> None:
    problem = id_problem(name) or (_CONTROL.search(name) and "holds a control character")
    if problem:
        raise BadIdentifier(name="the name", text=name, reason=problem)


def _scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    """Parse the names of scopes, without duplicates; raises ScopeUnknown or ScopeMissing."""
    requested = {*names}
    unknown = requested.difference(Scope)
    if unknown:
        raise ScopeUnknown(name=min(unknown), known=", ".join(Scope))
    if not requested:
        raise ScopeMissing(known=", ".join(Scope))
    return tuple(scope for scope in Scope if scope in requested)
