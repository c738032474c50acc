"""A customer's page says when the source was asked, and an admin has it asked again."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import frozen
from starlette.types import ASGIApp

from projector import erasure
from projector.config import SECRET_VARIABLES, ConsoleSettings
from projector.operate.jobs import JobKind, list_jobs, show_job
from projector.operate.tokens import create_token
from projector.server.child_command import _environment
from projector.server.context import ServerConfig, ServerContext
from projector.server.job_requests import secrets_of
from projector.server.routes import build
from projector.store import jobs
from projector.store.database import Database
from projector.store.jobs import JobEnd
from tests.support import asgi
from tests.support.console import Browser, Document
from tests.support.given import RECEIVED_AT, append_and_project, created, segments_seen, tier_seen
from tests.support.http_client import Reply

_PATH = "/console/operations/reconcile"
_PAGE = "/console/customers/proj_1/cust_1"
_ID, _TOKEN, _URL = (f"PROJECTOR_VOUCHERIFY_{each}" for each in ("APP_ID", "APP_TOKEN", "URL"))
_LOGGED = "The server's log has the reason."
_GIVEN = {_ID: "proj_1=secret-id", _TOKEN: "proj_1=secret-token"}


@frozen
class _Client:
    """Asks an application without a network; the jobs of it wait for ever."""

    app: ASGIApp
    loop: asyncio.AbstractEventLoop

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        asked = asgi.ask(self.app, method, path, body=body or b"", **headers)
        return self.loop.run_until_complete(asked)

    def post(self, path: str, **fields: Any) -> Reply:
        return self.ask("POST", path, json.dumps(fields).encode(), content_type="application/json")


#: Opens the console with some variables.
Start = Callable[..., _Client]


@pytest.fixture
def start(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    loop = asyncio.new_event_loop()
    append_and_project(sqlite_database, created("cust_1", at="2024-03-01T10:00:00Z", name="Ada L"))

    def started(**variables: str) -> _Client:
        for name in (*SECRET_VARIABLES, _URL):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        config = ServerConfig(runs_follower=False, console=ConsoleSettings())
        return _Client(build(ServerContext(sqlite_database, config)), loop)

    yield started
    loop.close()


def _open(client: _Client, path: str = _PAGE) -> Document:
    page = Browser(client).get(path)  # type: ignore[arg-type]
    assert page.status == 200, page.text
    assert page.flaws == []
    return page


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({}, "credentials_missing", "credentials of its API for the project proj_1, and has none."),
        (
            {_ID: "proj_2=secret-id", _TOKEN: "proj_2=secret-token"},
            "credentials_missing",
            "credentials of its API for the project proj_1, and has none.",
        ),
        (
            # Those of another project would find nobody, and end all memberships.
            {_ID: "secret-id", _TOKEN: "secret-token"},
            "credentials_unnamed",
            "do not say of which project they are.",
        ),
        ({_ID: "proj_1=secret-id"}, "bad_credentials", _LOGGED),
        ({f"{_ID}_FILE": "/secret/path"}, "bad_credentials", _LOGGED),
        (
            {**_GIVEN, _URL: "ftp://secret"},
            "bad_voucherify_url",
            _LOGGED,
        ),
    ],
)
def test_without_credentials_a_sentence_is_in_place_of_the_button(
    start: Start, sqlite_database: Database, variables: dict[str, str], code: str, said: str
) -> None:
    client = start(**variables)
    page = _open(client)
    assert said in page.text
    assert [each for each in page.forms if each.action == _PATH] == []
    refused = client.post("/reconciliations", customer="cust_1", project="proj_1")
    assert refused.refusal == (409, code)
    assert "secret" not in page.reply.body.decode() + refused.body.decode()
    assert list_jobs(sqlite_database).jobs == ()


def test_an_admin_asks_for_a_comparison_once(start: Start, sqlite_database: Database) -> None:
    client = start(**_GIVEN)
    browser = Browser(client)  # type: ignore[arg-type]
    page = browser.get(_PAGE)
    form = page.form(_PATH)
    assert "Compare with Voucherify" in page.text
    sent = browser.submit(form)
    assert (sent.status, sent.reply.headers["location"]) == (303, "/console/operations/jobs/1")
    job = show_job(sqlite_database, 1)
    assert (job.kind, job.asked_by) == (JobKind.RECONCILE, "this machine")
    assert job.arguments == {"customer": "cust_1", "project": "proj_1"}
    assert (
        "Comparison of cust_1 with Voucherify" in _open(client, "/console/operations/jobs/1").text
    )
    # While it waits, the page leads there.
    page = browser.get(_PAGE)
    assert "is being compared" in page.text
    assert "/console/operations/jobs/1" in page.links
    assert [each for each in page.forms if each.action == _PATH] == []
    assert browser.submit(form).reply.headers["location"] == "/console/operations/jobs/1"
    form.fields["customer"] = "nobody"
    assert browser.submit(form).status == 404
    assert len(list_jobs(sqlite_database).jobs) == 1
    # Another day is as it was: nothing is asked about it.
    assert _PATH not in browser.get(f"{_PAGE}?on=2024-04-01").reply.body.decode()


def test_who_may_only_read_cannot_ask(start: Start, sqlite_database: Database) -> None:
    client = start(**_GIVEN)
    token = create_token(sqlite_database, name="desk", scopes=["read"]).token
    admin = create_token(sqlite_database, name="Ada's laptop", scopes=["admin"]).token
    reader, owner = Browser(client), Browser(client)  # type: ignore[arg-type]
    reader.sign_in(token)
    page = reader.get(_PAGE)
    assert "An admin token is needed to compare this with Voucherify." in page.text
    assert [each for each in page.forms if each.action == _PATH] == []
    owner.sign_in(admin)
    form = owner.get(_PAGE).form(_PATH)
    assert reader.submit(form).status == 403
    assert owner.submit(form, sec_fetch_site="cross-site").status == 403
    assert list_jobs(sqlite_database).jobs == ()
    assert owner.submit(form).status == 303


def test_the_id_of_an_erased_customer_does_not_come_back(
    start: Start, sqlite_database: Database
) -> None:
    client = start(**_GIVEN)
    waiting = client.post("/reconciliations", customer="cust_1", project="proj_1").json["job_id"]
    erasure.forget(sqlite_database, ["cust_1"], project_id="proj_1")
    job = show_job(sqlite_database, waiting)
    assert (job.arguments, job.problem) == ({}, "It named a customer who is erased.")
    assert "Comparison of a customer with" in _open(client, "/console/operations/jobs/1").text
    refused = client.post("/reconciliations", customer="cust_1", project="proj_1")
    assert refused.refusal == (410, "customer_erased")
    assert len(list_jobs(sqlite_database).jobs) == 1


def test_the_page_says_what_was_missing(start: Start, sqlite_database: Database) -> None:
    client = start(**_GIVEN)
    assert "Voucherify was never asked for everything about Ada L" in _open(client).text
    at = "2024-05-01T10:00:00Z"
    append_and_project(
        sqlite_database,
        segments_seen("cust_1", "seg_1", at=at),
        tier_seen("cust_1", "ltr_1", at=at),
    )
    page = _open(client)
    for words in (
        "Voucherify was last asked for everything on 1 May 2024, 10:00. "
        "2 deliveries were missing before; what they changed is repaired. "
        "None is known to be lost since.",
        "seg_1: seen by 1 May 2024, since unknown",
        "Tier ltr_1 seen by 1 May 2024, since unknown",
    ):
        assert words in page.text


def _shown(start: Start, database: Database, result: dict[str, Any]) -> str:
    client = start(**_GIVEN)
    job_id = client.post("/reconciliations", customer="cust_1", project="proj_1").json["job_id"]
    end = JobEnd(ended_at=RECEIVED_AT, exit_code=0, result=json.dumps(result), problem=None)
    with database.writing() as connection:
        jobs.end(connection, job_id, end)
    page = _open(client, f"/console/operations/jobs/{job_id}")
    assert _PAGE in page.links
    return page.text


def test_a_job_says_what_differed(start: Start, sqlite_database: Database) -> None:
    found = {
        "kind": "missing_entry", "segment_id": "seg_1", "campaign_id": None, "ours": "out",
        "theirs": "in", "reason": "lost", "repaired_by": "activity",
    }  # fmt: skip
    tier = {
        **found, "kind": "missing_tier", "segment_id": None, "campaign_id": "camp_1", "ours": None,
        "theirs": "ltr_1", "reason": "unexplained", "repaired_by": None,
    }  # fmt: skip
    problem = {"reason": "two_tiers", "detail": "camp_2 has two."}
    result = {
        "compared": 1, "agree": 0, "unsettled": 0, "absent": 0, "failed": 0, "repaired": 1,
        "differences": [found, tier], "by_reason": {"lost": 1, "unexplained": 1},
        "problems": [problem], "remaining": 1, "recorded": 0, "refused": False, "stopped": None,
    }  # fmt: skip
    text = _shown(start, sqlite_database, result)
    for words in (
        "Compared. 2 differences. Repaired: 1 by the activity. 1 still differs.",
        "Segment “seg_1”outinThe delivery was lost. The customer's activity has the event."
        "by the event in the activity",
        "Tier of camp_1noneltr_1Why is not known.still differs",
        "Two cards of one campaign have two tiers: neither is used.",
    ):
        assert words in text


def test_only_a_comparison_gets_the_credentials() -> None:
    own = dict.fromkeys(SECRET_VARIABLES, "secret") | {"PATH": "/bin"}
    got = {kind: {*_environment(own, "url", secrets_of(kind))} for kind in JobKind}
    usual = {"PATH", "PROJECTOR_DATABASE_URL"}
    credentials = {each for each in SECRET_VARIABLES if "VOUCHERIFY" in each}
    assert len(credentials) == 4
    assert got.pop(JobKind.RECONCILE) == usual | credentials
    assert [*got.values()] == [usual] * len(got)
