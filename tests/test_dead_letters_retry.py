"""After a fix, dead letters are folded anew, and the rows are those that a rebuild would write."""

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest
from attrs import evolve, frozen
from sqlalchemy import Connection, select

from projector import batch, codec, runner
from projector.codec import Undecodable
from projector.dead_letters import (
    LettersRetried,
    ReasonCount,
    list_letters,
    retry_letters,
    show_letter,
)
from projector.envelope import Envelope
from projector.errors import BadCursor, CheckpointMoved, DeadLetterNotFound, ProjectionUnknown
from projector.events import FACTS, SegmentLeft
from projector.fold import Projection
from projector.projections import discover, named
from projector.query import Moment, find_customer
from projector.runner import catch_up, project_batch
from projector.store import checkpoints
from projector.store import dead_letters as store_dead_letters
from projector.store.append import append
from projector.store.engine import Database
from projector.store.tables import checkpoint, dead_letter
from replay import rebuild
from replay.engines import ENGINES
from tests.databases import letters, positions, rows
from tests.given import (
    RECEIVED_AT,
    Delivery,
    created,
    delivery,
    entered,
    envelope,
    joined,
    left,
    segment,
    updated,
)
from tests.oracle import FUSSY, truth
from tests.test_runner import Interrupted

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))
#: The projections that read what enters or leaves a segment.
READERS = ("customer", "segment_membership", "segment_membership_history")


@pytest.fixture
def database(wiped_database: Database) -> Database:
    return wiped_database


@frozen
class Unreadable:
    """A decoder that does not know some events yet."""

    event_ids: set[str]

    def learn(self, *event_ids: str) -> None:
        self.event_ids.difference_update(event_ids)


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Unreadable:
    found, decode = Unreadable(set()), codec._decode_as

    def refuse(fact_type: Any, event: Envelope) -> Any:
        if event.event_id in found.event_ids:
            raise ValueError("not yet known")
        return decode(fact_type, event)

    monkeypatch.setattr(codec, "_decode_as", refuse)
    return found


@pytest.fixture
def in_pieces_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[retry_letters.__module__], "RETRY_STREAMS_MAX", 2)


