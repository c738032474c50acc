"""Processes follow one log: one works, another takes its place, and nothing is folded twice."""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from projector.store.database import Database
from tests.concurrency.followers import LEASE_SECONDS, Running, running
from tests.concurrency.rebuilds import is_right, within
from tests.concurrency.story import content, deliveries, is_sqlite
from tests.support.command import run_program
from tests.support.databases import positions
from tests.support.followers import found
from tests.support.given import append_webhooks, created
from tests.support.items import read_log

_LONG = 30.0
_ROUNDS = 5
_ROUND_EVENTS = 500


@pytest.fixture
def two(database: Database, migrated_url: str, tmp_path: Path) -> Iterator[tuple[Running, Running]]:
    """The holder of the lease, and one that stands by."""
    with ExitStack() as stack:
        first = stack.enter_context(running(migrated_url, tmp_path))
        within(_LONG, lambda: found(database).holder == first.holder)
        second = stack.enter_context(running(migrated_url, tmp_path))
        assert f"on standby while {first.holder} is alive" in second.begun
        yield first, second


def _append(database: Database, number: int) -> None:
    append_webhooks(
        database, created(f"cust_{number % 3}", at="2024-03-04T10:00:00Z", id=f"e{number}")
    )


def _is_there(database: Database) -> bool:
    """Whether all of the log is in all tables."""
    return {*positions(database).values()} == {len(read_log(database))}


def test_an_ingest_without_catch_up_is_projected_by_a_follower_within_a_second(
    database: Database, two: tuple[Running, Running], migrated_url: str, tmp_path: Path
) -> None:
    _append(database, 0)
    within(_LONG, lambda: _is_there(database))
    (tmp_path / "file").write_bytes(content(40))
    ingest = ["ingest", "file", "--no-catch-up"]
    assert run_program(tmp_path, *ingest, PROJECTOR_DATABASE_URL=migrated_url).code == 0
    within(1, lambda: _is_there(database))
    assert found(database).holder == two[0].holder
    assert is_right(database)


def test_the_place_of_one_that_is_killed_is_taken_once_it_was_silent_for_long(
    database: Database, two: tuple[Running, Running]
) -> None:
    first, second = two
    first.send(signal.SIGKILL)
    _append(database, 1)
    within(LEASE_SECONDS + 3, lambda: found(database).holder == second.holder)
    within(_LONG, lambda: _is_there(database))
    assert is_right(database)


def test_the_place_of_one_that_is_stopped_is_taken_and_it_stands_by_when_it_goes_on(
    database: Database, two: tuple[Running, Running]
) -> None:
    first, second = two
    first.send(signal.SIGSTOP)
    _append(database, 1)
    within(LEASE_SECONDS + 3, lambda: found(database).holder == second.holder)
    within(_LONG, lambda: _is_there(database))
    first.send(signal.SIGCONT)
    _append(database, 2)
    within(_LONG, lambda: _is_there(database))
    # Long enough for it to give a sign of life that it has no right to.
    time.sleep(LEASE_SECONDS * 1.3)
    assert found(database).holder == second.holder
    code, told = first.ended(signal.SIGTERM)
    assert (code, told.count("lost the lease and stands by")) == (0, 1)
    assert found(database).holder == second.holder
    assert is_right(database)


def test_the_place_of_one_that_ends_is_taken_at_once(
    database: Database, two: tuple[Running, Running]
) -> None:
    first, second = two
    assert first.ended(signal.SIGTERM)[0] == 0
    within(LEASE_SECONDS / 2, lambda: found(database).holder == second.holder)
    _append(database, 1)
    within(_LONG, lambda: _is_there(database))


def test_whatever_happens_to_them_amid_their_work_nothing_is_folded_twice_or_left_out(
    database: Database, two: tuple[Running, Running], migrated_url: str, tmp_path: Path
) -> None:
    """Stopped, gone on with, killed and followed by others."""
    chance = random.Random(migrated_url)
    followers = [*two]
    more = deliveries(_ROUNDS * _ROUND_EVENTS)
    with ExitStack() as stack:
        for number in range(_ROUNDS):
            append_webhooks(database, *islice(more, _ROUND_EVENTS))
            time.sleep(chance.uniform(0, 0.2))
            one = _holder(database, followers)
            one.send(signal.SIGSTOP)
            # On SQLite nobody else can write until it goes on, if it was stopped amid that.
            time.sleep(0.2 if is_sqlite(migrated_url) else LEASE_SECONDS + 0.5)
            if number == _ROUNDS // 2:
                one.send(signal.SIGKILL)
                followers.remove(one)
                followers.append(stack.enter_context(running(migrated_url, tmp_path)))
            one.send(signal.SIGCONT)
        within(_LONG, lambda: _is_there(database))
        for each in followers:
            code, told = each.ended(signal.SIGTERM)
            assert code == 0
            assert "Traceback" not in told
    assert is_right(database)


def _holder(database: Database, followers: list[Running]) -> Running:
    holder = found(database).holder
    return next((each for each in followers if each.holder == holder), followers[0])
