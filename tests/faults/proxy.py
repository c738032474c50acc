"""A connection to Postgres that can be cut: between any two messages, or in the middle of one."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from attrs import define, field, frozen

_LENGTH_BYTES = 4
_READ_BYTES = 65_536
#: To close with it is to break the connection, without a farewell.
_AT_ONCE = struct.pack("ii", 1, 0)


@frozen
class Cut:
    """The message at which to cut: whose it is, its type, and what is in it."""

    by_client: bool
    kinds: bytes
    word: bytes
    #: Half of it gets through, or else nothing.
    half: bool = False

    def is_at(self, by_client: bool, message: bytes) -> bool:
        """Whether that is the message."""
        return (
            by_client == self.by_client and message[:1] in self.kinds and self.word in message[5:]
        )


@define(eq=False)
class Proxy:
    """Between a program and a server, on a port of its own."""

    _server: tuple[str, int]
    _listener: socket.socket = field(factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _lines: list[socket.socket] = field(factory=list)
    _threads: list[threading.Thread] = field(factory=list)
    _cut: Cut | None = None
    #: How many connections were cut.
    cuts: int = 0

    @property
    def port(self) -> int:
        """Where the program finds it."""
        port: int = self._listener.getsockname()[1]
        return port

    def cut_at(self, cut: Cut) -> None:
        """Cut all connections when a message comes by."""
        self._cut = cut

    def cut_now(self) -> None:
        """Cut all connections; new ones are let through."""
        lines, self._lines = self._lines, []
        for line in lines:
            self.cuts += 1
            with suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                line.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Take connections until it is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._server)
                except OSError:
                    client.close()
                    continue
                for each in (client, server):
                    # Or many a message would wait for the one before it to be acknowledged.
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._lines += [client, server]
                for ends in ((client, server, True), (server, client, False)):
                    pump = threading.Thread(target=self._pump, args=ends, daemon=True)
                    self._threads.append(pump)
                    pump.start()

    def close(self) -> None:
        """Take no more connections, and end those that are there."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_now()
        for pump in self._threads:
            pump.join()

    def _pump(self, source: socket.socket, target: socket.socket, by_client: bool) -> None:
        """Pass messages on."""
        try:
            for messages in _messages(source, is_greeted=not by_client):
                for at, message in enumerate(messages):
                    if self._cut is not None and self._cut.is_at(by_client, message):
                        half = message[: len(message) // 2] if self._cut.half else b""
                        self._cut = None
                        target.sendall(b"".join([*messages[:at], half]))
                        self.cut_now()
                        return
                target.sendall(b"".join(messages))
        except OSError:
            pass
        finally:
            # The other end is closed by the other thread, which this wakes.
            with suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)
            source.close()


def _messages(source: socket.socket, *, is_greeted: bool) -> Iterator[list[bytes]]:
    """Whole messages as they come: a type, which a client's first one lacks, length, and body."""
    buffer = b""
    while more := source.recv(_READ_BYTES):
        buffer += more
        at, found = 0, []
        while len(buffer) >= (start := at + is_greeted) + _LENGTH_BYTES:
            end = start + int.from_bytes(buffer[start : start + _LENGTH_BYTES], "big")
            if len(buffer) < end:
                break
            found.append(buffer[at:end])
            at, is_greeted = end, True
        buffer = buffer[at:]
        if found:
            yield found


@contextmanager
def proxied(host: str, port: int) -> Iterator[Proxy]:
    """A proxy before a server, until the block ends."""
    proxy = Proxy((host, port))
    threading.Thread(target=proxy.run, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
