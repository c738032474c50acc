"""Signing in to the console with a token, and out."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from projector.operate.sessions import AGE_MAX, IDLE_MAX
from projector.operate.tokens import create_token, list_tokens, revoke_token
from projector.store.database import Database
from projector.store.tables import session
from tests.support.console import Browser
from tests.support.databases import url_of
from tests.support.http_client import Client
from tests.support.server_process import Server, serving

#: For how long a server may believe what it knew of tokens and sessions, and a little more.
_BELIEF_SECONDS = 2.5


@pytest.fixture(scope="module")
def tokens(shared_database: Database) -> dict[str, str]:
    """A token of each scope."""
    return {
        scope: create_token(shared_database, name=f"{scope} desk", scopes=[scope]).token
        for scope in ("read", "write", "admin")
    }


@pytest.fixture(scope="module")
def guarded(
    tokens: dict[str, str], shared_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that knows tokens."""
    assert tokens
    with serving(tmp_path_factory.mktemp("server"), url_of(shared_database)) as server:
        yield server


@pytest.fixture
def browser(guarded: Server) -> Browser:
    """A browser that is not signed in."""
    return Browser(guarded.client)


def test_a_page_sends_who_is_not_signed_in_to_the_login_and_back(
    browser: Browser, tokens: dict[str, str]
) -> None:
    got = browser.get("/console/?q=mar%20a")
    assert (got.status, got.reply.headers["location"]) == (
        303,
        "/console/login?next=/console/%3Fq%3Dmar%2520a",
    )
    got = browser.sign_in(tokens["read"], "/console/preferences?next=/console/")
    assert got.reply.headers["location"] == "/console/preferences?next=/console/"
    page = browser.get("/console/preferences?next=/console/")
    assert page.status == 200
    assert "Signed in with read desk, which may read" in page.text


def test_an_admin_is_not_told_to_be_a_reader_only(browser: Browser, tokens: dict[str, str]) -> None:
    browser.sign_in(tokens["admin"])
    assert "Signed in with admin desk Sign out" in browser.get("/console/preferences").text


@pytest.mark.parametrize("text", ["", "pjt_", "pjt_" + "0" * 12 + "_" + "0" * 64, "' OR 1=1"])
def test_a_wrong_token_is_refused_slowly_and_starts_no_session(
    browser: Browser, shared_database: Database, text: str
) -> None:
    before, started = _sessions(shared_database), time.monotonic()
    got = browser.sign_in(text)
    assert got.status == 403
    assert "This token is not known, or was revoked." in got.text
    assert time.monotonic() - started > 1
    assert _sessions(shared_database) == before
    assert browser.get("/console/").status == 303


def test_a_token_that_cannot_read_is_refused(browser: Browser, tokens: dict[str, str]) -> None:
    got = browser.sign_in(tokens["write"])
    assert got.status == 403
    assert "This token cannot read." in got.text


def test_signing_out_ends_the_session_for_a_copy_of_the_cookie_too(
    browser: Browser, tokens: dict[str, str]
) -> None:
    browser.sign_in(tokens["read"])
    copy = Browser(browser.client, {**browser.cookies})
    page = browser.get("/console/preferences")
    got = browser.submit(page.form("/console/logout"))
    assert (got.status, got.reply.headers["location"]) == (303, "/console/login")
    assert browser.cookies == {}
    assert copy.get("/console/preferences").status == 303


def test_a_session_ends_soon_after_its_token_is_revoked(
    browser: Browser, shared_database: Database
) -> None:
    new = create_token(shared_database, name="leaves", scopes=["read"])
    time.sleep(_BELIEF_SECONDS)
    browser.sign_in(new.token)
    assert browser.get("/console/preferences").status == 200
    revoke_token(shared_database, new.token_id)
    time.sleep(_BELIEF_SECONDS)
    assert browser.get("/console/preferences").status == 303


@pytest.mark.parametrize(
    ("column", "age"), [("seen_at", IDLE_MAX), ("created_at", AGE_MAX)], ids=["idle", "old"]
)
def test_a_session_ends_after_a_while(
    browser: Browser,
    tokens: dict[str, str],
    shared_database: Database,
    column: str,
    age: timedelta,
) -> None:
    browser.sign_in(tokens["read"])
    assert browser.get("/console/preferences").status == 200
    ended = datetime.now(UTC) - age - timedelta(seconds=1)
    with shared_database.writing() as connection:
        connection.execute(update(session).values({column: ended}))
    time.sleep(_BELIEF_SECONDS)
    assert browser.get("/console/preferences").status == 303
    # The next one to sign in clears it away.
    Browser(browser.client).sign_in(tokens["read"])
    with shared_database.reading() as connection:
        assert connection.execute(select(session).where(session.c[column] == ended)).all() == []