@pytest.fixture
def refolded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The projections whose rows are written anew, each with the number of streams."""
    done: list[tuple[str, int]] = []

    def refold(database: Database, projections: Sequence[Projection], streams: list[int]) -> None:
        done.extend((each.name, len(streams)) for each in projections)
        _refold(database, projections, streams)

    _refold = runner.refold
    monkeypatch.setattr(runner, "refold", refold)
    return done


def arrive(
    database: Database, *webhooks: Delivery, projections: Sequence[Projection] = discover()
) -> None:
    append(database, [envelope(each) for each in webhooks], received_at=RECEIVED_AT)
    catch_up(database, projections)


def made(database: Database) -> list[Any]:
    """All that projecting has made: the rows, the letters with their reasons, the digests."""
    marks = select(checkpoint.c.projection, checkpoint.c.position, checkpoint.c.digest)
    with database.reading() as connection:
        return [
            rows(database),
            sorted(tuple(row) for row in connection.execute(select(dead_letter))),
            sorted(tuple(row) for row in connection.execute(marks)),
        ]


def is_as_rebuilt(database: Database, projections: Sequence[Projection] = discover()) -> bool:
    before = made(database)
    rebuild(database, projections, ENGINES["in-process"])
    return made(database) == before


def positions_of(database: Database) -> set[int]:
    return {each.position for each in list_letters(database, limit=1000).dead_letters}


def is_complete(database: Database, customer_id: str) -> bool:
    return find_customer(database, customer_id).complete


def revisions(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        found = connection.execute(select(checkpoint.c.projection, checkpoint.c.revision))
        return {row[0]: row[1] for row in found}


def _done(*, resolved: int = 0, waiting: int = 0) -> LettersRetried:
    return LettersRetried(tried=resolved + waiting, resolved=resolved, waiting=waiting)


_REFUSED = [
    left("cust_1", "seg_1", at=TUESDAY, id="e2"),
    entered("cust_1", "seg_1", at=WEDNESDAY, id="e3"),
    entered("cust_1", "seg_2", at=THURSDAY, id="e4"),
    left("cust_2", "seg_1", at=MONDAY, id="e5"),
    updated("cust_2", at=TUESDAY, name="Ada", id="e6"),
    joined("cust_2", "ltr_1", at=TUESDAY, id="e7"),
]


@pytest.mark.parametrize("which", ["all", "positions"])
def test_after_a_fix_of_the_fold_the_rows_are_those_of_a_rebuild(
    database: Database, which: str
) -> None:
    arrive(database, *_REFUSED, projections=FUSSY)
    assert positions_of(database) == {1, 3, 4}
    before = revisions(database)
    asked = None if which == "all" else [4, 1, 3, 3]
    assert retry_letters(database, discover(), asked) == _done(resolved=3)
    expected = truth(discover(), map(envelope, _REFUSED))
    assert (rows(database), letters(database)) == (expected.rows, [])
    changed = {name for name, number in revisions(database).items() if number != before[name]}
    assert changed == {"segment_membership"}, "the others had nothing to be done"
    assert is_as_rebuilt(database)


def test_after_a_fix_of_the_decoder_all_who_refused_the_event_take_it(
    database: Database, unreadable: Unreadable
) -> None:
    unreadable.event_ids.update({"e3", "e7"})
    arrive(database, *_REFUSED)
    assert {name for name, _, event_id in letters(database) if event_id == "e3"} == {*READERS}
    unreadable.learn("e3")
    assert retry_letters(database, discover()) == _done(resolved=3, waiting=3)
    assert {event_id for _, _, event_id in letters(database)} == {"e7"}
    unreadable.learn("e7")
    assert retry_letters(database, discover()) == _done(resolved=3)
    expected = truth(discover(), map(envelope, _REFUSED))
    assert (rows(database), letters(database)) == (expected.rows, [])
    assert is_as_rebuilt(database)


def test_a_letter_that_stays_says_why_it_is_refused_now(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one of a customer as well as that of nobody: as a rebuild would write them."""
    nobodys = delivery("customer.segment.left", None, at=MONDAY, segment={"id": "seg_1"})
    with monkeypatch.context() as patched:
        patched.setattr(batch, "decode", _refuse_in_old_words)
        arrive(database, nobodys, entered("cust_1", {"name": "of no id"}, at=MONDAY))
    assert retry_letters(database, discover()) == _done(waiting=6)
    reasons = {each.reason for each in list_letters(database, limit=10).counts}
    assert len(reasons) == 2
    assert not any("old words" in reason for reason in reasons)
    assert is_as_rebuilt(database)


def _refuse_in_old_words(_event: Envelope) -> None:
    raise Undecodable("In old words.")


