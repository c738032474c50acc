"""Whatever comes in is in the tables a moment later, and what goes wrong meanwhile passes."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from threading import Event
from typing import Any

import psycopg
import pytest
from attrs import evolve
from sqlalchemy import make_url

from projector.errors import CheckpointMoved
from projector.projections import discover
from projector.projections.projection import Projection
from projector.runner import follower as follower_module
from projector.runner import runner
from projector.runner.follower import Follower, Intervals
from projector.runner.lease_monitor import LeaseMonitor
from projector.store import notifications
from projector.store.database import Database
from replay import rebuild
from replay.engines import ENGINES
from tests.concurrency.rebuilds import is_right, within
from tests.support.databases import positions
from tests.support.followers import QUICK, following, found
from tests.support.given import append_and_project, append_webhooks, created, updated
from tests.support.items import read_log
from tests.support.postgres import Server

_LOG = "projector.runner.follower"
_BORN = created("cust_1", at="2024-03-04T10:00:00Z")
_LONG = 20.0


@pytest.fixture
def own(database: Database, migrated_url: str) -> Iterator[Database]:
    """As the follower sees it."""
    with closing(Database(migrated_url, lock_seconds_max=0.1, idle_seconds_max=5)) as own:
        yield own


def _follower(
    database: Database,
    projections: Sequence[Projection] = discover(),
    *,
    holder: str = "a",
    intervals: Intervals = QUICK,
    **more: Any,
) -> Follower:
    return Follower(database, projections, holder=holder, intervals=intervals, **more)


def _is_there(database: Database, position: int) -> bool:
    return [*positions(database).values()] == [position] * len(discover())


def _update(database: Database, number: int) -> None:
    append_webhooks(database, updated("cust_1", at="2024-03-04T10:00:00Z", id=f"e{number}"))


def test_an_event_appended_by_another_connection_is_projected_within_a_second(
    database: Database, own: Database
) -> None:
    with following(Follower(own, discover())):
        within(_LONG, lambda: found(database).holder is not None)
        for number in range(1, 6):
            _update(database, number)
            within(1, lambda number=number: _is_there(database, number))  # type: ignore[misc]
    assert is_right(database)


def test_an_append_in_the_same_process_wakes_the_follower(
    migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "WAIT_SECONDS_MAX", _LONG)
    with (
        closing(Database(migrated_sqlite_url)) as database,
        closing(Database(migrated_sqlite_url)) as own,
    ):
        follower = _follower(own, intervals=evolve(QUICK, poll_seconds=_LONG))
        with following(follower) as stop:
            within(_LONG, lambda: found(database).holder == "a")
            time.sleep(0.3)
            _update(database, 1)
            follower.wake()
            within(1, lambda: _is_there(database, 1))
            stop.set()
            follower.wake()


def test_a_follower_folds_the_backlog_in_batches(
    database: Database, own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        _update(database, number)
    monkeypatch.setattr(follower_module, "LIVE_BATCH_EVENTS_MAX", 2)
    reached: list[int] = []
    with following(_follower(own, on_batch=reached.append)):
        within(_LONG, lambda: _is_there(database, 5))
    assert reached == [2, 4, 5]


def test_a_follower_that_is_idle_stops_within_a_second_and_gives_the_lease_back(
    database: Database, own: Database
) -> None:
    with following(Follower(own, discover(), holder="a")) as stop:
        within(_LONG, lambda: found(database).holder == "a")
        time.sleep(0.1)
        stop.set()
        within(1, lambda: found(database).holder is None)


def test_a_follower_that_was_stopped_before_it_ran_does_nothing(
    database: Database, own: Database
) -> None:
    _update(database, 1)
    stop = Event()
    stop.set()
    _follower(own).run(stop)
    assert positions(database) == {}


def test_only_the_holder_works_and_the_other_one_takes_over_what_is_given_back(
    database: Database, own: Database
) -> None:
    worked: list[str] = []
    first = _follower(own, holder="a", on_batch=lambda _: worked.append("a"))
    second = _follower(own, holder="b", on_batch=lambda _: worked.append("b"))
    with ExitStack() as stack:
        stop = stack.enter_context(following(first))
        within(_LONG, lambda: found(database).holder == "a")
        stack.enter_context(following(second))
        for number in range(1, 6):
            _update(database, number)
            within(_LONG, lambda number=number: _is_there(database, number))  # type: ignore[misc]
        # Longer than a silence may last.
        time.sleep(QUICK.lease_seconds * 1.3)
        assert (found(database).holder, worked) == ("a", ["a"] * 5)
        stop.set()
        within(QUICK.lease_seconds * 0.9, lambda: found(database).holder == "b")
        _update(database, 6)
        within(_LONG, lambda: _is_there(database, 6))
    assert worked == ["a"] * 5 + ["b"]


def test_a_follower_that_lost_the_lease_stands_by(database: Database, own: Database) -> None:
    with following(_follower(own)):
        within(_LONG, lambda: found(database).heartbeats > 1)
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE lease SET holder = 'b', heartbeats = heartbeats + 1")
        time.sleep(QUICK.lease_seconds / 2)
        assert found(database).holder == "b"
        _update(database, 1)
        # B never shows life.
        within(_LONG, lambda: found(database).holder == "a")
        within(_LONG, lambda: _is_there(database, 1))


def test_a_projector_beside_the_follower_does_no_harm(database: Database, own: Database) -> None:
    with following(_follower(own)):
        for number in range(1, 30):
            append_and_project(
                database, updated(f"cust_{number % 3}", at="2024-03-04T10:00:00Z"), _BORN
            )
            _update(database, number)
        within(_LONG, lambda: _is_there(database, len(read_log(database))))
    assert is_right(database)


def test_a_batch_that_another_one_wrote_first_is_nothing_to_tell(
    database: Database,
    own: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    project_batch, lost = runner.project_batch, list[int]()

    def project(*arguments: Any, **more: Any) -> int | None:
        if len(lost) < 3:
            lost.append(1)
            raise CheckpointMoved(projection="customer", position=0)
        return project_batch(*arguments, **more)

    monkeypatch.setattr(runner, "project_batch", project)
    _update(database, 1)
    with following(_follower(own)):
        within(_LONG, lambda: _is_there(database, 1))
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []


def test_a_database_that_is_locked_is_tried_again(
    database: Database, own: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with following(_follower(own)):
        within(_LONG, lambda: found(database).holder == "a")
        _update(database, 1)
        within(_LONG, lambda: _is_there(database, 1))
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE lease SET heartbeats = heartbeats")
            within(_LONG, lambda: "is busy" in caplog.text)
        _update(database, 2)
        within(_LONG, lambda: _is_there(database, 2))
        heartbeats = found(database).heartbeats
        within(_LONG, lambda: found(database).heartbeats > heartbeats)
    assert "Traceback" not in caplog.text


def test_a_server_that_is_gone_and_comes_back_is_gone_on_with(
    migrated_postgres_url: str, postgres_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    name = make_url(migrated_postgres_url).database
    admin = make_url(postgres_server.url("postgres")).set(drivername="postgresql")
    with (
        closing(Database(migrated_postgres_url)) as database,
        closing(Database(migrated_postgres_url)) as own,
        psycopg.connect(admin.render_as_string(hide_password=False), autocommit=True) as server,
        following(Follower(own, discover(), intervals=evolve(QUICK, poll_seconds=_LONG))),
    ):
        _update(database, 1)
        within(_LONG, lambda: _is_there(database, 1))
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [name],
        )
        within(_LONG, lambda: caplog.text.count("cannot be used") > 2)
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        within(_LONG, lambda: _is_there(database, 1))
        heartbeats = found(database).heartbeats
        within(_LONG, lambda: found(database).heartbeats > heartbeats)
        for number in (2, 3):
            _update(database, number)
            # It listens again, too.
            within(1, lambda number=number: _is_there(database, number))  # type: ignore[misc]
    assert "Traceback" not in caplog.text


def test_outdated_rows_are_logged_once_and_stop_the_heartbeat(
    database: Database, own: Database, caplog: pytest.LogCaptureFixture
) -> None:
    append_and_project(database, _BORN)
    newer = [evolve(each, version=each.version + 1) for each in discover()]
    with following(_follower(own, newer)):
        within(_LONG, lambda: "version" in caplog.text)
        _update(database, 1)
        time.sleep(1)
        assert found(database).heartbeats == 0
        assert _is_there(database, 1)
        [told] = [each for each in caplog.records if each.name == _LOG]
        assert told.levelno == logging.ERROR
        assert "projector rebuild" in told.getMessage()
        rebuild(database, newer, ENGINES["in-process"])
        _update(database, 2)
        within(_LONG, lambda: _is_there(database, 3))
        within(_LONG, lambda: found(database).heartbeats > 1)


def test_a_holder_whose_version_is_outdated_leaves_the_place_to_a_newer_one(
    database: Database, own: Database
) -> None:
    append_and_project(database, _BORN)
    newer = [evolve(each, version=each.version + 1) for each in discover()]
    with following(_follower(own, holder="old")):
        within(_LONG, lambda: found(database).holder == "old")
        with following(
            _follower(own, newer, holder="new", intervals=evolve(QUICK, lease_seconds=60))
        ):
            rebuild(database, newer, ENGINES["in-process"])
            within(_LONG, lambda: found(database).holder == "new")
            _update(database, 1)
            within(_LONG, lambda: _is_there(database, 2))
            time.sleep(QUICK.lease_seconds * 1.3)
            assert found(database).holder == "new"


def test_a_follower_that_fails_at_everything_tries_again_and_shows_no_life(
    database: Database,
    own: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = LeaseMonitor(database, lease_seconds=1)
    _update(database, 1)
    with monkeypatch.context() as patched, following(_follower(own)):
        patched.setattr(runner, "project_batch", lambda *_, **__: 1 / 0)
        with following(_follower(own, holder="b")):
            deadline = time.monotonic() + 2.5
            while time.monotonic() < deadline:
                assert not watch.look().is_alive
                time.sleep(0.01)
        assert caplog.text.count("ZeroDivisionError") > 2
        patched.undo()
        within(_LONG, lambda: _is_there(database, 1))
        within(_LONG, lambda: watch.look().is_alive)
