"""Who may come in: programs of this machine until there is a token, and then who bears one."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.requests import Request

from projector.operate.tokens import Scope, create_token, revoke_token
from projector.server.access import Authenticator
from projector.server.actions import ACTIONS
from projector.server.errors import TokenMissing
from projector.store.database import Database
from tests.serving.servers import problem
from tests.serving.talking import connect, read_answer
from tests.support.databases import url_of
from tests.support.given import entered
from tests.support.http_client import Client, ndjson
from tests.support.server_process import SECRET, Server, refused, serving

_AT = "2024-03-01T10:00:00Z"

#: For how long a server may believe what it knew of tokens, and a little more.
_BELIEF_SECONDS = 2.5

READING = [
    ("GET", "/customers/cust_1"),
    ("HEAD", "/customers/cust_1"),
    ("GET", "/customers?source_id=x"),
    ("GET", "/customers/cust_1/why?segment=x"),
    ("GET", "/customers/cust_1/events"),
    ("POST", "/customers:batch"),
    ("GET", "/segments"),
    ("GET", "/segments/x/members"),
    ("GET", "/tiers"),
    ("GET", "/tiers/x/members"),
    ("GET", "/status"),
    ("GET", "/log"),
    ("GET", "/quarantine"),
    ("GET", "/quarantine/1"),
    ("GET", "/dead-letters"),
    ("GET", "/dead-letters/1"),
    ("GET", "/jobs"),
    ("GET", "/jobs/1"),
    ("GET", "/metrics"),
    # Whether what is asked makes sense is told to nobody else.
    ("GET", "/segments?x=1"),
]
WRITING = [("POST", "/events"), ("POST", "/events?project=")]
CHANGING = [("POST", each.path) for each in ACTIONS]
OPEN = [
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/openapi.json"),
    ("GET", "/docs/"),
    ("GET", "/docs/static/docs.js"),
]


@pytest.fixture(scope="module")
def tokens(shared_database: Database) -> dict[str, str]:
    """A token of each scope."""
    return {
        scope: create_token(shared_database, name="a test", scopes=[scope]).token
        for scope in ("read", "write", "admin")
    }


@pytest.fixture(scope="module")
def guarded(tokens: dict[str, str], server: Server) -> Client:
    """Asks a server that knows tokens."""
    assert tokens
    time.sleep(_BELIEF_SECONDS)
    return server.client


@pytest.mark.parametrize(("method", "path"), [*READING, *WRITING, *CHANGING])
def test_a_request_without_a_token_is_refused_and_learns_nothing(
    guarded: Client, method: str, path: str
) -> None:
    got = guarded.ask(method, path)
    assert got.status == 401
    assert got.headers["www-authenticate"] == "Bearer"
    if method != "HEAD":
        assert got.refusal == (401, "token_missing")


def _wrong(token: str) -> dict[str, str]:
    return {
        "nothing": "",
        "no token": "Bearer",
        "an empty one": "Bearer ",
        "another text": "Bearer secretKey",
        "another secret": f"Bearer {token[:-1]}{'0' if token[-1] != '0' else '1'}",
        "another id": "Bearer pjt_000000000000" + token[16:],
        "a part of it": f"Bearer {token[:-1]}",
        "more than it": f"Bearer {token}0",
        "in capitals": f"Bearer {token.upper()}",
        "another kind": f"Basic {token}",
        "no kind": token,
        "two": f"Bearer {token}, Bearer {token}",
        "bytes that are no text": "Bearer \xff",
        "something long": "Bearer " + "x" * 20_000,
    }


@pytest.mark.parametrize("how", _wrong("x" * 90))
def test_an_invented_token_is_refused(guarded: Client, tokens: dict[str, str], how: str) -> None:
    got = guarded.get("/segments", authorization=_wrong(tokens["admin"])[how])
    assert got.refusal == (401, "token_missing")


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_a_token_may_be_borne_in_any_letters(
    guarded: Client, tokens: dict[str, str], kind: str
) -> None:
    assert guarded.get("/segments", authorization=f"{kind}  {tokens['read']} ").status == 200


@pytest.mark.parametrize(("method", "path"), [*READING, *WRITING, *CHANGING])
@pytest.mark.parametrize("scope", ["read", "write", "admin"])
def test_a_token_opens_what_its_scope_says(
    guarded: Client, tokens: dict[str, str], scope: str, method: str, path: str
) -> None:
    got = guarded.ask(method, path, b"", authorization=f"Bearer {tokens[scope]}")
    needed = "read" if (method, path) in READING else "write"
    needed = "admin" if (method, path) in CHANGING else needed
    if scope in (needed, "admin"):
        assert got.status not in {401, 403}
        return
    assert got.status == 403
    if method != "HEAD":
        assert got.problem["code"] == "scope_needed"
        assert needed in got.problem["detail"]


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_health_and_the_docs_need_no_token(guarded: Client, method: str, path: str) -> None:
    assert guarded.ask(method, path).status in {200, 503}


def test_a_webhook_needs_no_token_but_its_signature(guarded: Client) -> None:
    assert guarded.deliver(entered("cust_1", "seg_1", at=_AT), SECRET).status == 200
    assert guarded.post("/webhooks/voucherify", b"{}").refusal == (401, "signature_wrong")


def test_a_request_with_a_token_may_name_any_host(guarded: Client, tokens: dict[str, str]) -> None:
    more = {"host": "shop.example", "authorization": f"Bearer {tokens['read']}"}
    assert guarded.get("/segments", **more).status == 200


def test_a_token_that_is_revoked_opens_nothing_soon(
    guarded: Client, shared_database: Database
) -> None:
    made = create_token(shared_database, name="short", scopes=["read"])
    time.sleep(_BELIEF_SECONDS)
    bearer = {"authorization": f"Bearer {made.token}"}
    assert guarded.get("/segments", **bearer).status == 200
    revoke_token(shared_database, made.token_id)
    time.sleep(_BELIEF_SECONDS)
    assert guarded.get("/segments", **bearer).refusal == (401, "token_missing")


@pytest.fixture
def alone(sqlite_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server that knows no token."""
    with serving(tmp_path, sqlite_url) as server:
        yield server


