"""A client that sends exactly what it is told, and what it got back."""

import hashlib
import hmac
import http.client
import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from tests.support.given import Delivery

#: The header that a delivery is signed in.
SIGNATURE = "x-voucherify-signature"

_SECONDS_MAX = 30

Body = bytes | Iterable[bytes] | None


@frozen
class Reply:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The JSON document that the answer is."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)

    @property
    def problem(self) -> Any:
        """The problem that the answer is; it has all of its keys, and tells nothing of the code."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert b"Traceback" not in self.body
        found = json.loads(self.body)
        assert [*found] == ["type", "title", "status", "code", "detail", "hint", "request_id"]
        assert found["status"] == self.status
        assert found["request_id"] == self.headers["x-request-id"]
        return found

    @property
    def refusal(self) -> tuple[int, str]:
        """The status and the code of a problem."""
        return self.status, self.problem["code"]


@frozen
class Client:
    """Asks one server, by a new connection each time."""

    port: int

    def ask(self, method: str, path: str, body: Body = None, **headers: str) -> Reply:
        """Ask; an underscore in a header's name is a hyphen."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS_MAX)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            # It adds nothing to the path, and takes nothing away.
            connection.request(method, path, body, named, encode_chunked=_is_chunked(named))
            got = connection.getresponse()
            return Reply(
                got.status, {name.lower(): value for name, value in got.getheaders()}, got.read()
            )
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        """Ask a question."""
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        """Send something: bytes as they are, anything else as JSON."""
        return self.ask("POST", path, encoded(body), **headers)

    def deliver(
        self, body: Any, secret: str, *, path: str = "/webhooks/voucherify", **headers: str
    ) -> Reply:
        """Send a delivery as Voucherify does, signed as it is."""
        text = encoded(body)
        return self.post(path, text, **headers, **{SIGNATURE: sign(text, secret)})


def encoded(body: Any) -> bytes:
    """Bytes as they are, anything else as JSON without whitespace, as Voucherify writes it."""
    if isinstance(body, bytes):
        return body
    return json.dumps(body, separators=(",", ":")).encode()


def ndjson(*deliveries: Delivery | bytes) -> bytes:
    """Deliveries, one a line."""
    return b"".join(encoded(each) + b"\n" for each in deliveries)


def sign(message: bytes, secret: str) -> str:
    """The signature of a message."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _is_chunked(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "transfer-encoding" for name in headers)
