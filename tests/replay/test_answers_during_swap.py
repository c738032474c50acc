"""Answers while a rebuild swaps the tables: of before or of after, and never of both."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from projector import CustomerState
from projector.projections import discover
from projector.projections.projection import Projection
from projector.queries.customers import find_customer, find_customers
from projector.store.database import Database
from projector.store.rebuild import shadow
from replay import rebuild
from tests.support.databases import url_of
from tests.support.given import append_and_project, append_webhooks, created, entered, joined, left
from tests.support.logs import MONDAY, THURSDAY, TUESDAY, by_steps, sql

_HISTORY = [
    created("cust_1", at=MONDAY, name="Ada"),
    entered("cust_1", "seg_1", at=TUESDAY),
    joined("cust_1", "ltr_1", at=TUESDAY),
]
#: What comes in when the new tables are filled: the swap folds it, so that its transaction writes
#: rows into the new tables.
_TAIL = [left("cust_1", "seg_1", at=THURSDAY), entered("cust_1", "seg_2", at=THURSDAY)]
_BEFORE, _AFTER = (["seg_1"], 3), (["seg_2"], 5)

_EVERYTHING = list(discover())
_MEMBERSHIPS = [each for each in _EVERYTHING if each.name == "segment_membership"]


@contextmanager
def _swapping(
    database: Database, projections: list[Projection], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], None]]:
    """Rebuild in another thread, whose swap is done but not committed; yield what commits it."""
    swapped, commit = threading.Event(), threading.Event()

    def append_tail(phase: str, done: int, _total: int) -> None:
        if phase == "indexing" and not done:
            append_webhooks(database, *_TAIL)

    def hold() -> None:
        swapped.set()
        commit.wait()

    @contextmanager
    def lock(_database: Database) -> Iterator[Callable[[], None]]:
        yield hold

    # What a rebuild calls right before the commit of its swap, to see whether it has its lock yet.
    monkeypatch.setattr(shadow, "lock", lock)
    with closing(Database(url_of(database))) as other:
        rebuilding = threading.Thread(
            target=rebuild,
            args=(other, projections, by_steps),
            kwargs={"on_progress": append_tail},
        )
        rebuilding.start()
        try:
            assert swapped.wait(30)
            yield commit.set
        finally:
            commit.set()
            rebuilding.join(30)


@pytest.mark.parametrize("projections", [_EVERYTHING, _MEMBERSHIPS], ids=["all", "one"])
@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_an_answer_waits_for_the_swap_and_sees_all_rows_of_the_new_tables(
    postgres_database: Database,
    projections: list[Projection],
    level: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the statement was prepared before, and whatever isolation the server sets."""
    database = postgres_database
    name = database.url.database
    sql(database, f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")
    append_and_project(database, *_HISTORY)
    with (
        closing(Database(url_of(database))) as used,
        closing(Database(url_of(database))) as new,
        ThreadPoolExecutor() as pool,
    ):
        for _ in range(10):
            assert _told(find_customer(used, "cust_1")) == _BEFORE
            assert [*map(_told, find_customers(used, ["cust_1", "x"]).customers)] == [_BEFORE]
        with _swapping(database, projections, monkeypatch) as commit:
            found = [
                pool.submit(lambda each: _told(find_customer(each, "cust_1")), each)
                for each in (used, new)
            ]
            found.append(
                pool.submit(lambda: _told(find_customers(used, ["cust_1", "x"]).customers[0]))
            )
            _wait_for_waiting(database, len(found))
            assert not any(each.done() for each in found)
            commit()
            segments = [_AFTER[0]] * len(found)
            assert [each.result(30)[0] for each in found] == segments
        if projections is _EVERYTHING:
            assert {each.result()[1] for each in found} == {_AFTER[1]}


@pytest.mark.external
def test_an_answer_from_sqlite_is_of_before_until_the_swap_is_committed(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers keep their snapshot, and do not wait."""
    append_and_project(sqlite_database, *_HISTORY)
    assert _told(find_customer(sqlite_database, "cust_1")) == _BEFORE
    with _swapping(sqlite_database, _EVERYTHING, monkeypatch):
        assert _told(find_customer(sqlite_database, "cust_1")) == _BEFORE
    assert _told(find_customer(sqlite_database, "cust_1")) == _AFTER


def _told(state: CustomerState) -> tuple[list[str], int]:
    return [each.segment_id for each in state.segments], state.position


def _wait_for_waiting(database: Database, number: int) -> None:
    """Wait until so many statements wait for locks."""
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    waiting += " AND datname = current_database()"
    while len(set(sql(database, waiting))) < number:
        pass
