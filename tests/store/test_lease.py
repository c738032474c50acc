"""A lease has one holder at a time, and only the holder can keep it or give it back."""

from collections.abc import Iterator
from contextlib import closing
from threading import Barrier, Thread

import pytest

from projector.store import lease
from projector.store.database import Database
from projector.store.lease import Lease
from tests.support.databases import url_of


def _read(database: Database) -> Lease:
    with database.reading() as connection:
        return lease.read(connection, "job")


def _take(database: Database, seen: Lease, holder: str) -> bool:
    with database.writing() as connection:
        return lease.take(connection, seen, holder)


def _heartbeat(database: Database, holder: str) -> bool:
    with database.writing() as connection:
        return lease.heartbeat(connection, "job", holder)


def _give_back(database: Database, holder: str) -> None:
    with database.writing() as connection:
        lease.release(connection, "job", holder)


def test_a_lease_never_taken_has_no_holder(database: Database) -> None:
    assert _read(database) == Lease(job="job", holder=None, heartbeats=0)


def test_the_first_of_two_takers_with_the_same_view_gets_the_lease(database: Database) -> None:
    for round_ in ("never taken", "taken", "given back"):
        seen = _read(database)
        assert _take(database, seen, f"{round_} a")
        assert not _take(database, seen, f"{round_} b")
        assert _read(database).holder == f"{round_} a"
        if round_ == "taken":
            _give_back(database, f"{round_} a")


@pytest.fixture
def others(database: Database) -> Iterator[list[Database]]:
    url = url_of(database)
    others = [Database(url) for _ in range(4)]
    yield others
    for each in others:
        each.close()


def test_one_of_many_concurrent_takers_gets_the_lease(
    database: Database, others: list[Database]
) -> None:
    for _ in range(10):
        seen, won, barrier = _read(database), list[int](), Barrier(len(others))

        def take(number: int, seen: Lease, won: list[int], barrier: Barrier) -> None:
            barrier.wait()
            if _take(others[number], seen, str(number)):
                won.append(number)

        threads = [
            Thread(target=take, args=(number, seen, won, barrier)) for number in range(len(others))
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert [str(number) for number in won] == [_read(database).holder]


def test_a_sign_of_life_keeps_a_taker_off_who_saw_none(database: Database) -> None:
    assert _take(database, _read(database), "a")
    seen = _read(database)
    assert _heartbeat(database, "a")
    assert not _take(database, seen, "b")
    assert _read(database) == Lease(job="job", holder="a", heartbeats=seen.heartbeats + 1)


def test_a_former_holder_can_neither_renew_nor_release_the_lease(database: Database) -> None:
    assert _take(database, _read(database), "a")
    assert _take(database, _read(database), "b")
    before = _read(database)
    assert not _heartbeat(database, "a")
    _give_back(database, "a")
    assert _read(database) == before


def test_a_released_lease_has_no_holder_and_no_heartbeat(database: Database) -> None:
    assert _take(database, _read(database), "a")
    _give_back(database, "a")
    assert _read(database).holder is None
    assert not _heartbeat(database, "a")


def test_leases_of_several_jobs_have_nothing_to_do_with_each_other(database: Database) -> None:
    assert _take(database, _read(database), "a")
    assert _take(database, Lease(job="another job"), "b")
    assert _heartbeat(database, "a")
    _give_back(database, "b")
    assert _read(database).holder == "a"


def test_a_lease_outlives_the_connection(database: Database) -> None:
    """Nothing tells that a process has died but its silence."""
    url = url_of(database)
    with closing(Database(url)) as other:
        assert _take(other, _read(other), "a")
    assert _read(database).holder == "a"
