"""Who wrote may read what came of it, or is told that it is not there yet."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.concurrency.rebuilds import within
from tests.support.given import entered
from tests.support.http_client import Client, ndjson
from tests.support.server_process import SECRET, Server, serving

_AT = "2024-03-01T10:00:00Z"


def test_after_each_delivery_its_effect_can_be_read(client: Client) -> None:
    for number in range(30):
        got = client.deliver(entered("cust_1", f"seg_{number}", at=_AT), SECRET)
        answer = client.get(f"/customers/cust_1?min_position={got.json['position']}")
        assert len(answer.json["segments"]) == number + 1


QUESTIONS = [
    "/customers/{who}",
    "/customers/{who}/why?segment=seg_1",
    "/customers/{who}/events",
    "/segments",
    "/segments/seg_{who}/members",
    "/tiers",
]


@pytest.mark.parametrize("path", QUESTIONS)
def test_every_question_may_wait(client: Client, path: str) -> None:
    who = f"cust_{QUESTIONS.index(path)}"
    deliveries = [entered(who, segment, at=_AT) for segment in ("seg_1", f"seg_{who}")]
    last = client.post("/events", ndjson(*deliveries)).json["last_position"]
    joiner = "&" if "?" in path else "?"
    got = client.get(f"{path.format(who=who)}{joiner}min_position={last}")
    assert got.status == 200
    assert int(got.headers["projector-position"]) >= last
    assert int(got.headers["projector-head"]) >= last


@pytest.fixture
def idle(sqlite_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server that leaves the tables to somebody else."""
    with serving(tmp_path, sqlite_url, "--no-follower") as server:
        yield server


def test_a_position_that_is_not_reached_in_time_is_refused_with_what_is(idle: Server) -> None:
    idle.client.deliver(entered("cust_1", "seg_1", at=_AT), SECRET)
    assert idle.command("ingest", "-").code == 0
    position = idle.client.deliver(entered("cust_1", "seg_2", at=_AT), SECRET).json["position"]
    begun = time.monotonic()
    got = idle.client.get(f"/customers/cust_1?min_position={position}")
    assert 4 < time.monotonic() - begun < 10
    assert got.refusal == (503, "position_not_reached")
    assert got.headers["retry-after"] == "1"
    assert f"at position {position - 1}, but {position} was requested" in got.problem["detail"]
    # Without it, the answer says how far it is.
    now = idle.client.get("/customers/cust_1")
    assert now.json["position"] == position - 1
    assert now.headers["projector-position"] == str(position - 1)
    assert now.headers["projector-head"] == str(position)


def test_a_waiting_request_is_answered_once_another_process_has_projected(idle: Server) -> None:
    position = idle.client.deliver(entered("cust_1", "seg_1", at=_AT), SECRET).json["position"]
    got = []

    def ask() -> None:
        got.append(idle.client.get(f"/customers/cust_1?min_position={position}"))

    waiting = threading.Thread(target=ask)
    waiting.start()
    assert idle.command("ingest", "-").code == 0
    waiting.join()
    assert got[0].json["position"] == position


def test_requests_are_answered_while_another_one_waits(idle: Server) -> None:
    waiting = [
        threading.Thread(target=idle.client.get, args=("/segments?min_position=999",))
        for _ in range(60)
    ]
    for each in waiting:
        each.start()
    begun = time.monotonic()
    assert idle.client.get("/segments").status == 200
    assert idle.client.deliver(entered("cust_1", "seg_1", at=_AT), SECRET).status == 200
    assert time.monotonic() - begun < 3
    for each in waiting:
        each.join()


def test_a_server_that_leaves_the_tables_to_others_is_ready_only_with_one(idle: Server) -> None:
    within(5, lambda: "first check" not in idle.client.get("/health/ready").body.decode())
    got = idle.client.get("/health/ready")
    assert got.status == 503
    assert (got.json["ready"], got.json["database"], got.json["projector"]) == (False, True, False)
    # It says whose fault that is once it has waited for some seconds.
    assert "heartbeat" in got.json["reason"]
    assert idle.client.get("/health/live").json == {"status": "alive"}
