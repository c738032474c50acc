"""Counts what this server refused since it started, with or without Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock

from attrs import frozen

_BUSY = 503


@frozen(kw_only=True)
class Refusal:
    """Requests that were refused for one reason."""

    #: The code of the error, such as `signature_wrong`.
    code: str
    count: int
    last_at: datetime


class Refusals:
    """The webhooks that were refused by code, and the requests that found the server busy.

    Any thread may call any method.
    """

    def __init__(self) -> None:
        self.since = datetime.now(UTC)
        self._lock = Lock()
        self._webhooks: dict[str, Refusal] = {}
        self._busy: Refusal | None = None

    def count_webhook(self, code: str) -> None:
        """Count a webhook that was refused."""
        with self._lock:
            self._webhooks[code] = _next(self._webhooks.get(code), code)

    def count_request(self, status: int) -> None:
        """Count a request that was answered: only those that found the server busy matter."""
        if status == _BUSY:
            with self._lock:
                self._busy = _next(self._busy, "busy")

    def webhooks(self) -> tuple[Refusal, ...]:
        """Return the refused webhooks, the most frequent code first."""
        with self._lock:
            return tuple(sorted(self._webhooks.values(), key=lambda each: -each.count))

    def busy(self) -> Refusal | None:
        """Return the requests that were answered with 503; None if there were none."""
        return self._busy


def _next(last: Refusal | None, code: str) -> Refusal:
    count = 1 if last is None else last.count + 1
    return Refusal(code=code, count=count, last_at=datetime.now(UTC))
