"""The server as the network sees it, in this process: bytes in, bytes out, no socket."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import h11
import uvicorn
from attrs import define, field
from uvicorn.server import ServerState

from projector.intake.webhook_secrets import WebhookSecret
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.server import positions
from projector.server.connections import HEADERS_BYTES_MAX, BoundedProtocol
from projector.server.context import ServerConfig, ServerContext
from projector.server.problems import RULES, code_of
from projector.server.routes import build
from projector.store.database import Database
from tests.support.databases import migrated
from tests.support.given import append_and_project
from tests.support.http_client import sign
from tests.support.two_projects import STORY

SECRET = "secretKey"
_CODES = {code_of(kind) for kind in RULES}
#: Of an answer: that of 503 only where the server says so by itself.
_STATUSES = {200, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422}
_WAIT_SECONDS_MAX = 20.0


class _Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 80)})
        self.written = bytearray()
        self.closed = asyncio.Event()
        self.told = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        self.told.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()
        self.told.set()

    abort = close

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@define
class Wire:
    """A server that runs while it is asked, and stands still in between."""

    runner: asyncio.Runner
    service: ServerContext
    protocol: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        """How connections are made."""
        config = uvicorn.Config(
            build(self.service),
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=HEADERS_BYTES_MAX,
        )
        config.load()
        self.protocol = lambda loop: BoundedProtocol(config, ServerState(), {}, loop)

    def answer(self, chunks: list[bytes]) -> list[tuple[int, dict[str, str], bytes]]:
        """The answers to what a client sends before it closes its side."""
        return self.runner.run(self._talk(chunks))

    async def _talk(self, chunks: list[bytes]) -> list[tuple[int, dict[str, str], bytes]]:
        transport = _Transport()
        protocol = self.protocol(asyncio.get_running_loop())
        protocol.connection_made(transport)
        for chunk in chunks:
            if not transport.is_closing():
                protocol.data_received(chunk)
        async with asyncio.timeout(_WAIT_SECONDS_MAX):
            while protocol.cycle is not None and not protocol.cycle.response_complete:
                if transport.is_closing() or await self._wants_more(protocol):
                    break
                transport.told.clear()
                await asyncio.wait([asyncio.create_task(transport.told.wait())], timeout=0.01)
        protocol.eof_received()
        protocol.connection_lost(None)
        for task in list(protocol.tasks):
            async with asyncio.timeout(_WAIT_SECONDS_MAX):
                await asyncio.gather(task, return_exceptions=True)
        return _answers(bytes(transport.written))

    async def _wants_more(self, protocol: Any) -> bool:
        """Whether it waits for the rest of a body, which does not come."""
        await asyncio.sleep(0)
        return bool(protocol.conn.their_state is h11.SEND_BODY)


def _answers(written: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """What was written, as a client reads it; it must be HTTP."""
    found = []
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        matched = re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Za-z -]*", status_line)
        assert matched, status_line
        headers = {}
        for line in lines:
            name, separator, value = line.partition(": ")
            assert separator, line
            headers[name.lower()] = value
        status = int(matched[1])
        if status < 200 or status == 304:
            body, written = b"", rest
        elif "content-length" in headers:
            size = int(headers["content-length"])
            body, written = rest[:size], rest[size:]
        elif headers.get("transfer-encoding") == "chunked":
            body, written = _unchunked(rest)
        else:
            body, written = rest, b""
        found.append((status, headers, body))
    return found


def _unchunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while data:
        size_line, _, data = data.partition(b"\r\n")
        size = int(size_line, 16)
        body, data = body + data[:size], data[size + 2 :]
        if not size:
            break
    return body, data


def requests(wire: Wire, data: bytes) -> None:
    """A request, its lines in any form and its body as it is, gets the answer that it must get."""
    head, _, body = data.partition(b"\n\n")
    request = _request(head, body)
    if request is None:
        return
    # One that asks for what the answer was before is told so; so it is asked twice.
    answers = wire.answer([request])
    for status, headers, text in answers:
        _check(status, headers, text)
    if (
        len(answers) == 1
        and "etag" in answers[0][1]
        and head.startswith(b"GET /customers")
        and b"\nif-none-match" not in head.lower()
    ):
        again = _request(head + b"\nif-none-match: " + answers[0][1]["etag"].encode(), body)
        assert again is not None
        assert [each[0] for each in wire.answer([again])] == [304]


def _request(head: bytes, body: bytes) -> bytes | None:
    """The bytes of a request, its length as it is, and signed where it says so."""
    first, *lines = head.split(b"\n")
    kept = []
    for line in lines:
        name, _, value = line.partition(b":")
        if name.strip().lower() in (b"content-length", b"transfer-encoding", b"expect", b"host"):
            continue
        if value.strip() == b"SIGN":
            value = sign(body, SECRET).encode()
        kept.append(name + b":" + value)
    parts = first.split(b" ", 1)
    if len(parts) != 2:
        return None
    length = b"content-length: %d" % len(body)
    line = parts[0] + b" " + parts[1].replace(b" ", b"%20") + b" HTTP/1.1"
    return b"\r\n".join([line, b"host: localhost", *kept, length, b"", body])


def wires(wire: Wire, data: bytes) -> None:
    """Whatever bytes a client sends, and however they are cut: HTTP comes back, or nothing."""
    how, stream = data[:1], data[1:]
    size = 1 + 8 * how[0] if how else 1
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    for status, headers, text in wire.answer(chunks):
        _check(status, headers, text)


def _check(status: int, headers: dict[str, str], text: bytes) -> None:
    """An answer as the document of the server promises it."""
    if status == 100:
        return
    if headers.get("content-type", "") == "text/plain; charset=utf-8" and status == 400:
        # uvicorn's own: what came is no HTTP.
        return
    assert headers["x-request-id"]
    if status < 400:
        assert status in _STATUSES
        if headers.get("content-type") == "application/json" and text:
            _check_document(json.loads(text))
        return
    if status == 503 and headers["content-type"] == "application/json":
        assert json.loads(text or b'{"ready":false}')["ready"] is False
        return
    assert headers["content-type"] == "application/problem+json"
    # To a HEAD there is no body.
    if not text:
        return
    problem = json.loads(text)
    assert problem["status"] == status
    assert problem["code"] in _CODES, problem
    assert status in _STATUSES or problem["code"] in ("position_not_reached", "overloaded"), problem
    assert problem["request_id"] == headers["x-request-id"]


def _check_document(document: Any) -> None:
    if "items" in document and "read" in document:
        outcomes = [each["outcome"] for each in document["items"]]
        names = {
            "appended": "appended",
            "duplicates": "duplicate",
            "conflicts": "conflict",
            "quarantined": "quarantined",
            "suppressed": "suppressed",
        }
        assert document["read"] == len(outcomes)
        for plural, outcome in names.items():
            assert document[plural] == outcomes.count(outcome)


@contextmanager
def running(folder: Path) -> Iterator[Wire]:
    """A server that has a story to tell."""
    with (
        migrated(f"sqlite:///{folder}/projector.db") as database,
        mock.patch.object(positions, "WAIT_SECONDS_MAX", 0.02),
        asyncio.Runner() as runner,
    ):
        append_and_project(database, *STORY)
        yield from _served(database, runner)


def _served(database: Database, runner: asyncio.Runner) -> Iterator[Wire]:
    logging.disable(logging.CRITICAL)
    secrets = [WebhookSecret(project_id=None, text=SECRET)]
    service = ServerContext(database, ServerConfig(secrets=secrets, runs_follower=False))
    context = service.running()
    runner.run(context.__aenter__())
    try:
        yield Wire(runner, service)
    finally:
        runner.run(context.__aexit__(None, None, None))
        logging.disable(logging.NOTSET)
        catch_up(database, discover())
