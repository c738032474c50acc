"""Tokens: who has one comes in as far as its scopes go, until it is revoked; nobody else does."""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import select, update

from projector.app import Projector
from projector.errors import BadIdentifier, ScopeMissing, ScopeUnknown, TokenNotFound
from projector.operate.tokens import (
    Scope,
    StoredToken,
    authenticate,
    create_token,
    list_tokens,
    read_tokens,
    revoke_token,
)
from projector.store.database import Database
from projector.store.tables import token

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def _rows(database: Database) -> list[dict[str, Any]]:
    with database.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(select(token))]


def _come_in(database: Database, text: str) -> StoredToken | None:
    return authenticate(read_tokens(database), text)


def test_a_token_is_accepted(database: Database) -> None:
    made = create_token(database, name="shop", scopes=["read"])
    other = create_token(database, name="till", scopes=["write"])
    for each in (made, other):
        found = _come_in(database, each.token)
        assert found is not None
        assert (found.token_id, found.name, found.scopes) == (each.token_id, each.name, each.scopes)


def test_the_text_of_a_token_is_its_id_and_a_secret_of_32_bytes(database: Database) -> None:
    made = create_token(database, name="shop", scopes=["read"])
    assert re.fullmatch(r"pjt_[0-9a-f]{12}_[0-9a-f]{64}", made.token)
    assert made.token.split("_")[1] == made.token_id


def test_no_two_tokens_are_alike(database: Database) -> None:
    made = [create_token(database, name="shop", scopes=["read"]) for _ in range(20)]
    assert len({each.token_id for each in made}) == 20
    assert len({each.token.split("_")[2] for each in made}) == 20


def test_only_the_digest_of_a_token_is_stored(database: Database) -> None:
    made = create_token(database, name="shop", scopes=["admin", "read"])
    secret = made.token.split("_")[2]
    [row] = _rows(database)
    created_at = row.pop("created_at")
    assert abs(datetime.now(UTC) - created_at) < timedelta(minutes=5)
    assert row == {
        "token_id": made.token_id,
        "name": "shop",
        "scopes": "read,admin",
        "digest": hashlib.sha256(secret.encode()).hexdigest(),
        "revoked_at": None,
    }


def test_the_representation_of_a_token_shows_neither_secret_nor_digest(database: Database) -> None:
    made = create_token(database, name="shop", scopes=["read"])
    [known] = read_tokens(database).values()
    assert made.token not in repr(made)
    assert known.digest not in repr(known)
    assert not hasattr(list_tokens(database)[0], "digest")


def test_a_revoked_token_is_refused_and_the_others_are_accepted(database: Database) -> None:
    made, other = (create_token(database, name=name, scopes=["read"]) for name in ("a", "b"))
    revoked = revoke_token(database, made.token_id)
    assert revoked.token_id == made.token_id
    assert revoked.revoked_at is not None
    assert _come_in(database, made.token) is None
    assert _come_in(database, other.token) is not None
    known = read_tokens(database)
    assert known[made.token_id].revoked_at == revoked.revoked_at
    assert known[other.token_id].revoked_at is None


def test_a_token_that_is_revoked_again_is_revoked_since_the_first_time(database: Database) -> None:
    made = create_token(database, name="shop", scopes=["read"])
    first = revoke_token(database, made.token_id)
    assert revoke_token(database, made.token_id) == first
    assert list_tokens(database) == [first]


@pytest.mark.parametrize(
    "token_id", ["", "nobody", "0" * 12, "a\0b", "\udcff", "x" * 201, "pjt_"], ids=ascii
)
def test_a_token_that_is_not_there_cannot_be_revoked(database: Database, token_id: str) -> None:
    create_token(database, name="shop", scopes=["read"])
    with pytest.raises(TokenNotFound):
        revoke_token(database, token_id)
    assert [each.revoked_at for each in list_tokens(database)] == [None]


def test_tokens_are_listed_in_the_order_in_which_they_were_made(database: Database) -> None:
    assert list_tokens(database) == []
    made = [create_token(database, name=name, scopes=["read"]) for name in "cab"]
    for hours, each in enumerate(made):
        with database.writing() as connection:
            at = NOON + timedelta(hours=hours)
            which = token.c.token_id == each.token_id
            connection.execute(update(token).where(which).values(created_at=at))
    revoke_token(database, made[1].token_id)
    found = list_tokens(database)
    assert [each.name for each in found] == [*"cab"]
    assert [each.revoked_at is None for each in found] == [True, False, True]
    assert found[0].created_at == NOON


def test_names_need_not_differ(database: Database) -> None:
    for _ in range(2):
        create_token(database, name="shop é \U0001f600", scopes=["read"])
    assert [each.name for each in list_tokens(database)] == ["shop é \U0001f600"] * 2


@pytest.mark.parametrize(
    "name",
    ["", "x" * 201, "a\0b", "\udcff", "a\nb", "a\tb", "\x1b]0;owned\x07", "\x7f", "\x9b31m"],
    ids=ascii,
)
def test_a_name_that_cannot_be_shown_is_refused(database: Database, name: str) -> None:
    with pytest.raises(BadIdentifier):
        create_token(database, name=name, scopes=["read"])
    assert list_tokens(database) == []


@pytest.mark.parametrize("scopes", [["all"], ["read", "Write"], [""], ["read,write"]], ids=repr)
def test_a_scope_that_is_not_known_is_refused(database: Database, scopes: list[str]) -> None:
    with pytest.raises(ScopeUnknown, match="read, write, admin"):
        create_token(database, name="shop", scopes=scopes)
    assert list_tokens(database) == []


