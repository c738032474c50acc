"""Which letters a retry folds anew and in which pieces; and that others are at work meanwhile."""

import sys
import threading
from collections.abc import Sequence
from contextlib import closing

import pytest
from sqlalchemy import Connection

from projector.errors import CheckpointMoved, DeadLetterNotFound
from projector.operate.dead_letters import (
    DeadLetterRetryReport,
    retry_dead_letters,
    show_dead_letter,
)
from projector.projections import discover, named
from projector.projections.projection import Projection
from projector.runner import direct
from projector.runner import refold as refold_module
from projector.runner.runner import catch_up, project_batch
from projector.store import checkpoints
from projector.store import dead_letters as store_dead_letters
from projector.store.append import append
from projector.store.database import Database
from tests.runner.test_runner import Interrupted
from tests.support.databases import positions, rows
from tests.support.dead_letters import (
    READERS,
    REFUSED,
    Unreadable,
    is_as_rebuilt,
    made,
    many,
    positions_of,
    retried,
    revisions,
    unlearnt,
)
from tests.support.given import (
    RECEIVED_AT,
    append_and_project,
    delivery,
    entered,
    envelope,
    segment,
)
from tests.support.oracle import FUSSY, truth

MONDAY = "2024-03-04T10:00:00Z"


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Unreadable:
    return unlearnt(monkeypatch)


@pytest.fixture
def in_pieces_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[retry_dead_letters.__module__], "RETRY_STREAMS_MAX", 2)


@pytest.fixture
def refolded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The projections whose rows are written anew, each with the number of streams."""
    done: list[tuple[str, int]] = []

    def refold(database: Database, projections: Sequence[Projection], streams: list[int]) -> None:
        done.extend((each.name, len(streams)) for each in projections)
        _refold(database, projections, streams)

    _refold = refold_module.refold
    monkeypatch.setattr(refold_module, "refold", refold)
    return done


def test_a_dead_letter_without_customer_beyond_the_checkpoint_is_left_to_the_projector(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild that was planned at an older head takes the place of the rows during a retry."""
    [projection] = named(["segment_membership"])
    nobodys = delivery("customer.segment.left", None, at=MONDAY, segment=segment("seg_1"))
    append_and_project(database, nobodys)
    read = store_dead_letters.without_customer

    def then_rebuilt(connection: Connection, name: str) -> list[int]:
        found = read(connection, name)
        monkeypatch.undo()
        with database.writing() as other:
            mark = checkpoints.read(other, [projection], lock=True)[projection.name]
            store_dead_letters.delete_all(other, projection.name)
            checkpoints.advance(
                other, mark, projection, position=0, digest=mark.digest, rewritten=True
            )
        return found

    monkeypatch.setattr(store_dead_letters, "without_customer", then_rebuilt)
    retry_dead_letters(database, [projection])
    catch_up(database, [projection])
    with database.reading() as connection:
        assert store_dead_letters.without_customer(connection, projection.name) == [1]


def test_only_the_customers_of_the_named_positions_are_folded_anew(
    database: Database, refolded: list[tuple[str, int]]
) -> None:
    append_and_project(database, *REFUSED, projections=FUSSY)
    assert retry_dead_letters(database, discover(), [4]) == retried(resolved=1)
    assert refolded == [("segment_membership", 1)]
    # The customer's other letter is resolved on the way, though nobody asked for it.
    assert positions_of(database) == {1, 3}
    assert retry_dead_letters(database, discover(), [3]) == retried(resolved=1)
    assert positions_of(database) == set()


@pytest.mark.parametrize("unknown", [2, 7, 0, -1, 2**31, 2**63 - 1, 2**63, -(2**70)])
def test_with_a_position_of_no_dead_letter_among_them_nothing_is_done(
    database: Database, unknown: int
) -> None:
    append_and_project(database, *REFUSED, projections=FUSSY)
    before = made(database)
    with pytest.raises(DeadLetterNotFound, match=str(unknown)):
        retry_dead_letters(database, discover(), [1, unknown])
    assert made(database) == before
    with pytest.raises(DeadLetterNotFound, match=str(unknown)):
        show_dead_letter(database, unknown)


def test_a_second_retry_changes_nothing(database: Database) -> None:
    unreadable = entered("cust_1", {"name": "of no id"}, at=MONDAY)
    append_and_project(database, unreadable, *REFUSED, projections=FUSSY)
    assert retry_dead_letters(database, discover()) == retried(resolved=3, waiting=2)
    before = made(database)
    assert retry_dead_letters(database, discover()) == retried(waiting=2)
    assert made(database) == before


