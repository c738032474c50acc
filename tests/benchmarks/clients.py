"""HTTP clients on kept connections, each of which asks again as soon as it is answered."""

import asyncio
import time
from collections.abc import Callable, Iterator

from attrs import define, field

#: The next request as it goes over the wire; None when there are no more.
Next = Callable[[], bytes | None]

_LENGTH = b"content-length: "


@define
class Load:
    """What a load of requests came to."""

    seconds: float = 0.0
    #: Of each request that was answered with 200, from its first byte to the answer's last.
    latencies: list[float] = field(factory=list)
    #: Answers other than 200.
    refused: int = 0

    @property
    def rate(self) -> float:
        """Requests per second that were answered with 200."""
        return len(self.latencies) / self.seconds


def post(path: str, body: bytes, **headers: str) -> bytes:
    """A POST as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(path: str) -> bytes:
    """A GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


def load(port: int, requests: Iterator[bytes], *, connections: int, rate: float = 0) -> Load:
    """Send requests over so many connections; `rate` bounds them, in requests per second."""
    return asyncio.run(_load(port, requests, connections, rate))


async def _load(port: int, requests: Iterator[bytes], connections: int, rate: float) -> Load:
    done = Load()
    pacer = _Pacer(rate)
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(_Client, "127.0.0.1", port))[1] for _ in range(connections)
    ]
    begun = time.perf_counter()
    await asyncio.gather(*(_drive(client, requests, done, pacer) for client in clients))
    done.seconds = time.perf_counter() - begun
    for client in clients:
        client.close()
    return done


class _Pacer:
    """Lets a request begin every so often, whoever sends it."""

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        if not self._interval:
            return
        now = time.perf_counter()
        mine = max(self._next, now)
        self._next = mine + self._interval
        if mine > now:
            await asyncio.sleep(mine - now)


async def _drive(client: "_Client", requests: Iterator[bytes], done: Load, pacer: _Pacer) -> None:
    for request in requests:
        await pacer.turn()
        begun = time.perf_counter()
        status = await client.ask(request)
        if status == 200:
            done.latencies.append(time.perf_counter() - begun)
        else:
            done.refused += 1


class _Client(asyncio.Protocol):
    """One connection, one request at a time; reads no more of an answer than it must."""

    def __init__(self) -> None:
        self._answer = b""
        self._done: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[int]:
        self._done = asyncio.get_running_loop().create_future()
        self._answer = b""
        assert self._transport is not None
        self._transport.write(request)
        return self._done

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or self._done is None:
            return
        length = int(head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._done.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(0)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()
