"""After a fix, dead letters are folded anew, and the rows are those that a rebuild would write."""

import pytest
from attrs import evolve

from projector.envelope import Envelope
from projector.facts.events import (
    CustomerFact,
    DecodedFact,
    SegmentEntered,
    SegmentLeft,
    UndecodableFact,
)
from projector.facts.registry import facts
from projector.operate.dead_letters import list_dead_letters, retry_dead_letters
from projector.projections import discover, named
from projector.queries.customers import PointInTime, find_customer
from projector.runner import stream_facts
from projector.runner.runner import catch_up, project_batch
from projector.store.append import append
from projector.store.database import Database
from tests.support.databases import dead_letters, positions, rows
from tests.support.dead_letters import (
    READERS,
    REFUSED,
    Unreadable,
    is_as_rebuilt,
    made,
    positions_of,
    retried,
    revisions,
    unlearnt,
)
from tests.support.given import RECEIVED_AT, append_and_project, delivery, entered, envelope, left
from tests.support.oracle import FUSSY, truth

MONDAY = "2024-03-04T10:00:00Z"


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Unreadable:
    return unlearnt(monkeypatch)


def is_complete(database: Database, customer_id: str) -> bool:
    return find_customer(database, customer_id).complete


@pytest.mark.parametrize("which", ["all", "positions"])
def test_after_a_fix_of_the_fold_the_rows_are_those_of_a_rebuild(
    database: Database, which: str
) -> None:
    append_and_project(database, *REFUSED, projections=FUSSY)
    assert positions_of(database) == {1, 3, 4}
    before = revisions(database)
    asked = None if which == "all" else [4, 1, 3, 3]
    assert retry_dead_letters(database, discover(), asked) == retried(resolved=3)
    expected = truth(discover(), map(envelope, REFUSED))
    assert (rows(database), dead_letters(database)) == (expected.rows, [])
    changed = {name for name, number in revisions(database).items() if number != before[name]}
    assert changed == {"segment_membership"}, "the others had nothing to be done"
    assert is_as_rebuilt(database)


def test_after_a_fix_of_the_decoder_all_who_refused_the_event_take_it(
    database: Database, unreadable: Unreadable
) -> None:
    unreadable.event_ids.update({"e3", "e7"})
    append_and_project(database, *REFUSED)
    assert {name for name, _, event_id in dead_letters(database) if event_id == "e3"} == {*READERS}
    unreadable.learn("e3")
    assert retry_dead_letters(database, discover()) == retried(resolved=2, waiting=2)
    assert {event_id for _, _, event_id in dead_letters(database)} == {"e7"}
    unreadable.learn("e7")
    assert retry_dead_letters(database, discover()) == retried(resolved=2)
    expected = truth(discover(), map(envelope, REFUSED))
    assert (rows(database), dead_letters(database)) == (expected.rows, [])
    assert is_as_rebuilt(database)


def test_a_letter_that_stays_says_why_it_is_refused_now(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one of a customer as well as that of nobody: as a rebuild would write them."""
    nobodys = delivery("customer.segment.left", None, at=MONDAY, segment={"id": "seg_1"})
    with monkeypatch.context() as patched:
        patched.setattr(stream_facts, "decode", _refuse_in_old_words)
        append_and_project(database, nobodys, entered("cust_1", {"name": "of no id"}, at=MONDAY))
    assert retry_dead_letters(database, discover()) == retried(waiting=5)
    reasons = {each.reason for each in list_dead_letters(database, limit=10).counts}
    assert len(reasons) == 2
    assert not any("old words" in reason for reason in reasons)
    assert is_as_rebuilt(database)


def _refuse_in_old_words(event: Envelope) -> DecodedFact:
    readable = None if event.customer_id is None else CustomerFact()
    return UndecodableFact(SegmentEntered, "In old words.", readable)


def test_a_dead_letter_without_customer_of_an_unread_type_is_resolved(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(facts(), "voucher.created", SegmentLeft)
        append_and_project(
            database,
            delivery("voucher.created", None, at=MONDAY),
            delivery("customer.segment.left", None, at=MONDAY),
        )
    assert positions_of(database) == {1, 2}
    before = revisions(database)
    assert retry_dead_letters(database, discover(), [1]) == retried(resolved=3)
    assert revisions(database) == before, "no rows were written"
    assert positions_of(database) == {2}
    assert retry_dead_letters(database, discover()) == retried(waiting=3)
    assert is_as_rebuilt(database)


def test_an_answer_is_complete_when_the_customers_last_dead_letter_is_resolved(
    database: Database, unreadable: Unreadable
) -> None:
    unreadable.event_ids.update({"e2", "e4"})
    append_and_project(database, *REFUSED)
    for learnt, complete in (("e2", False), ("e4", True)):
        retry_dead_letters(database, discover())
        assert not is_complete(database, "cust_1")
        unreadable.learn(learnt)
        retry_dead_letters(database, discover())
        assert is_complete(database, "cust_1") is complete
        assert is_complete(database, "cust_2")


def test_an_answer_is_not_complete_while_one_projection_that_it_is_made_of_still_refuses(
    database: Database, unreadable: Unreadable
) -> None:
    unreadable.event_ids.add("e2")
    append_and_project(database, *REFUSED[:1])
    unreadable.learn("e2")
    assert not is_complete(database, "cust_1")
    assert retry_dead_letters(database, named(["segment_membership"])) == retried(resolved=1)
    # The history, which refuses it still, is not in the answer.
    assert is_complete(database, "cust_1")
    assert find_customer(database, "cust_1", moment=PointInTime(at_position=1)).complete


def test_a_retry_goes_no_further_than_the_projection_is(database: Database) -> None:
    append_and_project(database, *REFUSED, projections=FUSSY)
    beyond = [
        entered("cust_1", "seg_1", at=MONDAY, id="late"),
        left("cust_1", "seg_2", at="2024-03-08T10:00:00Z"),
    ]
    append(database, [envelope(each) for each in beyond], received_at=RECEIVED_AT)
    assert retry_dead_letters(database, discover()) == retried(resolved=3)
    assert set(positions(database).values()) == {6}
    assert rows(database) == truth(discover(), map(envelope, REFUSED)).rows
    catch_up(database, discover())
    assert rows(database) == truth(discover(), map(envelope, [*REFUSED, *beyond])).rows
    assert is_as_rebuilt(database)


def test_each_projection_is_folded_up_to_where_it_is_itself(database: Database) -> None:
    """The one that refused is behind the others, in the middle of a customer's events."""
    append(database, [envelope(each) for each in REFUSED], received_at=RECEIVED_AT)
    catch_up(database, [each for each in discover() if each.name != "segment_membership"])
    membership = [each for each in FUSSY if each.name == "segment_membership"]
    project_batch(database, membership, batch_events_max=1)
    assert retry_dead_letters(database, discover()) == retried(resolved=1)
    found = rows(database)["segment_membership"]
    assert found == truth(discover(), [envelope(REFUSED[0])]).rows["segment_membership"]
    catch_up(database, discover())
    assert rows(database) == truth(discover(), map(envelope, REFUSED)).rows


def test_a_letter_of_a_fold_that_still_refuses_stays(database: Database) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("never")

    stubborn = [
        evolve(each, evolvers=dict.fromkeys(each.evolvers, refuse))
        if each.name == "customer"
        else each
        for each in discover()
    ]
    append_and_project(database, *REFUSED, projections=stubborn)
    before = made(database)
    assert retry_dead_letters(database, stubborn) == retried(waiting=6)
    assert made(database) == before
    assert is_as_rebuilt(database, stubborn)
