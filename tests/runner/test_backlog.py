"""A follower that is very far behind rebuilds; one that is only behind folds in batches."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event
from typing import Any

import pytest

import replay
from projector.errors import RebuildRunning
from projector.projections import discover
from projector.runner.follower import Follower
from projector.runner.runner import catch_up
from projector.store import checkpoints
from projector.store.database import Database
from replay import engines
from tests.concurrency.rebuilds import is_right, within
from tests.support.databases import positions
from tests.support.followers import QUICK, following, found
from tests.support.given import append_webhooks, updated

_LONG = 20.0


@pytest.fixture
def own(database: Database, migrated_url: str) -> Iterator[Database]:
    """As the follower sees it."""
    with closing(Database(migrated_url, lock_seconds_max=5, idle_seconds_max=20)) as own:
        yield own


@pytest.fixture(autouse=True)
def _small_backlogs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "PARALLEL_EVENTS_MIN", 10)
    monkeypatch.setattr(engines, "choose", lambda _events, _workers: engines.by_name("in-process"))


def _fill(database: Database, first: int, last: int) -> None:
    append_webhooks(
        database,
        *(
            updated(f"cust_{number % 5}", at=f"2024-03-04T10:{number:02}:00Z", id=f"e{number}")
            for number in range(first, last + 1)
        ),
    )


def _generations(database: Database) -> set[int]:
    """How often the rows were written other than by going forward."""
    with database.reading() as connection:
        return {each.generation for each in checkpoints.read(connection, discover()).values()}


def _is_at(database: Database, position: int) -> bool:
    return set(positions(database).values()) == {position}


def _follower(database: Database, rebuild_backlog: Callable[..., int | None]) -> Follower:
    return Follower(
        database, discover(), holder="a", intervals=QUICK, rebuild_backlog=rebuild_backlog
    )


def test_a_follower_that_is_very_far_behind_rebuilds_and_logs_it(
    database: Database, own: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The generation of the checkpoints shows by which path the rows came."""
    _fill(database, 1, 30)
    with caplog.at_level(logging.INFO), following(_follower(own, replay.rebuild_backlog)):
        within(_LONG, lambda: _is_at(database, 30))
        _fill(database, 31, 35)
        within(_LONG, lambda: _is_at(database, 35))
    assert _generations(database) == {1}
    assert "Very far behind the log: a rebuild of" in caplog.text
    assert is_right(database)


def test_a_follower_that_misses_a_small_part_of_the_log_folds_it_in_batches(
    database: Database, own: Database
) -> None:
    """To rebuild would fold the larger part again, for nothing."""
    _fill(database, 1, 30)
    catch_up(database, discover())
    _fill(database, 31, 50)
    with following(_follower(own, replay.rebuild_backlog)):
        within(_LONG, lambda: _is_at(database, 50))
    assert _generations(database) == {0}


def test_only_the_projections_that_are_very_far_behind_are_rebuilt(
    database: Database,
) -> None:
    """One that is new, beside others that are at the head."""
    _fill(database, 1, 30)
    first, *others = discover()
    catch_up(database, others)
    replay.catch_up(database, discover())
    with database.reading() as connection:
        found = checkpoints.read(connection, discover())
    assert found[first.name].generation == 1
    assert {found[each.name].generation for each in others} == {0}
    assert is_right(database)


def test_a_rebuild_that_is_impossible_leaves_the_backlog_to_batches(
    database: Database, own: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried once, and not at every look."""
    _fill(database, 1, 30)
    calls = []

    def refuse(*_arguments: object, **_more: object) -> int | None:
        calls.append(1)
        raise RebuildRunning(url=database)

    with following(_follower(own, refuse)):
        within(_LONG, lambda: _is_at(database, 30))
        _fill(database, 31, 31)
        within(_LONG, lambda: _is_at(database, 31))
    assert len(calls) == 1
    assert "folded in batches" in caplog.text
    assert is_right(database)


def test_a_follower_keeps_its_lease_during_a_rebuild_that_takes_longer_than_the_lease(
    database: Database, own: Database
) -> None:
    """Otherwise another process would fold the same events meanwhile."""
    _fill(database, 1, 3)
    begun, end = Event(), Event()

    def take_long(*_arguments: object, **_more: object) -> int | None:
        begun.set()
        end.wait(_LONG)
        return None

    with following(_follower(own, take_long)):
        assert begun.wait(_LONG)
        beats = found(database)
        try:
            within(_LONG, lambda: found(database) != beats)
        finally:
            end.set()
        assert found(database).holder == "a"
        within(_LONG, lambda: _is_at(database, 3))


def test_a_follower_that_is_stopped_during_a_rebuild_ends_it_and_leaves_the_tables(
    database: Database, own: Database
) -> None:
    """The next one begins again."""
    _fill(database, 1, 30)
    ended = Event()

    def stop_first(database: Database, *arguments: Any, on_progress: Any) -> int | None:
        stop.set()
        try:
            return replay.rebuild_backlog(database, *arguments, on_progress=on_progress)
        finally:
            ended.set()

    with following(_follower(own, stop_first)) as stop:
        assert ended.wait(_LONG)
    assert found(database).holder is None
    assert positions(database) == {}
    with following(_follower(own, replay.rebuild_backlog)):
        within(_LONG, lambda: _is_at(database, 30))
    assert is_right(database)
