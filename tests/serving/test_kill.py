"""Killed and started again and again, a server has in its log what it has answered with 200."""

import random
import signal
import time
from contextlib import ExitStack, closing

import pytest

from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.serving.senders import Sent, check_log, check_tables, sending
from tests.serving.servers import LONG, serving


@pytest.mark.parametrize(("together", "kills"), [(1, 6), (25, 3)], ids=["webhooks", "events"])
def test_a_delivery_acknowledged_before_a_kill_is_in_the_log_once(
    migrated_url: str, together: int, kills: int
) -> None:
    chance = random.Random(migrated_url)
    with closing(Database(migrated_url)) as database, ExitStack() as stack:
        server = stack.enter_context(serving(migrated_url))
        port = server.port
        with sending(lambda: port, together=together) as sent:
            for _ in range(kills):
                _go_on(sent)
                time.sleep(chance.uniform(0, 0.1))
                server.send(signal.SIGKILL)
                assert server.ended() == -signal.SIGKILL
                server = stack.enter_context(serving(migrated_url, port=port))
            _go_on(sent)
        check_log(database, sent)
        check_tables(database)
    assert len(sent.cut_off) >= kills


def _go_on(sent: Sent) -> None:
    """Wait until some more was acknowledged."""
    wanted = len(sent.acknowledged) + 20
    within(LONG, lambda: len(sent.acknowledged) > wanted)
