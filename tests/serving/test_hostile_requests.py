"""Requests that are slow, huge, broken or never whole: they end, and others are served."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.serving.conftest import Served
from tests.serving.servers import LONG, Serving, problem
from tests.serving.talking import (
    ask,
    chunk,
    connect,
    get,
    head,
    is_closed,
    read_answer,
    read_bodies,
    signature_of,
    webhook,
)
from tests.support.given import created
from tests.support.items import read_log

#: What a server with an empty database and no hostile client ever had, and a lot more.
_MEMORY_BYTES_MAX = 300 * 1024 * 1024

_HOOK = "/webhooks/voucherify"
_LINE = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(autouse=True)
def _remains_well(server: Serving) -> Iterator[None]:
    """After each of them the server lives, with little memory, and was surprised by nothing."""
    before = len(server.tracebacks())
    yield
    assert server.get("/health/live").status == 200
    assert server.memory_peak_bytes() < _MEMORY_BYTES_MAX
    assert server.tracebacks()[before:] == []


def _created(event_id: str) -> bytes:
    return webhook(created("cust_2", at="2024-03-04T10:00:00Z", id=event_id))


def _ids(database: Database) -> list[str]:
    return [each.event_id for each in read_log(database)]


def test_a_request_whose_headers_do_not_come_is_not_waited_for(
    server: Serving, served: Served
) -> None:
    with ExitStack() as stack:
        slow = []
        for begun in (b"", _LINE, _LINE + b"x-long: "):
            slow.append(stack.enter_context(connect(server.port)))
            slow[-1].sendall(begun)
        served()
        assert all(is_closed(each) for each in slow)


def test_headers_that_come_byte_by_byte_have_no_more_time_than_others(
    server: Serving, served: Served
) -> None:
    with connect(server.port) as connection:
        connection.settimeout(0.1)
        connection.sendall(_LINE + b"x-slow: ")
        served()
        within(LONG, lambda: _has_ended(connection, b"a"))


def test_the_second_request_on_a_connection_has_a_deadline_too(
    server: Serving, served: Served
) -> None:
    with connect(server.port) as connection:
        connection.sendall(get("/health/live"))
        assert read_answer(connection).status == 200
        connection.sendall(_LINE)
        served()
        assert is_closed(connection)


def test_a_connection_that_is_kept_for_nothing_ends(server: Serving) -> None:
    with connect(server.port) as connection:
        connection.sendall(get("/health/live"))
        assert read_answer(connection).status == 200
        assert is_closed(connection)


@pytest.mark.parametrize(
    "request_",
    [
        _LINE + b"x-long: " + b"a" * 1_000_000,
        _LINE + b"x-long: " + b"a" * 100_000 + b"\r\n\r\n",
        _LINE + b"".join(b"x-%d: a\r\n" % number for number in range(10_000)) + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03" + bytes(range(240)),
        b"\x00\xff" * 5_000,
        b"GET / HTCPCP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost localhost\r\n\r\n",
        head(_HOOK, content_length="4")[:-2] + b"content-length: 5\r\n\r\nabcde",
        head(_HOOK, content_length="-1"),
        head(_HOOK, content_length="9" * 5_000),
        head(_HOOK, transfer_encoding="chunked") + b"zz\r\n\r\n",
        head(_HOOK, transfer_encoding="chunked") + b"f" * 30 + b"\r\n",
        head(_HOOK, transfer_encoding="chunked") + b"4\r\nabcdefgh\r\n",
        head(_HOOK, transfer_encoding="chunked") + b"5;" + b"e" * 3_000_000,
    ],
    ids=[
        "a header of a megabyte",
        "a long header that ends",
        "ten thousand headers",
        "a long line",
        "TLS",
        "garbage",
        "another protocol",
        "a header without a colon",
        "two lengths",
        "a negative length",
        "a long length",
        "a chunk of no size",
        "a chunk of a huge size",
        "a chunk that is longer than it says",
        "a long chunk extension",
    ],
)
def test_a_malformed_request_is_refused_and_the_connection_closed(
    server: Serving, served: Served, request_: bytes
) -> None:
    with connect(server.port) as connection:
        try:
            connection.sendall(request_)
            assert read_answer(connection).status in (400, 413, 431)
        except ConnectionError:
            # It need not read what it refuses; then its answer may be lost.
            assert len(request_) > 32_000
        served()
        assert is_closed(connection)


def test_a_request_with_an_ambiguous_length_is_refused_and_the_connection_closed(
    server: Serving, database: Database
) -> None:
    with connect(server.port) as connection:
        smuggled = _created("smuggled")
        connection.sendall(
            head(_HOOK, content_length="5", transfer_encoding="chunked") + b"0\r\n\r\n" + smuggled
        )
        assert problem(read_answer(connection)) == (400, "bad_header")
        assert is_closed(connection)
    assert "smuggled" not in _ids(database)


def test_what_is_broken_after_an_early_answer_changes_nothing_for_others(
    server: Serving, served: Served
) -> None:
    with connect(server.port) as connection:
        connection.sendall(head("/nowhere", transfer_encoding="chunked"))
        assert problem(read_answer(connection)) == (404, "path_unknown")
        connection.sendall(b"zz\r\n\r\n")
        assert is_closed(connection)
    served()


@pytest.mark.parametrize("path", [_HOOK, "/nowhere", "/customers:batch"])
def test_a_body_that_never_ends_is_cut_off(server: Serving, served: Served, path: str) -> None:
    with connect(server.port) as connection:
        connection.settimeout(0.1)
        connection.sendall(head(path, transfer_encoding="chunked"))
        served()
        within(LONG, lambda: _has_ended(connection, chunk(bytes(1_000_000))))
    served()


def _has_ended(connection: socket.socket, more: bytes) -> bool:
    """Whether the server has ended a connection on which more is sent."""
    try:
        connection.sendall(more)
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_body_that_is_too_long_is_refused_as_soon_as_that_is_known(server: Serving) -> None:
    told = ask(server.port, head(_HOOK, content_length="1" + "0" * 12))
    assert problem(told) == (413, "body_too_large")
    with connect(server.port) as connection:
        connection.sendall(head(_HOOK, transfer_encoding="chunked") + chunk(bytes(1_048_577)))
        assert problem(read_answer(connection)) == (413, "body_too_large")


def test_a_body_that_stops_half_way_is_waited_for_a_while(server: Serving, served: Served) -> None:
    with ExitStack() as stack:
        slow = []
        for path in (_HOOK, "/events", "/customers:batch"):
            for body in (b"", b'{"id":'):
                slow.append(stack.enter_context(connect(server.port)))
                slow[-1].sendall(head(path, content_length="40") + body)
        served()
        for each in slow:
            assert problem(read_answer(each)) == (408, "body_too_slow")
        assert all(is_closed(each) for each in slow)


def test_many_idle_connections_do_not_block_others(server: Serving, served: Served) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(server.port)) for _ in range(300)]
        served()
        assert all(is_closed(each) for each in idle)


def test_many_long_bodies_that_stop_half_way_shut_out_no_webhook(
    server: Serving, served: Served
) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server.port)) for _ in range(100)]
        for each in slow:
            each.sendall(head(_HOOK, content_length="1000000") + bytes(900_000))
        served()
        codes = {problem(read_answer(each)) for each in slow}
    assert codes == {(408, "body_too_slow"), (503, "overloaded")}


def test_requests_that_come_before_the_answers_are_answered_in_their_order(
    server: Serving, database: Database
) -> None:
    requests = [_created(f"pipelined {number}") for number in range(200)]
    with connect(server.port) as connection:
        connection.sendall(b"".join(requests))
        answers = read_bodies(connection, len(requests))
    assert {each["outcome"] for each in answers} == {"appended"}
    first = answers[0]["position"]
    assert [each["position"] for each in answers] == list(range(first, first + 200))
    assert _ids(database)[first - 1 : first + 199] == [f"pipelined {each}" for each in range(200)]


def test_expect_100_continue_is_answered(server: Serving) -> None:
    body = b'{"id":"whs_1"}'
    signed = signature_of(body)
    with connect(server.port) as connection:
        headers = {"expect": "100-continue", "x_voucherify_signature": signed}
        connection.sendall(head(_HOOK, content_length=str(len(body)), **headers))
        assert read_answer(connection).status == 100
        connection.sendall(body)
        answer = read_answer(connection)
    assert (answer.status, answer.json["outcome"]) == (200, "quarantined")


def test_expect_100_continue_with_too_long_a_body_is_refused_at_once(server: Serving) -> None:
    told = ask(server.port, head(_HOOK, content_length="9999999", expect="100-continue"))
    assert problem(told) == (413, "body_too_large")


def test_an_old_client_is_answered_and_its_connection_ends(server: Serving) -> None:
    with connect(server.port) as connection:
        connection.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
        assert read_answer(connection).json == {"status": "alive"}
        assert is_closed(connection)


def test_a_client_that_disconnects_during_a_body_leaves_nothing(
    server: Serving, served: Served, database: Database
) -> None:
    request = _created("half of it came")
    with connect(server.port) as connection:
        connection.sendall(request[:-10])
    served()
    assert "half of it came" not in _ids(database)


def test_a_client_that_disconnects_before_the_answer_has_delivered_all_or_nothing(
    server: Serving, served: Served, database: Database
) -> None:
    names = [f"gone {number}" for number in range(50)]
    for name in names:
        with connect(server.port) as connection:
            connection.sendall(_created(name))
    served()
    kept = [each for each in _ids(database) if each.startswith("gone ")]
    assert len(set(kept)) == len(kept)
    again = [ask(server.port, _created(name)).json["outcome"] for name in names]
    assert again == ["duplicate" if name in kept else "appended" for name in names]
