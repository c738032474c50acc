"""A follower that starts does the purge that failed before, and follows meanwhile."""

import logging
import time
from collections.abc import Callable

import pytest

from projector.projections import discover
from projector.runner import purger
from projector.runner.follower import Follower
from projector.store.database import Database
from projector.store.erasure import purge_postgres, purge_sqlite
from tests.support.databases import positions
from tests.support.followers import QUICK, following
from tests.support.given import append_webhooks, updated
from tests.support.items import read_log
from tests.support.purging import erase_without_purge, unpurged

_SECONDS_MAX = 30


def _until(is_done: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SECONDS_MAX
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_purge_that_failed_is_done_when_a_follower_starts(database: Database) -> None:
    erase_without_purge(database)
    with following(Follower(database, discover(), intervals=QUICK)):
        _until(lambda: unpurged(database) == [])


def test_a_follower_follows_though_the_purge_fails_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader keeps what is erased; the log says so, and the next start tries it again."""
    caplog.set_level(logging.INFO, purger.__name__)
    for module in (purge_sqlite, purge_postgres):
        monkeypatch.setattr(module, "READERS_SECONDS_MAX", 0)
    with database.reading() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM event")
        erase_without_purge(database)
        with following(Follower(database, discover(), intervals=QUICK)):
            _until(lambda: caplog.messages)
            append_webhooks(database, updated("cust_1", at="2024-05-01T00:00:00Z"))
            head = len(read_log(database))
            _until(lambda: set(positions(database).values()) == {head})
    [message] = caplog.messages
    assert message.startswith("The purge is left to the next start: What was erased is still in")
    assert unpurged(database) == [1]


def test_nothing_is_said_where_nothing_is_to_be_purged(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, purger.__name__)
    append_webhooks(database, updated("cust_1", at="2024-05-01T00:00:00Z"))
    with following(Follower(database, discover(), intervals=QUICK)):
        _until(lambda: 1 in positions(database).values())
    assert caplog.messages == []
