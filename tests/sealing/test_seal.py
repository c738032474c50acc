"""Sealing follows the log: what is sealed is what is there, whoever seals it and however often."""

from collections.abc import Callable
from itertools import pairwise
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.errors import SealUnsound
from projector.sealing import seal as sealing
from projector.sealing.seal import seal
from projector.sealing.verify import verify_log
from projector.store.append import append
from projector.store.database import Database
from projector.store.sealed import leaves, subtrees
from projector.tlog.keys import encode
from projector.tlog.tree import leaf_hash, root_of
from tests.support.databases import wipe
from tests.support.given import RECEIVED_AT, Delivery
from tests.support.histories import Arrival, arrivals, histories
from tests.support.items import read_log
from tests.support.seals import commitments, expected, fill
from tests.support.verification import run

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_arriving = histories().flatmap(lambda history: st.tuples(st.just(history), arrivals(history)))


@pytest.fixture
def database(wiped_database: Database) -> Database:
    return wiped_database


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the size of a batch."""

    def set_size(events_max: int) -> None:
        monkeypatch.setattr(sealing, "BATCH_EVENTS_MAX", events_max)

    return set_size


def _root(database: Database) -> str:
    return encode(root_of([leaf_hash(each) for *_, each in commitments(database)]))


def _assert_sealed(database: Database) -> None:
    """The leaves are the definition's, of the whole log, with salts that differ."""
    events, found = read_log(database), commitments(database)
    assert [position for position, *_ in found] == [each.position for each in events]
    assert {len(salt or b"") for _, salt, _ in found} <= {16}
    assert len({salt for _, salt, _ in found}) == len(found)
    assert [each for *_, each in found] == [
        expected(salt, event) for (_, salt, _), event in zip(found, events, strict=True)
    ]
    report = verify_log(database)
    assert report.is_right, report
    assert (report.checked, report.size, report.unsealed) == (len(events), len(events), 0)
    assert report.root == _root(database)


@settings(max_examples=20, suppress_health_check=_SHARED)
@given(arriving=_arriving, batch=st.integers(1, 5), data=st.data())
def test_any_history_is_sealed_as_it_is_however_it_comes_in(
    shared_database: Database,
    batches: Callable[[int], None],
    arriving: tuple[list[Delivery], list[Arrival]],
    batch: int,
    data: st.DataObject,
) -> None:
    wipe(shared_database)
    batches(batch)
    for each in arriving[1]:
        append(shared_database, each.envelopes, received_at=RECEIVED_AT)
        if data.draw(st.booleans()):
            seal(shared_database)
    seal(shared_database)
    _assert_sealed(shared_database)


def test_to_append_is_not_to_seal(database: Database) -> None:
    fill(database, range(5))
    assert commitments(database) == []
    report = verify_log(database)
    assert (report.is_right, report.checked, report.size, report.unsealed) == (True, 0, 0, 5)
    assert seal(database) == 5
    fill(database, range(5, 8))
    assert verify_log(database).unsealed == 3


def test_the_cache_of_the_tree_is_never_needed(
    database: Database, batches: Callable[[int], None]
) -> None:
    batches(100)
    fill(database, range(700))
    seal(database)
    with database.reading() as connection:
        cached = subtrees.read(connection, 1, 0, 9)
    hashes = [leaf_hash(each) for *_, each in commitments(database)]
    assert cached == {0: root_of(hashes[:256]), 1: root_of(hashes[256:512])}
    for gap in ("WHERE number = 0", ""):
        run(database, f"DELETE FROM subtree {gap}")
        for size in (1, 256, 257, 512, 513, 700):
            with database.reading() as connection:
                assert subtrees.tree(connection, size).root() == root_of(hashes[:size])
    fill(database, range(700, 800))
    seal(database)
    with database.reading() as connection:
        assert subtrees.read(connection, 1, 0, 9).keys() == {0, 1, 2}
    _assert_sealed(database)


def test_several_may_seal_at_once(database: Database, batches: Callable[[int], None]) -> None:
    batches(7)
    fill(database, range(600))
    start, errors = Barrier(3), list[Exception]()

    def work() -> None:
        start.wait()
        try:
            seal(database)
        except Exception as error:
            errors.append(error)

    threads = [Thread(target=work) for _ in range(start.parties)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    _assert_sealed(database)


@pytest.mark.parametrize(
    ("module", "step"), [(leaves, "append"), (subtrees, "add"), (leaves, "last_locked")]
)
def test_a_batch_is_sealed_as_a_whole_or_not_at_all(
    database: Database,
    batches: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    step: str,
) -> None:
    """A failure right behind each step of the third batch."""
    batches(100)
    fill(database, range(500))
    done = 0
    work = getattr(module, step)

    def fail(*arguments: object, **named: object) -> object:
        nonlocal done
        result = work(*arguments, **named)
        done += 1
        if done == 3:
            raise RuntimeError("killed")
        return result

    with monkeypatch.context() as patched:
        patched.setattr(module, step, fail)
        with pytest.raises(RuntimeError, match="killed"):
            seal(database)
    assert len(commitments(database)) == 200
    with database.reading() as connection:
        assert subtrees.read(connection, 1, 0, 9) == {}
    assert seal(database) == 500
    _assert_sealed(database)


def test_sealing_stops_after_a_batch(database: Database, batches: Callable[[int], None]) -> None:
    batches(4)
    fill(database, range(10))
    seen = []

    def go_on(sealed: int, head: int) -> bool:
        seen.append((sealed, head))
        return sealed < 8

    assert seal(database, on_batch=go_on) == 8
    assert seen == [(0, 10), (4, 10), (8, 10)]
    assert len(commitments(database)) == 8


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (("DELETE FROM event WHERE position = 5",), "there is no event at position 5"),
        (("DELETE FROM event WHERE position > 6",), "there is no event at position 7"),
        (
            ("DELETE FROM event WHERE position > 2", "UPDATE log_head SET position = 2"),
            "the seal ends at 3, the log at 2",
        ),
    ],
    ids=["a hole", "an end", "a shorter log"],
)
def test_a_log_that_lacks_events_is_not_sealed(
    database: Database, statements: tuple[str, ...], problem: str
) -> None:
    fill(database, range(3))
    seal(database)
    fill(database, range(3, 8))
    run(database, *statements)
    with pytest.raises(SealUnsound, match=problem):
        seal(database)
    assert len(commitments(database)) == 3


def test_equal_events_have_commitments_that_do_not_show_it(
    both: tuple[Database, Database],
) -> None:
    """Two logs of the same events: their records are equal, and nothing else."""
    for each in both:
        fill(each, range(20))
        seal(each)
    one, other = map(commitments, both)
    events = [read_log(each) for each in both]
    assert events[0] == events[1]
    assert not {each for *_, each in one} & {each for *_, each in other}
    for (_, _, found), (_, salt, commitment), event in zip(one, other, events[0], strict=True):
        assert found != commitment == expected(salt, event)


def test_heads_of_a_growing_log_extend_one_another(
    database: Database, batches: Callable[[int], None]
) -> None:
    batches(90)
    sizes = [0, 1, 255, 256, 300, 513]
    roots = {}
    for before, size in pairwise(sizes):
        fill(database, range(before, size))
        seal(database)
        with database.reading() as connection:
            tree = subtrees.tree(connection, size)
            roots[size] = tree.root()
            assert {old: tree.root(old) for old in roots} == roots
