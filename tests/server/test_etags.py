"""Who has an answer already need not be sent it again."""

import pytest

from tests.support.given import entered
from tests.support.http_client import Client, Reply
from tests.support.server_process import SECRET

_AT = "2024-03-01T10:00:00Z"


def _enter(client: Client, who: str, segment: str) -> int:
    position: int = client.deliver(entered(who, segment, at=_AT), SECRET).json["position"]
    return position


def _ask(client: Client, who: str, known: str | None = None, min_position: int = 0) -> Reply:
    headers = {} if known is None else {"if_none_match": known}
    return client.get(f"/customers/{who}?min_position={min_position}", **headers)


@pytest.fixture
def who(client: Client, request: pytest.FixtureRequest) -> str:
    """A customer of the test's own, who is in a segment."""
    name = f"cust_{request.node.originalname}_{len(request.node.name)}"
    _ask(client, name, min_position=_enter(client, name, "seg_1"))
    return name


def test_an_answer_that_is_known_is_not_sent_again(client: Client, who: str) -> None:
    first = _ask(client, who)
    again = _ask(client, who, first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert "content-length" not in again.headers
    for name in ("etag", "cache-control", "projector-position", "projector-head"):
        assert again.headers[name] == first.headers[name]
    assert first.headers["cache-control"] == "private, no-cache"


def test_an_event_of_another_customer_changes_the_position_and_not_the_etag(
    client: Client, who: str
) -> None:
    first = _ask(client, who)
    position = _enter(client, f"{who}_else", "seg_1")
    then = _ask(client, who, min_position=position)
    assert then.json["position"] >= position
    assert then.json["position"] > first.json["position"]
    assert then.headers["etag"] == first.headers["etag"]
    again = _ask(client, who, first.headers["etag"])
    assert again.status == 304
    assert int(again.headers["projector-position"]) >= position


def test_a_change_changes_the_tag(client: Client, who: str) -> None:
    first = _ask(client, who)
    position = _enter(client, who, "seg_2")
    then = _ask(client, who, first.headers["etag"], min_position=position)
    assert then.status == 200
    assert then.headers["etag"] != first.headers["etag"]


def test_the_answer_as_of_another_moment_has_another_etag(client: Client, who: str) -> None:
    now = _ask(client, who)
    before = client.get(f"/customers/{who}?as_of=2024-01-01T00:00:00Z")
    assert before.status == 404
    then = client.get(f"/customers/{who}?as_of=2024-04-01T00:00:00Z")
    assert then.json["segments"] == now.json["segments"]
    assert then.headers["etag"] == now.headers["etag"]


KNOWN = {
    "the tag": ("{}", 304),
    "any": ("*", 304),
    "one of several": ('"a", W/"b",{} , "c"', 304),
    "the same as a strong one": ("{strong}", 304),
    "another one": ('"a"', 200),
    "others": ('"a", W/"b"', 200),
    "nothing": ("", 200),
    "a part of it": ('W/"', 200),
    "without quotes": ("{bare}", 200),
}


@pytest.mark.parametrize(("known", "status"), KNOWN.values(), ids=KNOWN)
def test_an_if_none_match_header_may_have_several_forms(
    client: Client, who: str, known: str, status: int
) -> None:
    tag = _ask(client, who).headers["etag"]
    strong = tag.removeprefix("W/")
    assert strong != tag
    said = known.format(tag, strong=strong, bare=strong.strip('"'))
    assert _ask(client, who, said).status == status


def test_head_requests_and_lookups_by_source_id_honour_the_etag(client: Client, who: str) -> None:
    tag = _ask(client, who).headers["etag"]
    assert client.ask("HEAD", f"/customers/{who}", if_none_match=tag).status == 304
    delivery = entered(who, "seg_1", at="2024-03-02T10:00:00Z")
    delivery["data"]["customer"]["source_id"] = f"shop_{who}"
    position = client.deliver(delivery, SECRET).json["position"]
    path = f"/customers?source_id=shop_{who}&min_position={position}"
    found = client.get(path)
    assert client.get(path, if_none_match=found.headers["etag"]).status == 304
    assert _ask(client, who).headers["etag"] == found.headers["etag"]


def test_an_answer_without_an_etag_is_not_cached(client: Client, who: str) -> None:
    got = client.get(f"/customers/{who}/events")
    assert "etag" not in got.headers
    assert got.headers["cache-control"] == "no-store"


def test_a_problem_is_not_cached(client: Client) -> None:
    got = client.get("/customers/nobody", if_none_match="*")
    assert got.refusal == (404, "customer_not_found")
    assert got.headers["cache-control"] == "no-store"
