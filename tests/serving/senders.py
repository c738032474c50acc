"""Senders of events: several connections, each of which sends on until it is answered with 200."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count

from attrs import field, frozen

from projector.store.database import Database
from tests.concurrency.rebuilds import is_right, within
from tests.serving.servers import LONG
from tests.serving.talking import Answer, connect, post, read_answer, webhook
from tests.support.databases import positions
from tests.support.given import Delivery, entered, left
from tests.support.items import read_log

#: The port to send to: it may change while a server is not there.
Port = Callable[[], int]


@frozen
class Sent:
    """What came of some deliveries; filled by several threads."""

    #: By event id, in the order of the answers.
    acknowledged: list[str] = field(factory=list)
    #: Of each answer that was not 200: its status, and its Retry-After.
    refused: list[tuple[int, str | None]] = field(factory=list)
    #: How many times there was no answer.
    cut_off: list[str] = field(factory=list)


def event(number: int) -> Delivery:
    """One of many events, of a few customers, one in ten of which comes late."""
    minute = (number * 7) % 600 if number % 10 == 3 else number % 600
    at = f"2024-03-0{1 + number // 600 % 9}T{minute // 60:02}:{minute % 60:02}:00Z"
    kind = left if number % 3 == 2 else entered
    return kind(f"cust_{number % 40}", f"seg_{number % 3}", at=at, id=f"e{number}")


def _as_webhook(events: Sequence[Delivery]) -> bytes:
    [only] = events
    return webhook(only)


def _as_lines(events: Sequence[Delivery]) -> bytes:
    return post("/events", b"\n".join(json.dumps(each).encode() for each in events))


class _Sender:
    """One connection, made anew whenever it ends."""

    def __init__(self, port: Port, sent: Sent, stop: threading.Event) -> None:
        self._port, self._sent, self._stop = port, sent, stop
        self._connection: socket.socket | None = None

    def deliver(self, request: bytes, ids: list[str]) -> bool:
        """Send until there is a 200; false if it was told to stop before."""
        while not self._stop.is_set():
            answer = self._try(request)
            if answer is not None and answer.status == 200:
                self._sent.acknowledged.extend(ids)
                return True
            if answer is not None:
                self._sent.refused.append((answer.status, answer.headers.get("retry-after")))
            time.sleep(0.05)
        return False

    def _try(self, request: bytes) -> Answer | None:
        try:
            if self._connection is None:
                self._connection = connect(self._port())
            self._connection.sendall(request)
            return read_answer(self._connection)
        except OSError as error:
            self._sent.cut_off.append(repr(error))
            self.close()
            return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def sending(
    port: Port, *, connections: int = 6, first: int = 0, together: int = 1, pause: float = 0.0
) -> Iterator[Sent]:
    """Send event after event, from `first` on, until the block ends and each is answered.

    `together` of them are one body for /events; one alone is a webhook.
    """
    sent, stop, ended = Sent(), threading.Event(), threading.Event()
    numbers = count(first)
    lock = threading.Lock()
    make = _as_webhook if together == 1 else _as_lines

    def send() -> None:
        with closing(_Sender(port, sent, stop)) as sender:
            while not ended.is_set():
                with lock:
                    events = [event(next(numbers)) for _ in range(together)]
                if not sender.deliver(make(events), [each["event"]["id"] for each in events]):
                    return
                time.sleep(pause)

    threads = [threading.Thread(target=send) for _ in range(connections)]
    for each in threads:
        each.start()
    try:
        yield sent
    finally:
        ended.set()
        deadline = time.monotonic() + LONG
        for each in threads:
            each.join(max(0, deadline - time.monotonic()))
        is_late = any(each.is_alive() for each in threads)
        stop.set()
    assert not is_late, "not every delivery was answered with 200 in the end"


def check_log(database: Database, sent: Sent) -> None:
    """All that was acknowledged is in the log once; the log is dense."""
    recorded = read_log(database)
    ids = [each.event_id for each in recorded]
    assert [each.position for each in recorded] == list(range(1, len(recorded) + 1))
    assert len(set(ids)) == len(ids)
    assert set(sent.acknowledged) <= set(ids)


def check_tables(database: Database) -> None:
    """The tables come to where the log is, and are what it folds to."""
    head = len(read_log(database))
    within(LONG, lambda: {*positions(database).values()} == {head})
    assert is_right(database)
