"""Tokens: who may come in by the network, and to do what.

A token is `pjt_ID_SECRET`. The database has only the digest of the secret, so that who reads it
gets no token by that.
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

#: How many random bytes an id and a secret have.
_ID_BYTES, _SECRET_BYTES = 6, 32

# Hex has no underscore, and no hyphen, which would make an id look like an option.
_TOKEN = re.compile(
    rf"pjt_(?P<id>[0-9a-f]{{{2 * _ID_BYTES}}})_(?P<secret>[0-9a-f]{{{2 * _SECRET_BYTES}}})"
)

#: Compared with what comes under an id that nobody has; no text is known that has this digest.
_UNUSED_DIGEST = "0" * 64

#: In a name they could steer the terminal that shows it.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@frozen(kw_only=True)
class NewToken:
    """A token as its bearer gets it."""

    token_id: str
    name: str
    scopes: tuple[Scope, ...]
    #: The text that lets its bearer in; it is kept nowhere.
    token: str = field(repr=False)


def create_token(database: Database, *, name: str, scopes: Iterable[str]) -> NewToken:
    """Make a token that opens what its scopes say (`read`, `write`, `admin`).

    Names need not differ. Raises BadIdentifier for a name that cannot be one, ScopeUnknown, or
    ScopeMissing where there is none.
    """
    _check_name(name)
    opened = _scopes(scopes)
    token_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
    with database.writing() as connection:
        tokens.add(
            connection,
            token_id=token_id,
            name=name,
            scopes=opened,
            digest=_digest(secret),
            created_at=datetime.now(UTC),
        )
    return NewToken(token_id=token_id, name=name, scopes=opened, token=f"pjt_{token_id}_{secret}")


def list_tokens(database: Database) -> list[Token]:
    """All tokens in the order in which they were made, revoked ones too, without any secret."""
    with database.reading() as connection:
        return tokens.list_all(connection)


def revoke_token(database: Database, token_id: str) -> Token:
    """Let a token open nothing from now on; gives it with the time at which it was revoked first.

    Raises TokenNotFound.
    """
    unknown = TokenNotFound(token_id=token_id)
    if id_problem(token_id):
        # The database could not even be asked.
        raise unknown
    with database.writing() as connection:
        tokens.revoke(connection, token_id, at=datetime.now(UTC))
        found = tokens.find(connection, token_id)
    if found is None:
        raise unknown
    return found


def read_tokens(database: Database) -> dict[str, StoredToken]:
    """All tokens by their id, revoked ones too, for `bearer`."""
    with database.reading() as connection:
        return tokens.by_id(connection)


def authenticate(known: Mapping[str, StoredToken], text: str) -> StoredToken | None:
    """The token that a text is, if it is good; None for any other text, and for a revoked one.

    PURE. The text is the token alone, without the `Bearer` of its header.
    """
    parts = _TOKEN.fullmatch(text)
    if parts is None:
        return None
    found = known.get(parts["id"])
    # The same work for an id that nobody has: how long it takes does not tell which ids there are,
    # nor how much of a secret is right.
    expected = _UNUSED_DIGEST if found is None else found.digest
    matches = hmac.compare_digest(_digest(parts["secret"]).encode(), expected.encode())
    if found is None or not matches or found.revoked_at is not None:
        return None
    return found


def _digest(secret: str) -> str:
    """What is kept of a secret.

    A slow hash with a salt is for passwords, which can be guessed; 32 random bytes cannot.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def _check_name(name: str) -> None:
    problem = id_problem(name) or (_CONTROL.search(name) and "holds a control character")
    if problem:
        raise BadIdentifier(name="The name", text=name, reason=problem)


def _scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    """Scopes by their names, each once."""
    asked = {*names}
    unknown = asked.difference(Scope)
    if unknown:
        raise ScopeUnknown(name=min(unknown), known=", ".join(Scope))
    if not asked:
        raise ScopeMissing(known=", ".join(Scope))
    return tuple(scope for scope in Scope if scope in asked)
