"""What is asked over the network is answered as the command line answers it."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from projector.cli.program import run
from tests.support.http_client import Client, Reply, ndjson
from tests.support.server_process import SECRET, Server
from tests.support.two_projects import HALF, STORY

#: Ask the command line; gives its document, or its exit code where there is none.
Command = Callable[..., Any]

_NOT_FOUND = 3


@pytest.fixture(scope="module")
def told(server: Server) -> int:
    """The story has come in by both doors, and is in the tables up to here."""
    for each in STORY[:HALF]:
        assert server.client.deliver(each, SECRET).status == 200
    answer = server.client.post("/events", ndjson(*STORY[HALF:])).json
    assert answer["read"] == answer["appended"] == len(STORY) - HALF
    position: int = answer["last_position"]
    assert server.client.get(f"/segments?min_position={position}").status == 200
    return position


@pytest.fixture
def command(shared_url: str, capsys: pytest.CaptureFixture[str]) -> Command:
    """Asks the command line."""

    def ask(*arguments: str) -> Any:
        code = run([*arguments, "--json", "--db", shared_url])
        out = capsys.readouterr().out
        return code if code else json.loads(out)

    return ask


def _ask(client: Client, path: str, **query: Any) -> Reply:
    return client.get(f"{path}?{urlencode(query)}" if query else path)


def _ordered(document: Any) -> str:
    """With the order of its keys."""
    return json.dumps(document)


CUSTOMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "now": ("cust_2", {}),
    "of a project": ("cust_1", {"project": "proj_1"}),
    "of another project": ("cust_1", {"project": "proj_2"}),
    "as of a moment": ("cust_1", {"project": "proj_1", "as_of": "2024-03-02T12:00:00Z"}),
    "as of a moment elsewhere": (
        "cust_1",
        {"project": "proj_1", "as_of": "2024-03-02T12:00:00+05:30"},
    ),
    "at a position": ("cust_1", {"project": "proj_1", "at_position": "4"}),
    "at the head": ("cust_2", {"at_position": str(len(STORY))}),
    "as of a moment at a position": (
        "cust_1",
        {"project": "proj_1", "as_of": "2024-03-02T12:00:00Z", "at_position": "5"},
    ),
}


def _options(query: dict[str, Any]) -> list[str]:
    return [word for name, value in query.items() for word in (_option(name), value)]


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


@pytest.mark.parametrize(("who", "query"), CUSTOMERS.values(), ids=CUSTOMERS)
def test_a_customer(
    client: Client, told: int, command: Command, who: str, query: dict[str, Any]
) -> None:
    got = _ask(client, f"/customers/{who}", **query)
    assert _ordered(got.json) == _ordered(command("customer", who, *_options(query)))
    assert got.headers["projector-head"] == str(told)
    # Of an answer about a former position it is that one.
    assert got.headers["projector-position"] == query.get("at_position", str(told))


@pytest.mark.parametrize(
    "query", [{"project": "proj_1"}, {"as_of": "2024-02-01T00:00:00Z"}, {"at_position": "3"}, {}]
)
def test_a_customer_by_the_shops_own_id(
    client: Client, told: int, command: Command, query: dict[str, Any]
) -> None:
    got = _ask(client, "/customers", source_id="a-tst", **query)
    assert got.headers["projector-head"] == str(told)
    expected = command("customer", "a-tst", "--source-id", *_options(query))
    assert _ordered(got.json) == _ordered(expected)


WHYS = {
    "a segment": {"segment": "seg_3"},
    "a segment that was never entered": {"segment": "seg_9"},
    "a campaign": {"campaign": "camp_1"},
    "not in a segment": {"not": "seg_3"},
    "not on a tier": {"not": "ltr_1"},
    "not in one that nobody entered": {"not": "seg_2"},
    "as of a moment": {"segment": "seg_3", "as_of": "2024-03-02T12:00:00Z"},
    "at a position": {"segment": "seg_3", "at_position": "4"},
}


@pytest.mark.parametrize("query", WHYS.values(), ids=WHYS)
@pytest.mark.parametrize("project", ["proj_1", "proj_2"])
def test_why(
    client: Client, told: int, command: Command, project: str, query: dict[str, Any]
) -> None:
    query = {"project": project, **query}
    got = _ask(client, "/customers/cust_1/why", **query)
    expected = command("why", "cust_1", *_options(query))
    if expected == _NOT_FOUND:
        assert got.status == 404
        return
    assert _ordered(got.json) == _ordered(expected)
    assert got.headers["projector-position"] == str(expected["position"])
    assert got.headers["projector-head"] == str(told)


@pytest.mark.parametrize("what", ["segments", "tiers"])
def test_segments_and_tiers(client: Client, told: int, command: Command, what: str) -> None:
    got = client.get(f"/{what}")
    assert _ordered(got.json) == _ordered(command(what))
    assert got.headers["projector-position"] == got.headers["projector-head"] == str(told)
    of_one = client.get(f"/{what}?project=proj_2").json[what]
    assert of_one == [each for each in got.json[what] if each["project_id"] == "proj_2"]
    assert 0 < len(of_one) < len(got.json[what])


@pytest.mark.parametrize(("kind", "group"), [("segment", "seg_m"), ("tier", "ltr_m")])
@pytest.mark.parametrize(
    "query", [{}, {"as_of": "2024-04-15T00:00:00Z"}, {"project": "proj_1"}, {"limit": "7"}]
)
def test_members(
    client: Client, told: int, command: Command, kind: str, group: str, query: dict[str, Any]
) -> None:
    assert told
    after: dict[str, str] = {}
    pages = 0
    while True:
        got = _ask(client, f"/{kind}s/{group}/members", **query, **after).json
        options = _options({**query, **after})
        assert _ordered(got) == _ordered(command("members", f"--{kind}", group, *options))
        pages += 1
        if got["next"] is None:
            break
        after = {"after": got["next"]}
    assert pages == (4 if "limit" in query else 1)


def test_a_page_has_a_hundred_entries_by_default(server: Server, told: int) -> None:
    assert told
    crowd = [
        {**STORY[0], "event": {**STORY[0]["event"], "id": f"x{number}"}} for number in range(120)
    ]
    for number, each in enumerate(crowd):
        each["event"]["type"] = "customer.segment.entered"
        each["data"] = {"customer": {"id": f"cust_x{number}"}, "segment": {"id": "seg_crowd"}}
    last = server.client.post("/events", ndjson(*crowd)).json["last_position"]
    page = server.client.get(f"/segments/seg_crowd/members?min_position={last}").json
    assert len(page["members"]) == 100
    assert len(server.client.get("/segments/seg_crowd/members?limit=1000").json["members"]) == 120


def test_status(client: Client, told: int, command: Command) -> None:
    assert told
    assert _ordered(client.get("/status").json) == _ordered(command("status"))


REFUSED = {
    "nobody": ("/customers/nobody", 404, "customer_not_found"),
    "somebody of another project": ("/customers/cust_2?project=no", 404, "customer_not_found"),
    "several": ("/customers/cust_1", 409, "customer_ambiguous"),
    "nobody's source id": ("/customers?source_id=nobody", 404, "customer_not_found"),
    "no source id": ("/customers", 400, "bad_query"),
    "an unknown parameter": ("/customers/cust_2?projekt=1", 400, "bad_query"),
    "a parameter twice": ("/customers/cust_2?project=a&project=b", 400, "bad_query"),
    "too many parameters": (
        "/customers/cust_2?" + "&".join("abcdefghijklmnopqrstu"),
        400,
        "bad_query",
    ),
    "a long query": (f"/customers/cust_2?project={'x' * 9_000}", 400, "bad_query"),
    "no time": ("/customers/cust_2?as_of=now", 400, "bad_instant"),
    "no number": ("/customers/cust_2?at_position=1.5", 400, "bad_query"),
    "a number below zero": ("/customers/cust_2?at_position=-1", 400, "bad_query"),
    "a number too great": (f"/customers/cust_2?at_position={2**63}", 400, "bad_query"),
    "a position that is not there": (
        "/customers/cust_2?at_position=999999",
        400,
        "position_unknown",
    ),
    "why of nothing": ("/customers/cust_2/why", 400, "not_one"),
    "why of two": ("/customers/cust_2/why?segment=a&campaign=b", 400, "not_one"),
    "why of what nothing concerns": (
        "/customers/cust_2/why?segment=no",
        404,
        "nothing_concerns",
    ),
    "an unknown segment": ("/segments/no/members", 404, "group_not_found"),
    "an unknown tier": ("/tiers/no/members", 404, "group_not_found"),
    "no page at all": ("/segments/seg_m/members?limit=0", 400, "bad_query"),
    "too large a page": ("/segments/seg_m/members?limit=1000001", 400, "bad_query"),
    "a cursor that is none": ("/segments/seg_m/members?after=x", 400, "bad_cursor"),
    "a cursor of other pages": ("/customers/cust_2/events?after=WyJhIl0", 400, "bad_cursor"),
    "a parameter of status": ("/status?x=1", 400, "bad_query"),
}


@pytest.mark.parametrize(("path", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_an_unanswerable_query_gets_a_problem_document(
    client: Client, told: int, path: str, status: int, code: str
) -> None:
    assert told
    got = client.get(path)
    assert got.refusal == (status, code)
    # What it says to do next is for who asks over the network.
    assert got.problem["detail"]
    assert "--" not in got.problem["hint"]


def test_an_ambiguous_id_names_who_has_it(client: Client, told: int) -> None:
    assert told
    detail = client.get("/customers/cust_1").problem["detail"]
    assert "cust_1 in proj_1" in detail
    assert "cust_1 in proj_2" in detail


QUESTIONS = [
    "/customers/cust_2",
    "/customers?source_id=b-tst",
    "/customers/cust_2/why?segment=seg_1",
    "/customers/cust_2/events",
    "/segments",
    "/segments/seg_m/members",
    "/tiers",
    "/tiers/ltr_m/members",
    "/status",
    "/health/live",
    "/openapi.json",
    "/docs/",
]


@pytest.mark.parametrize("path", QUESTIONS)
def test_a_question_may_be_asked_for_its_headers_alone(
    client: Client, told: int, path: str
) -> None:
    assert told
    whole, head = client.get(path), client.ask("HEAD", path)
    assert (head.status, head.body) == (whole.status, b"")
    changing = {"date", "x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in whole.headers.items() if k not in changing
    }
    assert head.headers["content-length"] == str(len(whole.body))


@pytest.mark.parametrize("path", ["/nothing", "/customers/", "/customers/a/b", "/segments%0A"])
def test_a_path_that_leads_nowhere_is_a_problem(client: Client, path: str) -> None:
    assert client.get(path).refusal == (404, "path_unknown")
    assert client.post(path, b"x").refusal == (404, "path_unknown")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/customers/cust_2", {"GET", "HEAD"}),
        ("DELETE", "/segments", {"GET", "HEAD"}),
        ("OPTIONS", "/status", {"GET", "HEAD"}),
        ("GET", "/customers:batch", {"POST"}),
        ("GET", "/events", {"POST"}),
        ("PUT", "/webhooks/voucherify", {"POST"}),
        ("GET", "/webhooks/voucherify/proj_1", {"POST"}),
        ("POST", "/openapi.json", {"GET", "HEAD"}),
        ("POST", "/docs/static/docs.html", {"GET", "HEAD"}),
        ("BREW", "/tiers", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_refused_with_an_allow_header(
    client: Client, method: str, path: str, allowed: set[str]
) -> None:
    got = client.ask(method, path)
    assert got.refusal == (405, "method_unknown")
    assert {*got.headers["allow"].split(", ")} == allowed
