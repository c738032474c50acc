"""The client against a real server on the loopback interface that misbehaves."""

import json
import socket
import time
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from projector.errors import (
    VoucherifyRefused,
    VoucherifyRejected,
    VoucherifyUnexpected,
)
from projector.voucherify import client as client_module
from projector.voucherify.address import parse_url
from projector.voucherify.client import Client, RequestFailed
from projector.voucherify.credentials import Credentials
from projector.voucherify.manners import StopReason
from projector.voucherify.pace import Pace, RunStopped
from tests.support.programs import free_port
from tests.support.voucherify_api import APP_ID, APP_TOKEN, Reply, VoucherifyApi, voucherify_api

pytestmark = pytest.mark.external

_PATH = "/v1/customers/cust_1/activity"
_QUERY = {"limit": "100"}


@pytest.fixture
def api() -> Iterator[VoucherifyApi]:
    with voucherify_api() as found:
        found.add("cust_1")
        yield found


@pytest.fixture(autouse=True)
def _no_waits_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)


def _client(url: str, *, token: str = APP_TOKEN, requests_max: int = 1000) -> Client:
    pace = Pace(per_minute=100_000, requests_max=requests_max, stop=Event())
    given = Credentials(project_id=None, app_id=APP_ID, app_token=token)
    return Client(parse_url(url), given, pace, reserve_percent=30, connections_max=2)


def test_an_answer_has_a_body_and_the_times_of_both_clocks(api: VoucherifyApi) -> None:
    api.replies = [Reply(clock=3600)]
    answer = _client(api.url).get(_PATH, {**_QUERY, "type": "a b&c=\u00e9/.."})
    assert (answer.is_found, json.loads(answer.body)["data"]) == (True, [])
    [request] = api.requests
    assert request.query["type"] == "a b&c=\u00e9/.."
    assert request.headers["x-app-id"] == APP_ID
    assert answer.date is not None
    assert 3590 < (answer.date - answer.sent_at).total_seconds() < 3610
    assert answer.sent_at <= answer.answered_at


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(status=429, headers={"Retry-After": "0.2"})],
        [Reply(status=429, headers={"X-Rate-Limit-Retry": "0.2"}, clock=None)],
        [Reply(status=429), Reply(status=429, body=b"")],
        [Reply(status=500, body=b"<html>"), Reply(status=503, headers={"Retry-After": "0"})],
        [Reply(breaks=True), Reply(status=408)],
        [Reply(headers={"Content-Encoding": "gzip"}, body=b"no gzip")],
    ],
    ids=["Retry-After", "X-Rate-Limit-Retry", "no header", "faults", "broken off", "no gzip"],
)
def test_a_request_is_repeated_until_it_is_answered(
    api: VoucherifyApi, replies: list[Reply]
) -> None:
    api.replies = list(replies)
    assert _client(api.url).get(_PATH, _QUERY).is_found
    assert len(api.requests) == len(replies) + 1


def test_a_clock_that_is_an_hour_behind_does_not_prolong_a_wait(api: VoucherifyApi) -> None:
    at = int(time.time()) + 3600
    api.replies = [Reply(status=429, headers={"X-Rate-Limit-Retry": str(at + 1)}, clock=3600)]
    assert _client(api.url).get(_PATH, _QUERY).is_found


def test_after_429_no_thread_asks_until_it_may(api: VoucherifyApi) -> None:
    client = _client(api.url)
    api.replies = [Reply(status=429, headers={"Retry-After": "0.4"})]
    threads = [Thread(target=client.get, args=(_PATH, _QUERY)) for _ in range(2)]
    threads[0].start()
    while not client.pace.held_seconds:
        threads[0].join(0.001)
    threads[1].start()
    for each in threads:
        each.join()
    first, *others = [each.at for each in api.requests]
    assert len(others) == 2
    assert min(others) - first >= 0.39


def test_the_reserve_is_left_to_others_after_the_answer_was_used(api: VoucherifyApi) -> None:
    few = {"X-Rate-Limit-Limit": "100", "X-Rate-Limit-Remaining": "29"}
    for headers, reason in (
        ({**few, "X-Rate-Limit-Type": "api_calls_cycle"}, StopReason.CYCLE_QUOTA),
        ({**few, "Retry-After": "3600"}, StopReason.RATE_LIMIT),
    ):
        client = _client(api.url)
        api.replies = [Reply(headers=headers)]
        assert client.get(_PATH, _QUERY).is_found
        before = len(api.requests)
        with pytest.raises(RunStopped) as caught:
            client.get(_PATH, _QUERY)
        assert (caught.value.reason, len(api.requests)) == (reason, before)


