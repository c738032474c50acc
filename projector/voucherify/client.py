"""Sends requests to Voucherify's API: one after the other in a thread, at the pace of all threads.

Statuses are judged by `manners`, and not by the HTTP library: its retries would sleep for hours
within a call, without a budget, a progress or an end.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import NoReturn

from attrs import frozen

from projector.errors import (
    ExtraMissing,
    VoucherifyRefused,
    VoucherifyRejected,
    VoucherifyUnexpected,
)
from projector.voucherify.address import Address
from projector.voucherify.credentials import Credentials
from projector.voucherify.limits import Limits, read_limits
from projector.voucherify.manners import Action, Verdict, judge
from projector.voucherify.pace import Pace, RunStopped
from projector.voucherify.pages import error_text

try:
    import urllib3
    from urllib3.exceptions import (
        ConnectTimeoutError,
        HTTPError,
        NameResolutionError,
        NewConnectionError,
        ReadTimeoutError,
        SSLError,
    )
except ImportError as error:
    raise ExtraMissing(extra="voucherify", reason=error) from None

#: The longest body, in bytes.
BODY_BYTES_MAX = 16 * 1024 * 1024

_CONNECT_SECONDS_MAX = 10.0
#: The longest silence within an answer, and the longest answer.
_READ_SECONDS_MAX = 30.0
_ANSWER_SECONDS_MAX = 120.0

_CHUNK_BYTES = 64 * 1024


class RequestFailed(Exception):
    """No try of a request brought an answer; the message is the reason, as a sentence's end."""

    def __init__(self, reason: str, *, has_connected: bool) -> None:
        super().__init__(reason)
        #: Whether a server answered at all.
        self.has_connected = has_connected


@frozen(kw_only=True)
class Answer:
    """An answer of the API: 200 with a body, or 404."""

    status: int
    body: bytes
    #: When the request was sent and the answer was here, by this machine's clock.
    sent_at: datetime
    answered_at: datetime
    #: When it was answered, by the API's clock; None if it does not say so.
    date: datetime | None

    @property
    def is_found(self) -> bool:
        """Whether the object of the request exists."""
        return self.status == 200


@frozen(kw_only=True)
class _Response:
    """A status with its body and limits; a status of None is a failure, with the reason."""

    status: int | None
    limits: Limits
    body: bytes = b""
    problem: str = ""
    has_connected: bool = True
    #: Whether another try would bring the same.
    is_final: bool = False


