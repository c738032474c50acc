"""HTTP as it goes over the wire, written by hand: well-behaved clients use no more than is here."""

import hashlib
import hmac
import json
import socket
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tests.support.given import Delivery

_WAIT_SECONDS_MAX = 60.0
_SECRET = b"secretKey"


@frozen
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is a JSON document."""
        return json.loads(self.body)


def get(path: str) -> bytes:
    """A question."""
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


def post(path: str, body: bytes, **headers: str) -> bytes:
    """A request with a body."""
    return head(path, content_length=str(len(body)), **headers) + body


def head(path: str, **headers: str) -> bytes:
    """What comes before the body of a POST."""
    lines = [f"POST {path} HTTP/1.1", "host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def signature_of(body: bytes) -> str:
    """What the sender of webhooks signs a body with."""
    return hmac.new(_SECRET, body, hashlib.sha256).hexdigest()


def webhook(delivery: Delivery) -> bytes:
    """A delivery as a signed request."""
    body = json.dumps(delivery).encode()
    return post("/webhooks/voucherify", body, x_voucherify_signature=signature_of(body))


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    """A part of a body whose length nobody tells beforehand."""
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


def connect(port: int) -> socket.socket:
    """A connection that does not wait without end."""
    return socket.create_connection(("127.0.0.1", port), timeout=_WAIT_SECONDS_MAX)


def ask(port: int, request: bytes) -> Answer:
    """Send a request on a connection of its own; ConnectionError where there is no answer."""
    with connect(port) as connection:
        connection.sendall(request)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer:
    """The next answer on a connection; ConnectionError where it ends before."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    first, _, rest = data.partition(b"\r\n\r\n")
    line, *lines = first.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (at.partition(":") for at in lines)
    }
    status = int(line.split()[1])
    if status == 100:
        return Answer(status, headers, rest)
    return Answer(status, headers, _body(connection, headers, rest))


def read_bodies(connection: socket.socket, count: int) -> list[Any]:
    """The bodies of so many answers that come one after the other, each a flat JSON object."""
    data = b""
    while data.count(b"}") < count:
        data += _more(connection)
    bodies = [each.partition(b"\r\n\r\n")[2] for each in data.split(b"}")]
    return [json.loads(each + b"}") for each in bodies[:count]]


def is_closed(connection: socket.socket) -> bool:
    """Whether the server ends a connection before a minute is over, whatever it says first."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def _body(connection: socket.socket, headers: Mapping[str, str], data: bytes) -> bytes:
    if "content-length" in headers:
        while len(data) < int(headers["content-length"]):
            data += _more(connection)
        return data
    if headers.get("transfer-encoding") != "chunked":
        while more := connection.recv(65536):
            data += more
        return data
    body = b""
    while True:
        while b"\r\n" not in data:
            data += _more(connection)
        size, _, data = data.partition(b"\r\n")
        while len(data) < int(size, 16) + 2:
            data += _more(connection)
        body, data = body + data[: int(size, 16)], data[int(size, 16) + 2 :]
        if int(size, 16) == 0:
            return body


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the connection ended amid an answer, or before it")
    return data