def test_the_budget_counts_every_try(api: VoucherifyApi) -> None:
    api.replies, api.repeats = [Reply(status=500)], True
    with pytest.raises(RunStopped) as caught:
        _client(api.url, requests_max=3).get(_PATH, _QUERY)
    assert (caught.value.reason, len(api.requests)) == (StopReason.BUDGET, 3)


def test_a_server_that_never_answers_well_is_given_up(api: VoucherifyApi) -> None:
    for reply, reason in (
        (Reply(status=502, body=b'{"message":"upstream"}'), "it answers with 502, upstream"),
        (Reply(breaks=True), "the connection broke"),
    ):
        api.requests.clear()
        api.replies, api.repeats = [reply], True
        with pytest.raises(RequestFailed, match=reason) as caught:
            _client(api.url).get(_PATH, _QUERY)
        assert (caught.value.has_connected, len(api.requests)) == (True, 5)


def test_a_server_that_is_not_there_is_given_up() -> None:
    with pytest.raises(RequestFailed, match=r"accepts no connection: .*refused") as caught:
        _client(f"http://127.0.0.1:{free_port()}").get(_PATH, _QUERY)
    assert not caught.value.has_connected


def test_more_failures_than_connections_use_none_up(api: VoucherifyApi) -> None:
    client = _client(api.url)
    api.replies = [Reply(breaks=True)] * 4
    assert client.get(_PATH, _QUERY).is_found
    assert client.get(_PATH, _QUERY).is_found


def test_a_slow_answer_is_read_and_an_endless_one_is_not(
    api: VoucherifyApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.replies = [Reply(drips=(0.05,) * 5)]
    assert _client(api.url).get(_PATH, _QUERY).is_found
    monkeypatch.setattr(client_module, "_ANSWER_SECONDS_MAX", 0.1)
    api.replies = [Reply(drips=(0.05,) * 20)]
    with pytest.raises(RequestFailed, match="does not end"):
        _client(api.url).get(_PATH, _QUERY)
    monkeypatch.undo()
    monkeypatch.setattr(client_module, "_READ_SECONDS_MAX", 0.1)
    api.replies = [Reply(drips=(0.5,))]
    assert _client(api.url).get(_PATH, _QUERY).is_found
    assert len(api.requests) == 4


@pytest.mark.timeout(30)
def test_a_body_that_is_too_long_is_not_asked_for_again(
    api: VoucherifyApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "BODY_BYTES_MAX", 1000)
    api.replies = [*[Reply(body=b"x" * 300_000)] * 3, Reply(body=b"x" * 1000)]
    client = _client(api.url)
    # More often than there are connections: none must get lost.
    for _ in range(3):
        with pytest.raises(RequestFailed, match="more than 1,000 bytes"):
            client.get(_PATH, _QUERY)
    assert len(client.get(_PATH, _QUERY).body) == 1000


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(api: VoucherifyApi, status: int) -> None:
    with voucherify_api() as other:
        api.replies = [Reply(status=status, headers={"Location": f"{other.url}{_PATH}"})]
        with pytest.raises(VoucherifyUnexpected, match=str(status)):
            _client(api.url).get(_PATH, _QUERY)
        assert (len(api.requests), other.requests) == (1, [])


def test_refused_credentials_end_it_and_are_not_shown(api: VoucherifyApi) -> None:
    with pytest.raises(VoucherifyRefused, match="401, Unauthorized"):
        _client(api.url, token="another").get(_PATH, _QUERY)
    # Some servers repeat what they refuse.
    echo = json.dumps({"message": f"{APP_TOKEN} and {APP_ID} are wrong"}).encode()
    for status, error in ((403, VoucherifyRefused), (422, VoucherifyRejected)):
        api.replies = [Reply(status=status, body=echo)]
        with pytest.raises(error, match=r"\*\*\* and \*\*\* are wrong") as caught:
            _client(api.url).get(_PATH, _QUERY)
        assert APP_TOKEN not in str(caught.value)


def test_a_server_without_tls_is_not_told_the_credentials() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard: list[bytes] = []

        def listen() -> None:
            for _ in range(5):
                connection, _ = server.accept()
                with connection:
                    heard.append(connection.recv(1000))
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        thread = Thread(target=listen)
        thread.start()
        with pytest.raises(RequestFailed, match="TLS failed"):
            _client(f"https://127.0.0.1:{server.getsockname()[1]}").get(_PATH, _QUERY)
        thread.join()
    assert heard
    assert all(APP_TOKEN.encode() not in each for each in heard)
