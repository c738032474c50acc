"""Every error that a request may end with has its rule, and an unforeseen one tells nothing."""

import asyncio
import inspect
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from projector import errors
from projector.errors import ProjectorError
from projector.server import errors as server_errors
from projector.server import problems
from projector.server.endpoints import QUERIES
from projector.server.middleware import Middleware
from projector.server.openapi import document
from projector.server.problems import RULES, code_of, describe, status_of
from tests.support.given import entered
from tests.support.http_client import Client
from tests.support.server_process import SECRET, serving


def _kinds(module: Any) -> list[type[ProjectorError]]:
    return [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, ProjectorError) and each.__module__ == module.__name__
    ]


@pytest.mark.parametrize("kind", _kinds(server_errors))
def test_every_refusal_has_a_rule(kind: type[ProjectorError]) -> None:
    assert kind in RULES


@pytest.mark.parametrize("endpoint", QUERIES, ids=lambda endpoint: endpoint.name)
def test_every_error_that_a_question_names_has_a_rule(endpoint: Any) -> None:
    assert [kind for kind in endpoint.problems if kind not in RULES] == []


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


@pytest.mark.parametrize(
    "operation",
    [operation for _, operation in _operations()],
    ids=[name for name, _ in _operations()],
)
def test_every_answer_of_the_document_is_one_of_the_table(operation: dict[str, Any]) -> None:
    statuses = {str(rule.status) for rule in RULES.values()} | {"200", "202", "304"}
    assert {*operation["responses"]} <= statuses


def test_codes_are_unique() -> None:
    codes = [code_of(kind) for kind in RULES]
    assert len({*codes}) == len(codes)
    assert "internal_error" not in codes
    assert all(code == code.lower() and " " not in code for code in codes)


@pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)
def test_every_problem_says_what_to_do_and_nothing_of_the_command_line(
    kind: type[ProjectorError],
) -> None:
    found = describe(_made(kind), "1")
    assert found.status == RULES[kind].status
    assert 400 <= found.status < 600
    assert found.detail
    assert found.hint or kind is server_errors.ClientGone
    assert "See --help" not in found.hint
    if found.status == 503:
        assert problems.response(_made(kind), "1").headers["retry-after"].isdigit()


def _made(kind: type[ProjectorError]) -> ProjectorError:
    """An error with its details, whatever they are."""

    class Anything(dict[str, object]):
        def __missing__(self, key: str) -> object:
            return "x"

    error = kind.__new__(kind)
    template = inspect.cleandoc(kind.__doc__ or "").replace("!r}", "}").replace(":.2f}", "}")
    Exception.__init__(error, template.format_map(Anything()))
    return error


@pytest.mark.parametrize(
    "kind",
    [errors.DatabaseBusy, errors.DatabaseUnreachable, errors.NotMigrated, errors.RightsMissing],
)
def test_a_database_is_not_named_outside(kind: type[ProjectorError]) -> None:
    details = {"url": "postgresql://u@h/d", "reason": "secret reason", "found": "1", "needed": "2"}
    found = describe(kind(**details), "1")
    assert found.status == 503
    assert "postgresql" not in found.detail + found.hint
    assert "secret reason" not in found.detail + found.hint


def test_an_error_that_has_no_rule_is_an_internal_one() -> None:
    for error in (ValueError("inside"), errors.RowsLost(projection="p", found=1, expected=2)):
        found = describe(error, "1")
        assert (found.status, found.code) == (500, "internal_error")
        assert found.detail == "Internal error."
        assert "log" in found.hint
    assert status_of(KeyError) == 500


def test_a_character_that_cannot_be_encoded_is_replaced() -> None:
    found = describe(server_errors.PathUnknown(path="/\udcff"), "1")
    assert found.detail == "Unknown path: /?"


def _shell(error: Exception, *, begun: bool = False) -> tuple[Middleware, list[tuple[str, int]]]:
    """What surrounds an application that fails."""
    counted: list[tuple[str, int]] = []

    async def fails(_scope: Any, _receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return Middleware(fails, on_answer=lambda name, status: counted.append((name, status))), counted


def _call(shell: Middleware, headers: dict[str, str]) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nobody reads the body")

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(shell(scope, receive, send))
    return sent


def test_an_unexpected_error_is_logged_and_answered_without_details(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shell, counted = _shell(RuntimeError("the inside"))
    with caplog.at_level(logging.INFO):
        start, body = _call(shell, {"x-request-id": "mine-1"})
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert start["status"] == 500
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-request-id"] == "mine-1"
    problem = json.loads(body["body"])
    assert (problem["code"], problem["request_id"]) == ("internal_error", "mine-1")
    assert "inside" not in body["body"].decode()
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "the inside" in caplog.text
    assert counted == [("unknown", 500)]


def test_an_error_that_was_foreseen_needs_no_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shell, _ = _shell(server_errors.Overloaded())
    with caplog.at_level(logging.INFO):
        start, _body = _call(shell, {})
    assert start["status"] == 503
    [record] = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)


def test_half_an_answer_does_not_look_like_a_whole_one() -> None:
    shell, counted = _shell(RuntimeError("late"), begun=True)
    with pytest.raises(RuntimeError, match="late"):
        _call(shell, {})
    assert counted == [("unknown", 200)]


def test_a_server_with_damaged_tables_answers_without_details(
    sqlite_url: str, tmp_path: Path
) -> None:
    with serving(tmp_path, sqlite_url) as server:
        delivery = entered("cust_1", "seg_1", at="2024-03-01T10:00:00Z")
        position = server.client.deliver(delivery, SECRET).json["position"]
        path = "/customers/cust_1"
        assert server.client.get(f"{path}?min_position={position}").status == 200
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
            connection.execute("UPDATE customer SET first_event_at = 'quirk'")
            connection.commit()
        got = server.client.get(path, x_request_id="mine-2")
        # Others are answered.
        assert server.client.get("/health/live").status == 200
    assert got.refusal == (500, "internal_error")
    assert b"quirk" not in got.body
    told = [json.loads(line) for line in server.told.splitlines()[1:]]
    assert [each["level"] for each in told if each.get("request_id") == "mine-2"] == ["error"]


@pytest.mark.parametrize("given", ["abc", "0af7651916cd43dd8448eb211c80319c", "a.b_c-d", "x" * 64])
def test_a_harmless_request_id_is_taken_over(client: Client, given: str) -> None:
    got = client.get("/nothing", x_request_id=given)
    assert got.problem["request_id"] == got.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, '"', "a\xff", "<b>", "a,b", "{}"])
def test_an_unsafe_request_id_is_replaced(client: Client, given: str) -> None:
    got = client.get("/nothing", x_request_id=given)
    assert got.problem["request_id"] == got.headers["x-request-id"]
    assert got.headers["x-request-id"] not in {"", given}


def test_requests_have_ids_of_their_own(client: Client) -> None:
    assert len({client.get("/segments").headers["x-request-id"] for _ in range(10)}) == 10


@pytest.mark.parametrize(
    "path", ["/segments", "/nothing", "/docs/", "/docs/static/docs.js", "/metrics", "/openapi.json"]
)
def test_every_answer_has_the_headers_that_keep_it_safe(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers
