"""The internals of uvicorn that `connections` uses are there, and do what it relies on.

uvicorn documents none of them: an upgrade that drops or changes one fails here, by its name.
"""

import ast
import asyncio
import inspect
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h11
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from projector import server
from projector.server import connections
from projector.server.connections import (
    USED_ATTRIBUTES,
    USED_CYCLE_ATTRIBUTES,
    USED_METHODS,
    BoundedProtocol,
)

_REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
_INVALID = b"\x00\r\n\r\n"

_SERVER_FILES = sorted(Path(str(server.__file__)).parent.glob("*.py"))


class _Transport(asyncio.Transport):
    """A transport that keeps what is written, and whether it was closed or aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended_by: str | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.ended_by is not None

    def close(self) -> None:
        self.ended_by = self.ended_by or "close"

    def abort(self) -> None:
        self.ended_by = self.ended_by or "abort"

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _answers(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def _protocol(kind: type[H11Protocol] = BoundedProtocol, **options: Any) -> Any:
    config = uvicorn.Config(_answers, http=kind, ws="none", log_config=None, **options)
    return kind(config=config, server_state=ServerState(), app_state={})


def _in_loop(story: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await story()

    asyncio.run(run())


async def _until_answered(protocol: Any) -> None:
    async with asyncio.timeout(5):
        while not protocol.cycle.response_complete:
            await asyncio.sleep(0)


@pytest.mark.parametrize("name", USED_METHODS)
def test_uvicorn_has_the_method_with_the_parameters_that_are_used(name: str) -> None:
    parameters = inspect.signature(getattr(H11Protocol, name)).parameters
    assert tuple(parameters) == ("self", *USED_METHODS[name])


@pytest.mark.parametrize("name", USED_ATTRIBUTES)
def test_uvicorn_sets_the_attribute_that_is_used(name: str) -> None:
    async def story() -> None:
        assert name in vars(_protocol(H11Protocol))

    _in_loop(story)


@pytest.mark.parametrize("name", USED_CYCLE_ATTRIBUTES)
def test_uvicorn_sets_the_attribute_of_a_cycle_that_is_used(name: str) -> None:
    async def story() -> None:
        protocol = _protocol(H11Protocol)
        protocol.connection_made(_Transport())
        protocol.data_received(_REQUEST)
        assert isinstance(protocol.cycle, RequestResponseCycle)
        assert name in vars(protocol.cycle)
        await _until_answered(protocol)

    _in_loop(story)


def test_the_attributes_have_the_values_that_are_relied_on() -> None:
    async def story() -> None:
        protocol, transport = _protocol(H11Protocol, limit_concurrency=7), _Transport()
        assert vars(protocol)["cycle"] is None
        assert protocol.limit_concurrency == 7
        assert protocol.loop is asyncio.get_running_loop()
        assert isinstance(protocol.conn, h11.Connection)
        assert protocol.connections is protocol.server_state.connections
        protocol.connection_made(transport)
        assert protocol.transport is transport
        assert protocol in protocol.connections
        protocol.data_received(_REQUEST)
        cycle = protocol.cycle
        assert isinstance(cycle.message_event, asyncio.Event)
        assert (cycle.response_complete, cycle.disconnected) == (False, False)
        await _until_answered(protocol)
        assert transport.written.startswith(b"HTTP/1.1 204")
        protocol.connection_lost(None)
        assert protocol not in protocol.connections

    _in_loop(story)


def test_a_disconnected_cycle_answers_nothing_and_its_event_ends_the_wait() -> None:
    async def story() -> None:
        protocol, transport = _protocol(H11Protocol), _Transport()
        protocol.connection_made(transport)
        protocol.data_received(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\n")
        protocol.cycle.disconnected = True
        protocol.cycle.message_event.set()
        async with asyncio.timeout(5):
            assert await protocol.cycle.receive() == {"type": "http.disconnect"}
        await protocol.cycle.send({"type": "http.response.start", "status": 200, "headers": []})
        assert transport.written == b""

    _in_loop(story)


def test_the_keep_alive_timer_starts_with_an_answer_and_is_cancelled_by_the_private_method() -> (
    None
):
    async def story() -> None:
        protocol = _protocol(H11Protocol)
        protocol.connection_made(_Transport())
        protocol.data_received(_REQUEST)
        await _until_answered(protocol)
        timer = protocol.timeout_keep_alive_task
        assert not timer.cancelled()
        protocol._unset_keepalive_if_required()
        assert timer.cancelled()

    _in_loop(story)


def test_uvicorn_calls_the_methods_that_are_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for name in ("send_400_response", "on_response_complete"):
        original = getattr(H11Protocol, name)

        def record(
            self: Any, *arguments: Any, _name: str = name, _original: Any = original
        ) -> None:
            called.append(_name)
            _original(self, *arguments)

        monkeypatch.setattr(H11Protocol, name, record)

    async def story() -> None:
        protocol, transport = _protocol(H11Protocol), _Transport()
        protocol.connection_made(transport)
        protocol.data_received(_REQUEST)
        await _until_answered(protocol)
        assert called == ["on_response_complete"]
        protocol.data_received(_INVALID)
        assert called == ["on_response_complete", "send_400_response"]
        assert transport.ended_by == "close"

    _in_loop(story)


def test_a_server_that_stops_shuts_its_connections_down() -> None:
    assert "connection.shutdown()" in inspect.getsource(uvicorn.Server.shutdown)


def test_a_server_handles_signals_by_the_method_that_is_overridden() -> None:
    assert tuple(inspect.signature(uvicorn.Server.handle_exit).parameters) == (
        "self",
        "sig",
        "frame",
    )
    instance = uvicorn.Server(uvicorn.Config(_answers, log_config=None))
    before = signal.getsignal(signal.SIGTERM)
    with instance.capture_signals():
        assert signal.getsignal(signal.SIGTERM) == instance.handle_exit
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_bounded_protocol_hides_nothing_of_uvicorn() -> None:
    """A new method of uvicorn's must not be replaced by one of ours with the same name."""

    async def story() -> None:
        theirs = {*dir(_protocol(H11Protocol))}
        ours = {*vars(BoundedProtocol), *vars(_protocol())} - {*vars(_protocol(H11Protocol))}
        names = {name for name in ours if not name.startswith("__")}
        assert names & theirs == {*USED_METHODS} - {"_unset_keepalive_if_required"}

    _in_loop(story)


def test_connections_uses_nothing_of_uvicorn_that_is_not_listed() -> None:
    async def story() -> None:
        theirs = {*dir(_protocol(H11Protocol))}
        used = {name for name in _names_on_self(connections) if name in theirs}
        assert used | {*USED_METHODS} == {*USED_ATTRIBUTES, *USED_METHODS}

    _in_loop(story)


def _names_on_self(module: ModuleType) -> set[str]:
    return {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


@pytest.mark.parametrize("path", _SERVER_FILES, ids=lambda path: path.stem)
def test_no_other_private_attribute_of_a_library_is_used(path: Path) -> None:
    """Every `._name` belongs to the module's own classes, or is watched above."""
    nodes = [*ast.walk(ast.parse(path.read_text("utf-8")))]
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    own |= {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    private = {each.attr for each in attributes if _is_private(each.attr)}
    imported = {
        part
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (getattr(node, "module", None), *(each.name for each in node.names))
        for part in (name or "").split(".")
        if _is_private(part)
    }
    watched = {"_unset_keepalive_if_required"} if path.stem == "connections" else set()
    assert (private - own) | imported == watched


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
