"""An id may have any character, and a path or a query leads to it all the same."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.given import created, entered, joined, tier
from tests.support.http_client import Client, ndjson
from tests.support.server_process import Server

_AT = "2024-03-01T10:00:00Z"

ODD = {
    "a slash": "a/b",
    "slashes": "/a//b/",
    "a slash at the end": "a/",
    "a percent sign": "a%b",
    "an escape": "a%2Fb",
    "an escaped escape": "%252F%25",
    "an escaped line end": "a%0Ab",
    "a question mark": "a?b=c",
    "a hash": "a#b",
    "an ampersand": "a&b=c",
    "a plus": "a+b",
    "a semicolon": "a;b",
    "a colon": "a:batch",
    "quotes": "a\"b'c`d",
    "a dot": ".",
    "two dots": "..",
    "a way up": "../../segments",
    "a word of ours": "why",
    "two words of ours": "x/why",
    "three": "x/members",
    "a space": " a b ",
    "a line end": "a\nb",
    "a line end at the end": "a\n",
    "a return": "a\r\nb",
    "a tab": "\t",
    "a backslash": "a\\b",
    "SQL": "' OR 1=1 --",
    "SQL's patterns": "%_",
    "braces": "{id}",
    "an emoji": "\N{PILE OF POO}",
    "letters that are put together": "e\N{COMBINING ACUTE ACCENT}",
    "the same as one": "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "from right to left": "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "a character that is none": "\uffff",
    "a control character": "\x01\x7f\x85",
    "200 characters": "x" * 200,
    "200 emoji": "\N{PILE OF POO}" * 200,
    "a star": "*",
    "a number": "0",
    "markup": "<script>alert(1)</script>",
}


@pytest.fixture(scope="module", autouse=True)
def _told(server: Server) -> None:
    """Of each odd id: a customer, a segment, a tier in a campaign, and a project have it."""
    deliveries: list[Any] = []
    for each in ODD.values():
        more = {"at": _AT, "project_id": each}
        deliveries += [
            created(each, source_id=each, **more),
            entered(each, each, **more),
            joined(each, tier(each), each, **more),
        ]
    answer = server.client.post("/events", ndjson(*deliveries)).json
    assert answer["appended"] == len(deliveries), answer
    last = answer["last_position"]
    assert server.client.get(f"/segments?min_position={last}").status == 200


def _in_path(text: str) -> str:
    # A dot as it is would be left out by a browser; whoever means it must escape it.
    return quote(text, safe="").replace(".", "%2E")


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_customer_is_found_by_an_odd_id(client: Client, odd: str) -> None:
    in_path, in_query = _in_path(odd), quote(odd, safe="")
    answer = client.get(f"/customers/{in_path}").json
    assert (answer["customer_id"], answer["project_id"]) == (odd, odd)
    assert [each["segment_id"] for each in answer["segments"]] == [odd]
    assert client.get(f"/customers/{in_path}?project={in_query}").json == answer
    assert client.get(f"/customers?source_id={in_query}").json == answer
    batch = client.post("/customers:batch", {"customer_ids": [odd], "project": odd}).json
    assert batch["customers"] == [answer]
    assert len(client.get(f"/customers/{in_path}/events").json["events"]) == 3
    for question in ("segment", "campaign"):
        why = client.get(f"/customers/{in_path}/why?{question}={in_query}").json
        assert len(why["steps"]) == 1


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("kind", ["segments", "tiers"])
def test_members_are_found_by_an_odd_id(client: Client, kind: str, odd: str) -> None:
    in_path, in_query = _in_path(odd), quote(odd, safe="")
    for query in ("", f"?project={in_query}"):
        members = client.get(f"/{kind}/{in_path}/members{query}").json["members"]
        assert [each["customer_id"] for each in members] == [odd]
    [group] = client.get(f"/{kind}?project={in_query}").json[kind]
    assert group["segment_id" if kind == "segments" else "tier_id"] == odd


def test_a_dot_may_come_as_it_is(client: Client) -> None:
    assert client.get("/customers/..").json["customer_id"] == ".."
    assert client.get("/segments/./members").json["members"][0]["customer_id"] == "."


def test_a_plus_in_a_path_is_a_plus_and_no_space(client: Client) -> None:
    assert client.get("/customers/a+b").json["customer_id"] == "a+b"


NOBODYS = {
    "a NUL": "%00",
    "a NUL within": "a%00b",
    "half of a character": "%C3",
    "no UTF-8": "%FF%FE",
    "half a surrogate": "%ED%A0%80",
    "an escape that is none": "%zz",
    "an escape that is cut off": "a%2",
    "a character that needs none of its bytes": "%C0%AF",
    "201 characters": "x" * 201,
    "20,000 characters": "x" * 20_000,
}


@pytest.mark.parametrize("text", NOBODYS.values(), ids=NOBODYS)
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/customers/{}", "customer_not_found"),
        ("/customers/{}?as_of=2024-03-01T10:00:00Z", "customer_not_found"),
        ("/customers/{}?project=p", "customer_not_found"),
        ("/customers/{}/why?segment=s", "customer_not_found"),
        ("/customers/{}/events", "customer_not_found"),
        ("/segments/{}/members", "group_not_found"),
        ("/tiers/{}/members", "group_not_found"),
        ("/{}", "path_unknown"),
    ],
)
def test_an_impossible_customer_id_in_a_path_is_not_found(
    client: Client, path: str, code: str, text: str
) -> None:
    assert client.get(path.format(text)).refusal == (404, code)


@pytest.mark.parametrize("text", NOBODYS.values(), ids=NOBODYS)
@pytest.mark.parametrize(
    "path",
    [
        "/customers?source_id={}",
        "/customers/cust?project={}",
        "/customers/0/why?segment={}",
        "/customers/0/why?campaign={}",
        "/customers/0/why?not={}",
        "/customers/0/events?project={}",
        "/customers/0/events?after={}",
        "/segments?project={}",
        "/segments/0/members?after={}",
        "/tiers/0/members?project={}",
        "/customers/0?as_of={}",
        "/customers/0?at_position={}",
        "/customers/0?{}=1",
    ],
)
def test_an_impossible_query_parameter_is_refused_or_not_found(
    client: Client, path: str, text: str
) -> None:
    got = client.get(path.format(text))
    if got.status == 200:
        # Nobody has it: so in a list there is nothing.
        assert got.json in ({"segments": []}, {"members": [], "next": None})
    else:
        assert got.status in {400, 404}
        assert got.problem["code"] != "path_unknown"


@pytest.mark.parametrize(
    "path", ["/../app.py", "/..%2Fapp.py", "/%2e%2e/app.py", "/%00", "", "/", "/README%0A", "//etc"]
)
def test_nothing_but_the_pages_files_is_read(client: Client, path: str) -> None:
    assert client.get(f"/docs/static{path}").refusal == (404, "path_unknown")


@pytest.mark.parametrize("word", ["null", "true", "1", "1.0", "NaN", "[]"])
def test_a_project_may_be_called_what_json_would_read_otherwise(client: Client, word: str) -> None:
    mine = created(f"cust_{word}", at=_AT, project_id=word, source_id=word)
    other = created(f"cust_{word}", at=_AT, project_id="other")
    last = client.post("/events", ndjson(mine, other)).json["last_position"]
    path = f"/customers/cust_{word}?project={word}&min_position={last}"
    assert client.get(path).json["project_id"] == word
    assert client.get(f"/customers?source_id={word}").json["project_id"] == word
    assert client.get(f"/customers/{word}?project={word}").status == 404