def test_without_any_token_local_requests_are_answered(alone: Server) -> None:
    client = alone.client
    assert client.post("/events", ndjson(entered("cust_1", "seg_1", at=_AT))).status == 200
    assert client.get("/segments").status == 200
    for host in ("localhost", "LOCALHOST.", f"127.0.0.1:{alone.port}", "127.9.9.9", "[::1]:80"):
        assert client.get("/segments", host=host).status == 200, host
    own = f"localhost:{alone.port}"
    assert client.get("/segments", host=own, origin=f"http://{own}").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"host": "evil.example"}, id="another name that leads here"),
        pytest.param({"host": "localhost.evil.example"}, id="a name that begins like ours"),
        pytest.param({"host": "evil.example:8000"}, id="another name with a port"),
        pytest.param({"host": "10.0.0.1"}, id="another address"),
        pytest.param({"host": "0.0.0.0"}, id="every address"),  # noqa: S104 - it is refused
        pytest.param({"host": ""}, id="no name"),
        pytest.param({"host": "[::1"}, id="half an address"),
        pytest.param({"host": "evil.example#@localhost"}, id="a name like an address"),
        pytest.param({"host": "localhost@evil.example"}, id="a name with a user"),
        pytest.param({"origin": "https://evil.example"}, id="another page"),
        pytest.param({"origin": "null"}, id="a page of no origin"),
        pytest.param({"origin": ""}, id="an empty origin"),
        pytest.param({"origin": "http://localhost:1"}, id="another port of this machine"),
    ],
)
def test_a_request_from_a_web_page_of_another_origin_is_refused(
    alone: Server, headers: dict[str, str]
) -> None:
    assert alone.client.get("/segments", **headers).refusal == (403, "host_foreign")
    got = alone.client.post("/events", ndjson(entered("cust_1", "seg_1", at=_AT)), **headers)
    assert got.refusal == (403, "host_foreign")
    assert alone.client.get("/status").json["head"] == 0


def test_a_request_with_a_cross_site_fetch_header_is_refused(alone: Server) -> None:
    """Then a browser tells no origin, but whose page it is."""
    ask = alone.client.get
    for site in ("cross-site", "same-site"):
        assert ask("/segments", sec_fetch_site=site).refusal == (403, "host_foreign")
    for site in ("same-origin", "none"):
        assert ask("/segments", sec_fetch_site=site).status == 200


def test_a_request_forwarded_by_a_local_proxy_is_not_local(alone: Server) -> None:
    delivery = entered("cust_1", "seg_1", at=_AT)
    names = ["forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"]
    names += [f"x-forwarded-{each}" for each in ("for", "host", "proto", "server", "port")]
    for name in names:
        told = {name: "192.0.2.1"}
        assert alone.client.get("/status", **told).refusal == (403, "host_foreign"), name
        assert alone.client.deliver(delivery, SECRET, **told).status == 200
    # nginx, if it is told nothing but where to ask, says nothing of it.
    with connect(alone.port) as connection:
        connection.sendall(f"GET /status HTTP/1.0\r\nHost: 127.0.0.1:{alone.port}\r\n\r\n".encode())
        assert problem(read_answer(connection)) == (403, "host_foreign")


def test_a_webhook_may_come_by_any_name(alone: Server) -> None:
    delivery = entered("cust_1", "seg_1", at=_AT)
    assert alone.client.deliver(delivery, SECRET, host="shop.example").status == 200


def test_once_a_token_exists_requests_without_one_are_refused(
    alone: Server, sqlite_url: str
) -> None:
    assert alone.client.get("/segments").status == 200
    with closing(Database(sqlite_url)) as database:
        made = create_token(database, name="first", scopes=["read"])
        time.sleep(_BELIEF_SECONDS)
        assert alone.client.get("/segments").refusal == (401, "token_missing")
        # A revoked one is a token, too: its server is not open again to everybody.
        revoke_token(database, made.token_id)
    time.sleep(_BELIEF_SECONDS)
    assert alone.client.get("/segments").refusal == (401, "token_missing")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])  # noqa: S104
def test_a_server_without_a_token_refuses_to_listen_on_a_public_address(
    tmp_path: Path, host: str
) -> None:
    done = refused(tmp_path, "--host", host)
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert "Without a token" in done.err
    assert "projector token create" in done.err


def test_a_public_server_with_a_token_refuses_requests_without_one(
    sqlite_database: Database, tmp_path: Path
) -> None:
    made = create_token(sqlite_database, name="first", scopes=["read"])
    with serving(tmp_path, url_of(sqlite_database), "--host", "0.0.0.0") as server:  # noqa: S104
        assert server.client.get("/segments").refusal == (401, "token_missing")
        bearer = {"authorization": f"Bearer {made.token}"}
        assert server.client.get("/segments", **bearer).status == 200
        assert server.client.get("/health/live").status == 200
    assert made.token not in server.told


def test_a_public_server_without_any_token_refuses_every_request(
    sqlite_database: Database,
) -> None:
    gate = Authenticator(sqlite_database, is_public=True)
    scope = {"type": "http", "headers": [(b"host", b"localhost")]}
    with pytest.raises(TokenMissing):
        asyncio.run(gate.check(Request(scope), Scope.READ))
