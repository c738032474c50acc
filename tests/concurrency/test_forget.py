"""Customers are erased while others write, fold, rebuild and retry: everything stays right."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Event

import pytest

from projector.erasure import forget
from projector.erasure.forgotten import list_erasures
from projector.errors import CheckpointMoved, DatabaseBusy, ProjectorError, RebuildRunning
from projector.operate.dead_letters import retry_dead_letters
from projector.projections import discover
from projector.runner.runner import catch_up, project_batch
from projector.sealing.seal import seal
from projector.store.append import append
from projector.store.database import Database
from projector.store.stream_cache import StreamCache
from replay import rebuild, rebuild_customer
from replay.engines import ENGINES
from tests.support.forgetting import is_right, rebuilds_to_the_same, tables_with
from tests.support.given import RECEIVED_AT, Delivery, created, entered, envelope, joined, left
from tests.support.items import read_log

pytestmark = pytest.mark.timeout(300)

_CUSTOMERS = 24
_ROUNDS = 30


def _life(number: int, round_: int) -> Iterator[Delivery]:
    """What happens to a customer in a round; some of it is late, some of it is a dead letter."""
    name, at = f"cust_{number:03}", f"2024-03-01T{(round_ * 7) % 24:02}:00:{number % 60:02}Z"
    yield created(name, at=at, id=f"c-{name}-{round_}", email=f"{name}@shop.test")
    yield (entered if round_ % 2 else left)(name, "seg_1", at=at, id=f"s-{name}-{round_}")
    yield joined(name, "" if round_ % 5 == 0 else "ltr_1", at=at, id=f"t-{name}-{round_}")


def test_erasures_beside_all_other_work(database: Database, migrated_url: str) -> None:
    erased = [f"cust_{number:03}" for number in range(0, _CUSTOMERS, 3)]
    stop, has_come = Event(), Event()

    def write(other: Database) -> None:
        """Everybody's events; of those who are erased in the first rounds only."""
        cache = StreamCache()
        for round_ in range(_ROUNDS):
            some = range(_CUSTOMERS) if round_ < 5 else set(range(_CUSTOMERS)) - _numbers(erased)
            items = [envelope(each) for number in some for each in _life(number, round_)]
            append(other, items, received_at=RECEIVED_AT, cache=cache)
            if round_ == 4:
                has_come.set()

    def fold(other: Database) -> None:
        with suppress(CheckpointMoved):
            project_batch(other, discover(), batch_events_max=50)

    def repair(other: Database) -> None:
        seal(other)
        retry_dead_letters(other, discover())
        for name in (erased[-1], "cust_001"):
            # Erased by now, or not there yet.
            with suppress(ProjectorError):
                rebuild_customer(other, discover(), name)

    def rebuild_all(other: Database) -> None:
        with suppress(RebuildRunning, DatabaseBusy):
            rebuild(other, discover(), ENGINES["in-process"])
        # Else there would hardly be a moment without one.
        stop.wait(1)

    def again(work: Callable[[Database], None]) -> None:
        with closing(Database(migrated_url)) as other:
            while not stop.is_set():
                work(other)

    with ThreadPoolExecutor(5) as pool, closing(Database(migrated_url)) as other:
        beside = [pool.submit(again, each) for each in (fold, repair, rebuild_all)]
        writing = pool.submit(write, other)
        try:
            assert has_come.wait(120)
            for name in erased:
                _forget(database, name)
            writing.result(120)
        finally:
            stop.set()
        for each in beside:
            each.result(120)
    catch_up(database, discover())
    assert len(list_erasures(database).erasures) == len(erased)
    assert tables_with(database, *erased) == {}
    events = read_log(database)
    assert [each.position for each in events] == [*range(1, len(events) + 1)]
    assert sum(each.source == "erased" for each in events) == len(erased) * 3 * 5
    is_right(database)
    rebuilds_to_the_same(database)


def _forget(database: Database, name: str) -> None:
    """As an operator does: once more while a rebuild runs."""
    while True:
        with suppress(RebuildRunning):
            assert forget(database, [name]).events == 3 * 5
            return


def _numbers(names: list[str]) -> set[int]:
    return {int(each.removeprefix("cust_")) for each in names}
