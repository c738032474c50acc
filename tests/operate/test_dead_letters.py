"""One bad event stops nobody and fools nobody."""

import pytest
from attrs import evolve

from projector.facts.events import CustomerCreated
from projector.projections import discover, named
from projector.projections.projection import Projection
from projector.queries.customers import find_customer
from projector.runner.runner import catch_up
from projector.store.append import append
from projector.store.database import Database
from projector.text.instants import parse
from replay import rebuild
from replay.engines import ENGINES
from tests.support.databases import dead_letters, positions, rows
from tests.support.given import (
    RECEIVED_AT,
    Delivery,
    created,
    deleted,
    delivery,
    entered,
    envelope,
    given,
    joined,
    left,
    updated,
)
from tests.support.oracle import FUSSY, truth

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))
UNREADABLE = entered("cust_1", {"name": "of no id"}, at=TUESDAY, id="bad")
#: One for each projection that reads what enters or leaves a segment.
BAD = [
    ("segment_membership", "bad"),
    ("segment_membership_history", "bad"),
]


def arrive(database: Database, *webhooks: Delivery) -> list[tuple[str, str]]:
    """Each event is projected before the next one comes; the dead letters are left.

    The membership takes it from nobody to enter who is elsewhere, or to leave who is not there.
    """
    for each in webhooks:
        append(database, [envelope(each)], received_at=RECEIVED_AT)
        catch_up(database, FUSSY)
    return [(name, event_id) for name, _, event_id in dead_letters(database)]


def is_complete(database: Database, customer_id: str) -> bool:
    return find_customer(database, customer_id).complete


def test_a_bad_event_is_a_dead_letter_of_those_who_read_it(database: Database) -> None:
    assert arrive(database, UNREADABLE) == BAD
    assert set(positions(database).values()) == {1}


def test_a_bad_event_does_not_stop_other_customers(database: Database) -> None:
    good = (
        entered("cust_1", "seg_1", at=MONDAY),
        entered("cust_2", "seg_1", at=TUESDAY),
        updated("cust_1", at=WEDNESDAY, name="Ada"),
    )
    here = given(good[0], UNREADABLE, *good[1:]).delivered().into(database)
    assert rows(database) == truth(discover(), map(envelope, [*good, UNREADABLE])).rows
    assert [row.is_member for row in here.then_rows("segment_membership")] == [True]


def test_an_answer_is_incomplete_until_the_bad_event_is_resolved(database: Database) -> None:
    same_id = entered("cust_1", "seg_1", at=MONDAY, project_id="proj_2")
    good = (entered("cust_1", "seg_1", at=MONDAY), entered("cust_2", "seg_1", at=MONDAY))
    arrive(database, *good, same_id, UNREADABLE)
    assert not find_customer(database, "cust_1", project_id="proj_1").complete
    assert find_customer(database, "cust_1", project_id="proj_2").complete
    assert is_complete(database, "cust_2")


def test_a_customer_known_only_by_a_dead_letter_has_an_answer(database: Database) -> None:
    arrive(database, UNREADABLE)
    answer = find_customer(database, "cust_1")
    assert (answer.complete, answer.segments, answer.last_event_at) == (False, (), parse(TUESDAY))


def test_an_undecodable_event_without_a_customer_is_a_dead_letter_without_one(
    database: Database,
) -> None:
    nobody = delivery("customer.segment.left", None, at=MONDAY, id="bad", segment={"id": "seg_1"})
    assert arrive(database, entered("cust_1", "seg_1", at=MONDAY), nobody) == [
        ("customer", "bad"),
        *BAD,
    ]
    assert is_complete(database, "cust_1")


def test_an_event_refused_by_one_fold_is_a_dead_letter_of_that_projection(
    database: Database,
) -> None:
    refused = left("cust_1", "seg_1", at=TUESDAY, id="e2")
    assert arrive(database, refused) == [("segment_membership", "e2")]
    assert not is_complete(database, "cust_1")
    assert rows(database)["segment_membership"] == []
    assert len(rows(database)["customer"]) == 1


