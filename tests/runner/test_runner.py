"""Rows and checkpoint commit together, and one bad event stops nobody and fools nobody."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from attrs import evolve
from sqlalchemy import Connection

from projector.errors import CheckpointMoved, ProjectionOutdated
from projector.projections import discover, named
from projector.projections.projection import Projection
from projector.runner import direct
from projector.runner.refold import refold
from projector.runner.runner import catch_up, project_batch
from projector.store import checkpoints
from projector.store.database import Database
from replay import rebuild
from replay.engines import ENGINES
from tests.support.databases import dead_letters, positions, rows, stored
from tests.support.given import (
    Delivery,
    append_webhooks,
    created,
    entered,
    envelope,
    left,
    updated,
)
from tests.support.oracle import truth

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))

#: Each of them is counted by the customer's row, so none can be folded twice unseen.
HISTORY = [
    created("cust_1", at=MONDAY, name="Ada"),
    entered("cust_1", "seg_1", at=TUESDAY),
    left("cust_1", "seg_1", at=WEDNESDAY),
    updated("cust_1", at=THURSDAY, name="Ada L."),
]


class Interrupted(Database):
    """A database of a slow process: something happens before its next write begins."""

    before_writing: Callable[[], object] | None = None

    @contextmanager
    def writing(
        self, connection: Connection | None = None, *, durable: bool = True
    ) -> Iterator[Connection]:
        interlude, self.before_writing = self.before_writing, None
        if interlude is not None:
            interlude()
        with super().writing(connection, durable=durable) as begun:
            yield begun


@pytest.fixture
def slow(database: Database, migrated_url: str) -> Iterator[Interrupted]:
    slow = Interrupted(migrated_url)
    yield slow
    slow.close()


def _project(
    database: Database, batch_events_max: int = 2, projections: Sequence[Projection] = discover()
) -> int | None:
    return project_batch(database, projections, batch_events_max=batch_events_max)


def _holds(database: Database, *webhooks: Delivery) -> bool:
    expected = truth(discover(), map(envelope, webhooks))
    return (rows(database), dead_letters(database)) == (expected.rows, expected.dead_letters)


INTERLUDES: dict[str, Callable[[Database], object]] = {
    "the same batch": lambda database: _project(database, 2),
    "a smaller batch": lambda database: _project(database, 1),
    "a larger batch": lambda database: _project(database, 4),
    "a batch of one projection": lambda database: _project(database, 2, named(["customer"])),
    "a rebuild": lambda database: rebuild(database, discover(), ENGINES["in-process"]),
    "a customer folded anew": lambda database: refold(database, discover(), [1]),
}


@pytest.mark.parametrize("begun", [0, 1], ids=["from the beginning", "going on"])
@pytest.mark.parametrize("interlude", INTERLUDES.values(), ids=INTERLUDES)
def test_one_of_two_projectors_of_the_same_batch_writes_it(
    database: Database,
    slow: Interrupted,
    interlude: Callable[[Database], object],
    begun: int,
) -> None:
    append_webhooks(database, *HISTORY)
    for _ in range(begun):
        _project(database, 1)
    won = []

    def win() -> None:
        interlude(database)
        won.append((stored(database), positions(database)))

    slow.before_writing = win
    with pytest.raises(CheckpointMoved):
        _project(slow)
    assert [(stored(database), positions(database))] == won
    catch_up(slow, discover())
    assert _holds(database, *HISTORY)


def test_a_projector_that_lost_goes_on_from_where_the_winner_is(
    database: Database, slow: Interrupted
) -> None:
    append_webhooks(database, *HISTORY)
    slow.before_writing = lambda: _project(database, 3)
    reached: list[int] = []
    catch_up(slow, discover(), on_batch=reached.append)
    assert reached == [4]
    assert _holds(database, *HISTORY)


def test_a_projector_does_not_write_on_rows_that_a_rebuild_has_replaced(
    database: Database, slow: Interrupted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "EVENTS_MAX", 0)
    append_webhooks(database, *HISTORY[:2])
    catch_up(database, discover())
    append_webhooks(database, *HISTORY[2:])
    slow.before_writing = lambda: rebuild(database, discover(), ENGINES["in-process"])
    with pytest.raises(CheckpointMoved):
        _project(slow)
    assert set(positions(database).values()) == {4}
    catch_up(slow, discover())
    assert _holds(database, *HISTORY)


def test_projections_that_meet_go_on_together(database: Database) -> None:
    append_webhooks(database, *HISTORY)
    _project(database, 2, named(["customer"]))
    reached = [_project(database, 10) for _ in range(3)]
    assert reached == [2, 4, None]
    assert _holds(database, *HISTORY)


def test_a_write_that_fails_leaves_neither_rows_nor_checkpoints(
    database: Database, migrated_url: str
) -> None:
    class Broken(Database):
        @contextmanager
        def writing(
            self, connection: Connection | None = None, *, durable: bool = True
        ) -> Iterator[Connection]:
            with super().writing(connection, durable=durable) as begun:
                yield begun
                raise ConnectionError("the cable")

    append_webhooks(database, *HISTORY)
    _project(database, 1)
    before = stored(database), positions(database)
    broken = Broken(migrated_url)
    with pytest.raises(ConnectionError):
        _project(broken)
    broken.close()
    assert (stored(database), positions(database)) == before


def test_projectors_at_the_same_time_fold_every_event_once(
    database: Database, migrated_url: str
) -> None:
    history = [
        updated(f"cust_{n % 3}", at=f"2024-03-04T10:00:{(n * 7) % 40:02}Z", name=f"{n}")
        for n in range(40)
    ]
    append_webhooks(database, *history)
    others = [Database(migrated_url) for _ in range(3)]
    threads = [
        threading.Thread(target=catch_up, args=(other, discover()), kwargs={"batch_events_max": 3})
        for other in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert _holds(database, *history)
    assert set(positions(database).values()) == {40}


def test_customers_are_folded_anew_up_to_where_each_projection_is(database: Database) -> None:
    append_webhooks(database, *HISTORY)
    for number, each in enumerate(discover()):
        project_batch(database, [each], batch_events_max=number + 1)
    before = stored(database), positions(database)
    assert len({*before[1].values()}) > 1
    refold(database, discover(), [1])
    assert (stored(database), positions(database)) == before
    catch_up(database, discover())
    assert _holds(database, *HISTORY)


def test_folding_anew_waits_for_a_projector_that_is_writing(
    database: Database, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would compute from rows that are not there any more when it writes."""
    monkeypatch.setattr(direct, "EVENTS_MAX", 0)
    append_webhooks(database, *HISTORY)
    _project(database, 2)
    other = Database(migrated_url)
    refolding = threading.Thread(target=refold, args=(other, discover(), [1]))

    class Writing(Database):
        @contextmanager
        def writing(
            self, connection: Connection | None = None, *, durable: bool = True
        ) -> Iterator[Connection]:
            with super().writing(connection, durable=durable) as begun:
                yield begun
                refolding.start()
                # It comes to the lock of the checkpoints, which are not committed yet.
                refolding.join(0.2)
                assert refolding.is_alive()

    writing = Writing(migrated_url)
    _project(writing, 2)
    refolding.join(30)
    writing.close()
    other.close()
    assert set(positions(database).values()) == {4}
    with database.reading() as connection:
        marks = checkpoints.read(connection, discover())
    assert {each.generation for each in marks.values()} == {1}
    assert _holds(database, *HISTORY)


def test_rows_of_another_version_of_a_fold_are_not_gone_on_with(database: Database) -> None:
    append_webhooks(database, *HISTORY[:2])
    catch_up(database, discover())
    before, reached = stored(database), positions(database)
    newer = [
        evolve(each, version=each.version + 1) if each.name == "segment_membership" else each
        for each in discover()
    ]
    append_webhooks(database, *HISTORY[2:])
    with pytest.raises(
        ProjectionOutdated, match=r"'segment_membership'.* version 3 .* is version 4 "
    ):
        catch_up(database, newer)
    with pytest.raises(ProjectionOutdated):
        refold(database, newer, [1])
    # It waits; the others have gone on.
    assert stored(database)["segment_membership"] == before["segment_membership"]
    waiting = {"segment_membership": reached["segment_membership"]}
    assert positions(database) == {**dict.fromkeys(reached, len(HISTORY)), **waiting}
    rebuild(database, newer, ENGINES["in-process"])
    catch_up(database, newer)
    assert _holds(database, *HISTORY)