def test_with_no_dead_letter_nothing_is_written(database: Database) -> None:
    append_and_project(database, *REFUSED)
    before = revisions(database)
    assert retry_dead_letters(database, discover()) == retried()
    assert revisions(database) == before


def test_a_projector_that_folded_on_the_older_rows_does_not_write(
    database: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "EVENTS_MAX", 0)
    append_and_project(database, *REFUSED[:4], projections=FUSSY)
    append(database, [envelope(each) for each in REFUSED[4:]], received_at=RECEIVED_AT)
    with closing(Interrupted(shared_url)) as slow:
        slow.before_writing = lambda: retry_dead_letters(database, discover())
        with pytest.raises(CheckpointMoved):
            project_batch(slow, named(["segment_membership"]), batch_events_max=10)
        assert rows(database)["segment_membership"]
        assert positions(database)["segment_membership"] == 4
        catch_up(slow, discover())
    assert rows(database) == truth(discover(), map(envelope, REFUSED)).rows


@pytest.mark.usefixtures("in_pieces_of_two")
def test_many_customers_are_folded_anew_in_pieces(
    database: Database, refolded: list[tuple[str, int]]
) -> None:
    append_and_project(database, *many(5), projections=FUSSY)
    tried: list[int] = []
    done = retry_dead_letters(database, discover(), on_piece=tried.append)
    assert done == retried(resolved=5)
    assert tried == [2, 4, 5]
    assert refolded == [("segment_membership", number) for number in (2, 2, 1)]
    assert rows(database) == truth(discover(), map(envelope, many(5))).rows
    assert is_as_rebuilt(database)


@pytest.mark.usefixtures("in_pieces_of_two")
@pytest.mark.parametrize("learnt", [True, False])
def test_every_letter_of_a_customer_with_many_is_tried_once(
    database: Database, unreadable: Unreadable, refolded: list[tuple[str, int]], learnt: bool
) -> None:
    customers = ["cust_1"] * 6 + ["cust_2"]
    unreadable.event_ids.update(f"e{n}" for n in range(7))
    append_and_project(
        database,
        *(entered(each, f"seg_{n}", at=MONDAY, id=f"e{n}") for n, each in enumerate(customers)),
    )
    if learnt:
        unreadable.event_ids.clear()
    expected = retried(resolved=14) if learnt else retried(waiting=14)
    assert retry_dead_letters(database, discover()) == expected
    assert refolded == [(name, 2) for name in READERS]


@pytest.mark.usefixtures("in_pieces_of_two")
def test_many_dead_letters_without_customer_are_retried_in_pieces(database: Database) -> None:
    nobodys = [delivery("customer.segment.left", None, at=MONDAY, id=f"e{n}") for n in range(5)]
    append_and_project(database, *nobodys, *many(1), projections=FUSSY)
    tried: list[int] = []
    done = retry_dead_letters(database, discover(), on_piece=tried.append)
    assert done == retried(resolved=1, waiting=15)
    assert tried == [2, 4, 5, 6, 8, 10, 11, 13, 15, 16]
    assert is_as_rebuilt(database)


def test_retries_at_the_same_time_do_no_harm(database: Database, shared_url: str) -> None:
    nobodys = [delivery("customer.segment.left", None, at=MONDAY, id=f"e{n}") for n in range(5)]
    happened = [*nobodys, *many(20)]
    append_and_project(database, *happened, projections=FUSSY)
    done: list[DeadLetterRetryReport] = []

    def retry() -> None:
        with closing(Database(shared_url)) as other:
            done.append(retry_dead_letters(other, discover()))

    threads = [threading.Thread(target=retry) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == len(threads)
    assert {each.waiting for each in done} == {15}
    assert rows(database) == truth(discover(), map(envelope, happened[5:])).rows
    assert is_as_rebuilt(database)


def test_the_second_of_two_retries_of_a_dead_letter_without_customer_waits(
    database: Database, shared_url: str
) -> None:
    """Otherwise both would write the letter anew, and the second one fail."""
    append_and_project(database, delivery("customer.segment.left", None, at=MONDAY))
    with closing(Database(shared_url)) as other:
        retrying = threading.Thread(target=retry_dead_letters, args=(other, discover()))
        with database.writing() as connection:
            checkpoints.read(connection, discover(), lock=True)
            retrying.start()
            retrying.join(0.3)
            assert retrying.is_alive()
        retrying.join(30)
    assert positions_of(database) == {1}