def test_the_event_that_was_missing_resolves_the_dead_letter(database: Database) -> None:
    happened = (
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY, id="e2"),
    )
    assert arrive(database, happened[1]) == [("segment_membership", "e2")]
    assert arrive(database, happened[0]) == []
    assert is_complete(database, "cust_1")
    assert rows(database) == truth(FUSSY, map(envelope, happened)).rows


def test_a_late_event_may_make_one_that_was_folded_a_dead_letter(database: Database) -> None:
    happened = (
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=WEDNESDAY, id="e3"),
        left("cust_1", "seg_1", at=TUESDAY, id="e2"),
    )
    assert arrive(database, *happened[:2]) == []
    assert arrive(database, happened[2]) == [("segment_membership", "e3")]
    assert not is_complete(database, "cust_1")
    assert rows(database) == truth(FUSSY, map(envelope, happened)).rows


def test_a_row_that_a_late_event_proves_wrong_is_gone(database: Database) -> None:
    happened = (
        entered("cust_1", "seg_2", at=TUESDAY, id="e2"),
        entered("cust_1", "seg_1", at=MONDAY),
    )
    assert arrive(database, *happened) == [("segment_membership", "e2")]
    assert rows(database) == truth(FUSSY, map(envelope, happened)).rows


def test_dead_letters_that_a_late_event_does_not_resolve_stay_once(database: Database) -> None:
    assert arrive(
        database,
        UNREADABLE,
        left("cust_1", "seg_1", at=THURSDAY, id="e3"),
        entered("cust_1", "seg_2", at=MONDAY, id="late"),
    ) == sorted([*BAD, ("segment_membership", "e3")])


def test_a_late_event_leaves_the_dead_letters_of_others_alone(database: Database) -> None:
    refused = [
        left("cust_2", "seg_1", at=TUESDAY, id="of another customer"),
        left("cust_1", "seg_1", at=TUESDAY, id="of a fold that does not read it"),
    ]
    known = [("segment_membership", each["event"]["id"]) for each in reversed(refused)]
    assert sorted(arrive(database, *refused)) == known
    # Nothing about segments: only the customer and the tiers are folded anew.
    assert sorted(arrive(database, joined("cust_1", "ltr_1", at=MONDAY))) == known


def test_a_bad_event_may_come_late_itself(database: Database) -> None:
    known = entered("cust_1", "seg_1", at=WEDNESDAY)
    assert arrive(database, known, UNREADABLE) == BAD
    assert rows(database) == truth(FUSSY, map(envelope, [known, UNREADABLE])).rows


@pytest.mark.parametrize(
    "words", ["\0", "\ud83d", "x" * 1_000_000], ids=["NUL", "half a character", "a megabyte"]
)
def test_any_error_message_of_a_fold_can_be_stored(database: Database, words: str) -> None:
    def refuse(*_: object) -> None:
        raise ValueError(words)

    append(database, [envelope(created("cust_1", at=MONDAY, id="e1"))], received_at=RECEIVED_AT)
    [customer] = named(["customer"])
    catch_up(database, [evolve(customer, evolvers={CustomerCreated: refuse})])
    assert dead_letters(database) == [("customer", "proj_1", "e1")]


@pytest.mark.parametrize("projections", [list(discover()), FUSSY], ids=["before", "after"])
def test_a_rebuild_with_a_better_fold_resolves_what_it_can_take(
    database: Database, projections: list[Projection]
) -> None:
    happened = [
        UNREADABLE,
        left("cust_1", "seg_1", at=TUESDAY, id="e2"),
        deleted("cust_1", at=THURSDAY),
    ]
    arrive(database, *happened)
    rebuild(database, projections, ENGINES["in-process"])
    expected = truth(projections, map(envelope, happened))
    assert (rows(database), dead_letters(database)) == (expected.rows, expected.dead_letters)
