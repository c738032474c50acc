"""More than a server can write is refused before anything of it is taken in."""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.serving.senders import event
from tests.serving.servers import LONG, QUICK, problem, serving
from tests.serving.talking import ask, connect, head, post, read_answer, webhook
from tests.support.items import read_log

#: Room for a few deliveries, and time enough for this test to hold the lock.
_SMALL = (
    QUICK
    + """
from attrs import evolve
from projector.server import writer
writer.BOUNDS = evolve(writer.BOUNDS, together_max=1, waiting_weight_max=20_000)
serve.LOCK_SECONDS_MAX = serve.IDLE_SECONDS_MAX = 600.0
bulk.PATIENCE_SECONDS_MAX = 0.5
"""
)

_CONNECTIONS = 60


@contextmanager
def _held(database: Database) -> Iterator[None]:
    """Nobody can append until the block ends."""
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SELECT * FROM log_head FOR UPDATE")
        yield


def test_a_delivery_beyond_the_queue_is_refused_at_once_and_not_in_the_log(
    migrated_url: str,
) -> None:
    with (
        closing(Database(migrated_url)) as database,
        serving(migrated_url, "--no-follower", changes=_SMALL) as server,
        ExitStack() as stack,
    ):
        waiting = {}
        refused: list[int] = []
        with _held(database):
            for number in range(_CONNECTIONS):
                connection = stack.enter_context(connect(server.port))
                connection.sendall(webhook(event(number)))
                waiting[number] = connection
            many = [event(1000 + number) for number in range(100)]
            told = ask(server.port, post("/events", json.dumps(many).encode()))
            assert problem(told) == (503, "overloaded")
            # All who are refused hear so while the others wait.
            while len(refused) < _CONNECTIONS // 2:
                answered = _answered(waiting)
                assert answered is not None, f"only {refused} are refused"
                answer = read_answer(waiting.pop(answered))
                assert problem(answer) == (503, "overloaded")
                assert answer.headers["retry-after"] == "1"
                refused.append(answered)
        within(LONG, lambda: server.get("/health/live").status == 200)
        answers = {number: read_answer(each) for number, each in waiting.items()}
        kept = {each.event_id for each in read_log(database)}
    done = {f"e{number}" for number, each in answers.items() if each.status == 200}
    assert kept == done
    assert len(done) > 5


def _answered(waiting: dict[int, socket.socket]) -> int | None:
    """One of those who are answered."""
    found, _, _ = select.select(list(waiting.values()), [], [], LONG)
    return next((number for number, each in waiting.items() if each in found), None)


def test_questions_are_answered_while_nothing_can_be_written(migrated_url: str) -> None:
    with (
        closing(Database(migrated_url)) as database,
        serving(migrated_url, "--no-follower", changes=_SMALL) as server,
    ):
        assert ask(server.port, webhook(event(1))).status == 200
        with _held(database):
            found = server.get("/status")
            assert (found.status, found.json["head"]) == (200, 1)


def test_long_bodies_share_their_room_and_a_usual_webhook_needs_none_of_it(
    sqlite_url: str,
) -> None:
    changes = QUICK + "bodies.HELD_BYTES_MAX = 150_000\nbodies.BODY_SECONDS_MAX = 5.0\n"
    with serving(sqlite_url, changes=changes) as server, connect(server.port) as slow:
        long = post("/webhooks/voucherify", bytes(150_000))
        # Each gives its room back.
        for _ in range(5):
            assert problem(ask(server.port, long)) == (401, "signature_wrong")
        slow.sendall(head("/webhooks/voucherify", content_length="900000") + bytes(165_000))
        within(LONG, lambda: problem(ask(server.port, long)) == (503, "overloaded"))
        assert ask(server.port, webhook(event(1))).status == 200
        assert problem(read_answer(slow)) == (408, "body_too_slow")
        assert problem(ask(server.port, long)) == (401, "signature_wrong")