def test_a_token_without_a_scope_is_not_made(database: Database) -> None:
    with pytest.raises(ScopeMissing):
        create_token(database, name="shop", scopes=[])
    assert list_tokens(database) == []


def test_scopes_are_kept_once_and_in_their_order(database: Database) -> None:
    made = create_token(database, name="shop", scopes=["write", "read", Scope.WRITE])
    assert made.scopes == (Scope.READ, Scope.WRITE)
    assert [each.scopes for each in list_tokens(database)] == [made.scopes]


def test_a_scope_of_a_newer_version_opens_nothing(database: Database) -> None:
    made = create_token(database, name="shop", scopes=["read"])
    with database.writing() as connection:
        connection.execute(update(token).values(scopes="readonly,write,administer"))
    found = _come_in(database, made.token)
    assert found is not None
    assert [scope for scope in Scope if found.opens(scope)] == [Scope.WRITE]


def test_the_library_makes_lists_and_revokes(database: Database) -> None:
    projector = Projector(database)
    made = projector.create_token(name="shop", scopes=["read"])
    revoked = projector.revoke_token(made.token_id)
    assert projector.tokens() == [revoked]


SECRET = "5" * 64


def _known(identifier: str = "0123456789ab", **other: Any) -> StoredToken:
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    values: dict[str, Any] = {"name": "shop", "scopes": (Scope.READ,), "digest": digest} | other
    return StoredToken(token_id=identifier, created_at=NOON, revoked_at=None, **values)


_GOOD = _known()
_KNOWN = {_GOOD.token_id: _GOOD}
_TEXT = f"pjt_{_GOOD.token_id}_{SECRET}"


def test_a_text_is_checked_against_the_tokens_that_are_known() -> None:
    assert authenticate(_KNOWN, _TEXT) is _GOOD
    assert authenticate({}, _TEXT) is None
    assert authenticate({_GOOD.token_id: evolve(_GOOD, revoked_at=NOON)}, _TEXT) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("pjt__", id="nothing but the form"),
        pytest.param(_GOOD.token_id, id="the id"),
        pytest.param(f"pjt_{_GOOD.token_id}", id="no secret"),
        pytest.param(f"pjt_{_GOOD.token_id}_", id="an empty secret"),
        pytest.param(f"pjt_{_GOOD.token_id}_{SECRET[:-1]}", id="a digit less"),
        pytest.param(f"{_TEXT}5", id="a digit more"),
        pytest.param(f"{_TEXT}\n", id="a newline behind"),
        pytest.param(f" {_TEXT}", id="a space before"),
        pytest.param(f"Bearer {_TEXT}", id="the whole header"),
        pytest.param(_TEXT.upper(), id="upper-case"),
        pytest.param(_TEXT.replace("5" * 64, "٥" * 64), id="digits of another script"),
        pytest.param(f"pjt_{_GOOD.token_id}_{SECRET[:-1]}6", id="another last digit"),
        pytest.param(f"pjt_{_GOOD.token_id}_6{SECRET[1:]}", id="another first digit"),
        pytest.param(f"pjt_{_GOOD.token_id}_{_GOOD.digest}", id="the digest as the secret"),
        pytest.param(f"pjt_{'f' * 12}_{SECRET}", id="another id"),
        pytest.param(f"pjx_{_GOOD.token_id}_{SECRET}", id="another prefix"),
        pytest.param("é\udcff\0", id="no text"),
        pytest.param("_" * 100_000, id="long"),
    ],
)
def test_a_text_that_is_no_token_is_refused(text: str) -> None:
    assert authenticate(_KNOWN, text) is None


def test_the_secret_of_another_token_is_refused() -> None:
    other = _known("ffffffffffff", digest=hashlib.sha256(b"6" * 64).hexdigest())
    known = {**_KNOWN, other.token_id: other}
    assert authenticate(known, f"pjt_{other.token_id}_{SECRET}") is None
    assert authenticate(known, f"pjt_{other.token_id}_{'6' * 64}") is other


def test_an_unknown_token_id_costs_as_much_work_as_a_known_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return True

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert authenticate(_KNOWN, _TEXT) is _GOOD
    assert authenticate({}, _TEXT) is None, "even if the comparison were right by chance"
    assert authenticate({_GOOD.token_id: evolve(_GOOD, revoked_at=NOON)}, _TEXT) is None
    assert compared == [(64, 64)] * 3


def test_a_damaged_digest_refuses_its_token_without_an_error() -> None:
    for digest in ("", "é"):
        assert authenticate({_GOOD.token_id: evolve(_GOOD, digest=digest)}, _TEXT) is None


@pytest.mark.parametrize(
    ("scopes", "opened"),
    [
        ((Scope.READ,), {Scope.READ}),
        ((Scope.WRITE,), {Scope.WRITE}),
        ((Scope.READ, Scope.WRITE), {Scope.READ, Scope.WRITE}),
        ((Scope.ADMIN,), {*Scope}),
        ((), set()),
    ],
    ids=["read", "write", "both", "admin", "none"],
)
def test_a_token_opens_its_scopes_and_admin_everything(
    scopes: tuple[Scope, ...], opened: set[Scope]
) -> None:
    found = _known(scopes=scopes)
    assert {scope for scope in Scope if found.opens(scope)} == opened