def test_a_letter_of_nobody_is_resolved_when_nobody_reads_its_type(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(FACTS, "voucher.created", SegmentLeft)
        arrive(
            database,
            delivery("voucher.created", None, at=MONDAY),
            delivery("customer.segment.left", None, at=MONDAY),
        )
    assert positions_of(database) == {1, 2}
    before = revisions(database)
    assert retry_letters(database, discover(), [1]) == _done(resolved=3)
    assert revisions(database) == before, "no rows were written"
    assert positions_of(database) == {2}
    assert retry_letters(database, discover()) == _done(waiting=3)
    assert is_as_rebuilt(database)


def test_an_answer_is_complete_when_the_customers_last_dead_letter_is_resolved(
    database: Database, unreadable: Unreadable
) -> None:
    unreadable.event_ids.update({"e2", "e4"})
    arrive(database, *_REFUSED)
    for learnt, complete in (("e2", False), ("e4", True)):
        retry_letters(database, discover())
        assert not is_complete(database, "cust_1")
        unreadable.learn(learnt)
        retry_letters(database, discover())
        assert is_complete(database, "cust_1") is complete
        assert is_complete(database, "cust_2")


def test_an_answer_is_not_complete_while_one_projection_that_it_is_made_of_still_refuses(
    database: Database, unreadable: Unreadable
) -> None:
    unreadable.event_ids.add("e2")
    arrive(database, *_REFUSED[:1])
    unreadable.learn("e2")
    for name in ("customer", "segment_membership"):
        assert not is_complete(database, "cust_1")
        assert retry_letters(database, named([name])) == _done(resolved=1)
    # The history, which refuses it still, is not in the answer.
    assert is_complete(database, "cust_1")
    assert find_customer(database, "cust_1", moment=Moment(at_position=1)).complete


def test_a_letter_of_nobody_beyond_the_checkpoint_is_left_to_the_projector(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild that was planned at an older head takes the place of the rows during a retry."""
    [projection] = named(["segment_membership"])
    nobodys = delivery("customer.segment.left", None, at=MONDAY, segment=segment("seg_1"))
    arrive(database, nobodys)
    read = store_dead_letters.streamless

    def then_rebuilt(connection: Connection, name: str) -> list[int]:
        found = read(connection, name)
        monkeypatch.undo()
        with database.writing() as other:
            mark = checkpoints.read(other, [projection], lock=True)[projection.name]
            store_dead_letters.clear(other, projection.name)
            checkpoints.advance(
                other, mark, position=0, version=1, digest=mark.digest, rewritten=True
            )
        return found

    monkeypatch.setattr(store_dead_letters, "streamless", then_rebuilt)
    retry_letters(database, [projection])
    catch_up(database, [projection])
    with database.reading() as connection:
        assert store_dead_letters.streamless(connection, projection.name) == [1]


def test_only_the_customers_of_the_named_positions_are_folded_anew(
    database: Database, refolded: list[tuple[str, int]]
) -> None:
    arrive(database, *_REFUSED, projections=FUSSY)
    assert retry_letters(database, discover(), [4]) == _done(resolved=1)
    assert refolded == [("segment_membership", 1)]
    # The customer's other letter is resolved on the way, though nobody asked for it.
    assert positions_of(database) == {1, 3}
    assert retry_letters(database, discover(), [3]) == _done(resolved=1)
    assert positions_of(database) == set()


@pytest.mark.parametrize("unknown", [2, 7, 0, -1, 2**31, 2**63 - 1, 2**63, -(2**70)])
def test_with_a_position_of_no_dead_letter_among_them_nothing_is_done(
    database: Database, unknown: int
) -> None:
    arrive(database, *_REFUSED, projections=FUSSY)
    before = made(database)
    with pytest.raises(DeadLetterNotFound, match=str(unknown)):
        retry_letters(database, discover(), [1, unknown])
    assert made(database) == before
    with pytest.raises(DeadLetterNotFound, match=str(unknown)):
        show_letter(database, unknown)


def test_a_second_retry_changes_nothing(database: Database) -> None:
    unreadable = entered("cust_1", {"name": "of no id"}, at=MONDAY)
    arrive(database, unreadable, *_REFUSED, projections=FUSSY)
    assert retry_letters(database, discover()) == _done(resolved=3, waiting=3)
    before = made(database)
    assert retry_letters(database, discover()) == _done(waiting=3)
    assert made(database) == before


def test_with_no_dead_letter_nothing_is_written(database: Database) -> None:
    arrive(database, *_REFUSED)
    before = revisions(database)
    assert retry_letters(database, discover()) == _done()
    assert revisions(database) == before


def test_a_retry_goes_no_further_than_the_projection_is(database: Database) -> None:
    arrive(database, *_REFUSED, projections=FUSSY)
    beyond = [
        entered("cust_1", "seg_1", at=MONDAY, id="late"),
        left("cust_1", "seg_2", at="2024-03-08T10:00:00Z"),
    ]
    append(database, [envelope(each) for each in beyond], received_at=RECEIVED_AT)
    assert retry_letters(database, discover()) == _done(resolved=3)
    assert set(positions(database).values()) == {6}
    assert rows(database) == truth(discover(), map(envelope, _REFUSED)).rows
    catch_up(database, discover())
    assert rows(database) == truth(discover(), map(envelope, [*_REFUSED, *beyond])).rows
    assert is_as_rebuilt(database)


def test_each_projection_is_folded_up_to_where_it_is_itself(database: Database) -> None:
    """The one that refused is behind the others, in the middle of a customer's events."""
    append(database, [envelope(each) for each in _REFUSED], received_at=RECEIVED_AT)
    catch_up(database, [each for each in discover() if each.name != "segment_membership"])
    membership = [each for each in FUSSY if each.name == "segment_membership"]
    project_batch(database, membership, batch_events_max=1)
    assert retry_letters(database, discover()) == _done(resolved=1)
    found = rows(database)["segment_membership"]
    assert found == truth(discover(), [envelope(_REFUSED[0])]).rows["segment_membership"]
    catch_up(database, discover())
    assert rows(database) == truth(discover(), map(envelope, _REFUSED)).rows


def test_a_projector_that_folded_on_the_older_rows_does_not_write(
    database: Database, shared_url: str
) -> None:
    arrive(database, *_REFUSED[:4], projections=FUSSY)
    append(database, [envelope(each) for each in _REFUSED[4:]], received_at=RECEIVED_AT)
    with closing(Interrupted(shared_url)) as slow:
        slow.before_writing = lambda: retry_letters(database, discover())
        with pytest.raises(CheckpointMoved):
            project_batch(slow, named(["segment_membership"]), batch_events_max=10)
        assert rows(database)["segment_membership"]
        assert positions(database)["segment_membership"] == 4
        catch_up(slow, discover())
    assert rows(database) == truth(discover(), map(envelope, _REFUSED)).rows


def _many(customers: int) -> list[Delivery]:
    return [left(f"cust_{number}", "seg_1", at=MONDAY) for number in range(customers)]


@pytest.mark.usefixtures("in_pieces_of_two")
def test_many_customers_are_folded_anew_in_pieces(
    database: Database, refolded: list[tuple[str, int]]
) -> None:
    arrive(database, *_many(5), projections=FUSSY)
    tried: list[int] = []
    done = retry_letters(database, discover(), on_piece=tried.append)
    assert done == _done(resolved=5)
    assert tried == [2, 4, 5]
    assert refolded == [("segment_membership", number) for number in (2, 2, 1)]
    assert rows(database) == truth(discover(), map(envelope, _many(5))).rows
    assert is_as_rebuilt(database)


@pytest.mark.usefixtures("in_pieces_of_two")
@pytest.mark.parametrize("learnt", [True, False])
def test_every_letter_of_a_customer_with_many_is_tried_once(
    database: Database, unreadable: Unreadable, refolded: list[tuple[str, int]], learnt: bool
) -> None:
    customers = ["cust_1"] * 6 + ["cust_2"]
    unreadable.event_ids.update(f"e{n}" for n in range(7))
    arrive(
        database,
        *(entered(each, f"seg_{n}", at=MONDAY, id=f"e{n}") for n, each in enumerate(customers)),
    )
    if learnt:
        unreadable.event_ids.clear()
    expected = _done(resolved=21) if learnt else _done(waiting=21)
    assert retry_letters(database, discover()) == expected
    assert refolded == [(name, 2) for name in READERS]


@pytest.mark.usefixtures("in_pieces_of_two")
def test_many_letters_of_nobody_are_read_anew_in_pieces(database: Database) -> None:
    nobodys = [delivery("customer.segment.left", None, at=MONDAY, id=f"e{n}") for n in range(5)]
    arrive(database, *nobodys, *_many(1), projections=FUSSY)
    tried: list[int] = []
    done = retry_letters(database, discover(), on_piece=tried.append)
    assert done == _done(resolved=1, waiting=15)
    assert tried == [2, 4, 5, 6, 8, 10, 11, 13, 15, 16]
    assert is_as_rebuilt(database)


def test_a_letter_of_a_fold_that_still_refuses_stays(database: Database) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("never")

    stubborn = [
        evolve(each, evolvers=dict.fromkeys(each.evolvers, refuse))
        if each.name == "customer"
        else each
        for each in discover()
    ]
    arrive(database, *_REFUSED, projections=stubborn)
    before = made(database)
    assert retry_letters(database, stubborn) == _done(waiting=6)
    assert made(database) == before
    assert is_as_rebuilt(database, stubborn)


def test_retries_at_the_same_time_do_no_harm(database: Database, shared_url: str) -> None:
    nobodys = [delivery("customer.segment.left", None, at=MONDAY, id=f"e{n}") for n in range(5)]
    happened = [*nobodys, *_many(20)]
    arrive(database, *happened, projections=FUSSY)
    done: list[LettersRetried] = []

    def retry() -> None:
        with closing(Database(shared_url)) as other:
            done.append(retry_letters(other, discover()))

    threads = [threading.Thread(target=retry) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == len(threads)
    assert {each.waiting for each in done} == {15}
    assert rows(database) == truth(discover(), map(envelope, happened[5:])).rows
    assert is_as_rebuilt(database)


def test_of_two_retries_of_a_letter_of_nobody_one_waits(
    database: Database, shared_url: str
) -> None:
    """Otherwise both would write the letter anew, and the second one fail."""
    arrive(database, delivery("customer.segment.left", None, at=MONDAY))
    with closing(Database(shared_url)) as other:
        retrying = threading.Thread(target=retry_letters, args=(other, discover()))
        with database.writing() as connection:
            checkpoints.read(connection, discover(), lock=True)
            retrying.start()
            retrying.join(0.3)
            assert retrying.is_alive()
        retrying.join(30)
    assert positions_of(database) == {1}


def test_letters_are_listed_page_by_page(database: Database) -> None:
    arrive(database, *_many(3), entered("cust_1", {}, at=MONDAY), projections=FUSSY)
    everyone = [
        *[("customer", 4)],
        *[("segment_membership", position) for position in (1, 2, 3, 4)],
        *[("segment_membership_history", 4)],
    ]
    assert _pages(database, limit=4) == [everyone[:4], everyone[4:]]
    assert _pages(database, limit=6) == [everyone]
    assert _pages(database, limit=2, projection="segment_membership") == [
        everyone[1:3],
        everyone[3:5],
    ]


def _pages(database: Database, **asked: Any) -> list[list[tuple[str, int]]]:
    pages = []
    after = None
    while True:
        page = list_letters(database, after=after, **asked)
        pages.append(
            [
                (refusal.projection, each.position)
                for each in page.dead_letters
                for refusal in each.refusals
            ]
        )
        after = page.next
        if after is None:
            return pages


def test_only_the_most_frequent_reasons_are_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(database, *_many(3), entered("cust_1", {}, at=MONDAY), projections=FUSSY)
    monkeypatch.setattr(store_dead_letters, "REASONS_MAX", 1)
    found = {
        name: [(each.projection, each.count) for each in _counts(database, name)]
        for name in (None, "customer")
    }
    assert found == {None: [("segment_membership", 3)], "customer": [("customer", 1)]}


def _counts(database: Database, projection: str | None) -> Sequence[ReasonCount]:
    return list_letters(database, projection=projection, limit=1).counts


def test_the_counts_are_those_of_all_pages(database: Database) -> None:
    arrive(database, *_many(3), entered("cust_1", {}, at=MONDAY), projections=FUSSY)
    counts = list_letters(database, limit=1).counts
    assert [(each.projection, each.count) for each in counts] == [
        ("segment_membership", 3), ("customer", 1), ("segment_membership", 1),
        ("segment_membership_history", 1),
    ]  # fmt: skip
    mine = list_letters(database, projection="customer", limit=1).counts
    assert mine == counts[1:2]


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda at: list_letters(at, projection="customers", limit=1), id="mistyped"),
        pytest.param(lambda at: list_letters(at, projection="\udcff", limit=1), id="no text"),
    ],
)
def test_a_projection_that_there_is_not_has_no_list(
    database: Database, ask: Callable[[Database], object]
) -> None:
    with pytest.raises(ProjectionUnknown):
        ask(database)


def test_the_cursor_of_another_list_is_refused(database: Database) -> None:
    with pytest.raises(BadCursor):
        list_letters(database, after="WzJd", limit=1)


def test_a_letter_is_shown_with_all_that_is_known_of_its_event(database: Database) -> None:
    bad = entered("cust_1", {"name": "of no id"}, at=MONDAY, id="e2")
    arrive(database, created("cust_1", at=MONDAY), bad)
    found = show_letter(database, 2)
    assert (found.event_id, found.customer_id, found.source) == ("e2", "cust_1", "webhook")
    assert found.received_at == RECEIVED_AT
    assert found.body == envelope(bad).body
    assert [each.projection for each in found.refusals] == [*READERS]