def test_using_a_session_keeps_it_alive(
    browser: Browser, tokens: dict[str, str], shared_database: Database
) -> None:
    browser.sign_in(tokens["read"])
    before = datetime.now(UTC) - timedelta(hours=11)
    with shared_database.writing() as connection:
        connection.execute(update(session).values(seen_at=before))
    time.sleep(_BELIEF_SECONDS)
    assert browser.get("/console/preferences").status == 200
    with shared_database.reading() as connection:
        last = connection.execute(select(func.max(session.c.seen_at))).scalar_one()
    assert last - before > timedelta(hours=10)


def test_neither_the_token_nor_the_cookie_is_stored_or_logged(
    browser: Browser, tokens: dict[str, str], guarded: Server, shared_database: Database
) -> None:
    browser.sign_in(tokens["read"])
    [cookie] = browser.cookies.values()
    secret = tokens["read"].rpartition("_")[2]
    with shared_database.reading() as connection:
        rows = str(connection.execute(select(session)).all())
    for text in (cookie, secret):
        assert text not in rows
        assert text not in guarded.told


def test_signing_in_changes_the_cookie(browser: Browser, tokens: dict[str, str]) -> None:
    """A cookie that somebody planted before does not become a session."""
    browser.get("/console/login")
    planted = {**browser.cookies}
    browser.sign_in(tokens["read"])
    assert browser.cookies != planted
    assert Browser(browser.client, planted).get("/console/preferences").status == 303


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/console/",
        "//evil.example/console/",
        "/\\evil.example",
        "/console/\\..\\..//evil.example",
        "javascript:alert(1)",
        "/docs/",
        "/console/\r\nX: y",
        "http://[",
    ],
)
def test_signing_in_leads_to_the_console_and_nowhere_else(
    browser: Browser, tokens: dict[str, str], target: str
) -> None:
    got = browser.sign_in(tokens["read"], target)
    assert (got.status, got.reply.headers["location"]) == (303, "/console/")


def test_the_cookie_does_not_open_the_api(browser: Browser, tokens: dict[str, str]) -> None:
    browser.sign_in(tokens["admin"])
    [(name, value)] = browser.cookies.items()
    got = browser.client.get("/status", cookie=f"{name}={value}")
    assert got.refusal == (401, "token_missing")


def test_a_bearer_token_does_not_open_the_console(guarded: Server, tokens: dict[str, str]) -> None:
    got = guarded.client.get("/console/", authorization=f"Bearer {tokens['admin']}")
    assert got.status == 303
    got = guarded.client.post(
        "/console/preferences", b"", authorization=f"Bearer {tokens['admin']}"
    )
    assert got.status == 303


def test_sign_ins_are_counted(browser: Browser, tokens: dict[str, str]) -> None:
    browser.sign_in(tokens["read"])
    Browser(browser.client).sign_in("nothing")
    page = browser.client.get("/metrics", authorization=f"Bearer {tokens['read']}").body.decode()
    assert 'projector_sign_ins_total{result="accepted"}' in page
    assert 'projector_sign_ins_total{result="refused"}' in page


@pytest.mark.external
@pytest.mark.parametrize(
    ("origin", "name", "flags"),
    [
        (None, "projector_session", "Path=/; HttpOnly; SameSite=Strict"),
        (
            "https://state.example.com",
            "__Host-projector",
            "Path=/; Secure; HttpOnly; SameSite=Strict",
        ),
    ],
    ids=["loopback", "https"],
)
def test_the_cookie_has_the_flags_that_keep_it(
    tmp_path: Path, migrated_sqlite_url: str, origin: str | None, name: str, flags: str
) -> None:
    variables = {} if origin is None else {"PROJECTOR_CONSOLE_ORIGIN": origin}
    with serving(tmp_path, migrated_sqlite_url, **variables) as server:
        header = server.client.get("/console/").headers["set-cookie"]
    assert header.startswith(f"{name}=")
    assert header.partition("; ")[2] == flags


def test_a_browser_elsewhere_needs_the_origin_to_be_set(tmp_path: Path, database: Database) -> None:
    create_token(database, name="a", scopes=["read"])
    with serving(tmp_path, url_of(database), "--host", "0.0.0.0") as server:  # noqa: S104
        refused = server.client.get("/console/", host="state.example.com")
        assert refused.status == 403
        assert b"PROJECTOR_CONSOLE_ORIGIN" in refused.body
        assert server.client.get("/console/login").status == 200
    origin = "https://state.example.com"
    with serving(tmp_path, url_of(database), PROJECTOR_CONSOLE_ORIGIN=origin) as server:
        browser = Browser(Client(server.port))
        got = browser.get("/console/login", host="state.example.com")
        assert got.status == 200
        assert list_tokens(database)


def _sessions(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(session)).scalar_one()
