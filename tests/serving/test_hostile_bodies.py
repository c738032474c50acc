"""Bodies that unpack to a thousand times their size, and answers that nobody reads."""

import gzip
import json
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.serving.conftest import Served
from tests.serving.servers import LONG, Serving, problem
from tests.serving.talking import ask, chunk, connect, get, head, is_closed, post, read_answer
from tests.support.given import created, entered
from tests.support.items import read_log

#: What a server with an empty database and no hostile client ever had, and a lot more.
_MEMORY_BYTES_MAX = 300 * 1024 * 1024

_MB = 1024 * 1024


@pytest.fixture(autouse=True)
def _remains_well(server: Serving) -> Iterator[None]:
    """After each of them the server lives, with little memory, and was surprised by nothing."""
    before = len(server.tracebacks())
    yield
    assert server.get("/health/live").status == 200
    assert server.memory_peak_bytes() < _MEMORY_BYTES_MAX
    assert server.tracebacks()[before:] == []


def _packed(unpacked: bytes) -> bytes:
    return post("/events", gzip.compress(unpacked), content_encoding="gzip")


def _while_served(server: Serving, served: Served, request: bytes) -> tuple[int, str]:
    """What comes of a request while others are served."""
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask(server.port, request)))
    asking.start()
    served()
    while asking.is_alive():
        served()
        time.sleep(0.05)
    asking.join()
    return answers[0].status, answers[0].body.decode()


@pytest.mark.parametrize("filling", [b"\n", b"[", b'"'], ids=["lines", "brackets", "text"])
def test_a_gzip_bomb_takes_little_memory(server: Serving, served: Served, filling: bytes) -> None:
    """50 KB that are 50 MB."""
    status, _ = _while_served(server, served, _packed(filling * 50 * _MB))
    assert status == 200


def test_zeros_without_end_are_put_aside_in_parts(server: Serving, served: Served) -> None:
    packer = zlib.compressobj(9, wbits=31)
    member = b"".join(packer.compress(bytes(_MB)) for _ in range(12)) + packer.flush()
    body = member * 3
    status, told = _while_served(server, served, post("/events", body, content_encoding="gzip"))
    assert status == 200
    assert json.loads(told)["quarantined"] == json.loads(told)["read"] > 0


def test_a_body_compressed_twice_is_refused(server: Serving) -> None:
    twice = gzip.compress(gzip.compress(bytes(10 * _MB)))
    for headers in ({"content_encoding": "gzip"}, {}):
        told = ask(server.port, post("/events", twice, **headers))
        assert problem(told) == (415, "format_unreadable")


@pytest.mark.parametrize("path", ["/webhooks/voucherify", "/events"])
def test_empty_gzip_members_without_end_keep_no_other_request_waiting(
    server: Serving, served: Served, path: str
) -> None:
    body = (gzip.compress(b"") * 60_000)[: _MB - 100]
    status, _ = _while_served(server, served, post(path, body, content_encoding="gzip"))
    # The last one is cut off.
    assert status == 400


def test_an_event_behind_a_hundred_thousand_empty_members_is_found(
    server: Serving, served: Served, database: Database
) -> None:
    event = json.dumps(created("cust_3", at="2024-03-04T10:00:00Z", id="behind them")).encode()
    body = gzip.compress(b"") * 100_000 + gzip.compress(event)
    status, told = _while_served(server, served, post("/events", body, content_encoding="gzip"))
    assert (status, json.loads(told)["appended"]) == (200, 1)
    assert "behind them" in [each.event_id for each in read_log(database)]


@pytest.mark.parametrize(
    "body",
    [gzip.compress(b"{}")[:-4], b"no gzip", gzip.compress(b"{}") + b"more", b"\x1f\x8b"],
    ids=["without its end", "none", "with more", "two bytes"],
)
def test_broken_gzip_is_refused(server: Serving, body: bytes) -> None:
    told = ask(server.port, post("/events", body, content_encoding="gzip"))
    assert problem(told) == (400, "file_corrupt")


def test_events_that_come_slowly_and_without_end_are_kept_as_they_come(
    server: Serving, served: Served, database: Database
) -> None:
    events = [created("cust_4", at="2024-03-04T10:00:00Z", id=f"slow {n}") for n in range(1_500)]
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in events)
    with connect(server.port) as connection:
        connection.sendall(head("/events", transfer_encoding="chunked"))
        connection.sendall(chunk(lines))
        within(LONG, lambda: "slow 999" in [each.event_id for each in read_log(database)])
        served()
        assert problem(read_answer(connection)) == (408, "body_too_slow")
    again = ask(server.port, post("/events", lines)).json
    assert (again["read"], again["duplicates"] + again["appended"]) == (1_500, 1_500)
    assert again["duplicates"] >= 1_000


def test_more_bodies_at_once_than_there_is_room_for_are_refused(
    server: Serving, served: Served
) -> None:
    open_ = [connect(server.port) for _ in range(6)]
    for each in open_:
        each.sendall(head("/events", transfer_encoding="chunked") + chunk(b"\n"))
    served()
    told = [problem(read_answer(each)) for each in open_]
    assert set(told) == {(408, "body_too_slow"), (503, "overloaded")}
    for each in open_:
        each.close()
    # There is room again.
    assert ask(server.port, post("/events", b"")).status == 200


@pytest.fixture(scope="module")
def large(server: Serving) -> bytes:
    """A question with an answer of some megabytes."""
    name = "n" * 100_000
    events = [
        entered("cust_large", {"id": f"seg_{n}", "name": name}, at="2024-03-04T10:00:00Z")
        for n in range(60)
    ]
    told = ask(server.port, post("/events", json.dumps(events).encode())).json
    assert told["appended"] == 60
    question = f"/customers/cust_large?min_position={told['last_position']}"
    within(LONG, lambda: server.get(question).status == 200)
    assert len(server.get(question).body) > 5_000_000
    return get("/customers/cust_large")


def test_a_client_that_does_not_read_a_long_answer_is_disconnected(
    server: Serving, served: Served, large: bytes
) -> None:
    unread = [connect(server.port) for _ in range(8)]
    for each in unread:
        each.sendall(large)
    within(LONG, lambda: len(_connections(server)) >= 8)
    served()
    within(LONG, lambda: not _connections(server))
    for each in unread:
        each.close()


def test_a_client_that_reads_none_of_many_answers_is_disconnected(
    server: Serving, served: Served
) -> None:
    with connect(server.port) as connection:
        connection.settimeout(0.5)
        # Until its system takes no more.
        with suppress(TimeoutError, ConnectionError):
            while True:
                connection.sendall(get("/health/live") * 1_000)
        served()
        within(LONG, lambda: not _connections(server))


def test_a_slow_reader_gets_its_whole_answer(server: Serving, large: bytes) -> None:
    with connect(server.port) as connection:
        connection.sendall(large)
        time.sleep(0.3)
        assert len(read_answer(connection).json["segments"]) == 60
        assert is_closed(connection)


def _connections(server: Serving) -> list[str]:
    """The connections that the server has not ended, as Linux lists them."""
    port = f":{server.port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return [each for each in lines if each.split()[1].endswith(port) and each.split()[3] == "01"]