class Client:
    """A client of one project's API. Thread-safe."""

    def __init__(
        self,
        address: Address,
        credentials: Credentials,
        pace: Pace,
        *,
        reserve_percent: float,
        connections_max: int,
    ) -> None:
        self.pace = pace
        self._address = address
        self._reserve_percent = reserve_percent
        self._secrets = {credentials.app_token: "***", credentials.app_id: "***"}
        pool = urllib3.HTTPSConnectionPool if address.is_https else urllib3.HTTPConnectionPool
        self._pool = pool(
            address.host,
            address.port,
            maxsize=connections_max,
            block=True,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS_MAX, read=_READ_SECONDS_MAX),
            headers={
                "X-App-Id": credentials.app_id,
                "X-App-Token": credentials.app_token,
                "Accept": "application/json",
                "User-Agent": f"customer-state-projector/{version('customer-state-projector')}",
            },
        )

    @property
    def host(self) -> str:
        """The host of the API, and its port unless that is the usual one."""
        return str(self._address)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def get(self, path: str, query: Mapping[str, str]) -> Answer:
        """Send a GET request, again if need be, and return its answer.

        Raises RequestFailed if every try fails; RunStopped if the run ends before;
        VoucherifyRefused (401, 403), VoucherifyRejected (other 4xx) or VoucherifyUnexpected
        (redirects and others).
        """
        tries = throttled = 0
        while True:
            self.pace.take()
            sent_at = datetime.now(UTC)
            received = self._send(path, query)
            if received.is_final:
                raise RequestFailed(received.problem, has_connected=True)
            verdict = judge(
                received.status,
                received.limits,
                tries=tries,
                throttled=throttled,
                reserve_percent=self._reserve_percent,
                chance=random.random(),  # noqa: S311 - spreads waits
            )
            self._apply(verdict)
            if verdict.action in (Action.USE, Action.ABSENT):
                return Answer(
                    status=received.status or 0,
                    body=received.body,
                    sent_at=sent_at,
                    answered_at=datetime.now(UTC),
                    date=received.limits.date,
                )
            if verdict.action is not Action.REPEAT:
                self._raise(verdict, received, path)
            is_throttled = received.status == 429
            throttled += is_throttled
            tries += not is_throttled
            self.pace.rest(verdict.rest_seconds)

    def _apply(self, verdict: Verdict) -> None:
        if verdict.hold_seconds:
            self.pace.hold(verdict.hold_seconds)
        if verdict.stop is not None:
            self.pace.end(verdict.stop)

    def _raise(self, verdict: Verdict, received: _Response, path: str) -> NoReturn:
        if verdict.stop is not None:
            raise RunStopped(verdict.stop)
        detail = error_text(received.body, secrets=self._secrets)
        if verdict.action is Action.FAIL:
            reason = received.problem or f"it answers with {received.status}{detail}"
            raise RequestFailed(reason, has_connected=received.has_connected)
        if verdict.action is Action.REFUSED:
            raise VoucherifyRefused(host=self.host, status=received.status, detail=detail)
        if verdict.action is Action.REJECTED:
            raise VoucherifyRejected(
                host=self.host, path=path, status=received.status, detail=detail
            )
        raise VoucherifyUnexpected(host=self.host, reason=f"it answers with {received.status}")

    def _send(self, path: str, query: Mapping[str, str]) -> _Response:
        has_connected = False
        try:
            response = self._pool.request(
                "GET",
                path,
                fields=dict(query),
                preload_content=False,
                redirect=False,
                retries=False,
            )
            has_connected = True
            headers = {name.lower(): value for name, value in response.headers.items()}
            limits = read_limits(headers, now=datetime.now(UTC))
            body = _read(response)
        except HTTPError as error:
            return _Response(
                status=None, limits=Limits(), problem=_problem(error), has_connected=has_connected
            )
        if body is None:
            problem = f"its answer has more than {BODY_BYTES_MAX:,} bytes, or does not end"
            return _Response(status=None, limits=limits, problem=problem, is_final=True)
        return _Response(status=response.status, limits=limits, body=body)


def _read(response: urllib3.BaseHTTPResponse) -> bytes | None:
    """Read a body; None if it is too long or takes too long."""
    end = time.monotonic() + _ANSWER_SECONDS_MAX
    chunks, size = [], 0
    is_complete = False
    try:
        # Chunks as they come: to wait for a full one would take as long as the sender likes.
        while chunk := response.read1(_CHUNK_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > BODY_BYTES_MAX or time.monotonic() > end:
                return None
        is_complete = True
        return b"".join(chunks)
    finally:
        if not is_complete:
            response.close()
        # A closed one, too: the pool has a fixed number, and opens it again.
        response.release_conn()


def _problem(error: HTTPError) -> str:
    """Return why no answer came, as the end of a sentence."""
    match error:
        case NameResolutionError():
            return "its name cannot be resolved"
        case NewConnectionError():
            return f"it accepts no connection: {str(error).rpartition(': ')[2]}"
        case ConnectTimeoutError():
            return f"it did not accept a connection within {_CONNECT_SECONDS_MAX:.0f} s"
        case ReadTimeoutError():
            return f"it did not answer within {_READ_SECONDS_MAX:.0f} s"
        case SSLError():
            return f"TLS failed: {error}"
    return "the connection broke before the answer was complete"
