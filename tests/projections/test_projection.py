"""Folding one customer's facts into the states of several projections."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from msgspec import Struct

from projector.envelope import CanonicalKey
from projector.facts.events import (
    CustomerConfirmed,
    CustomerCreated,
    CustomerFact,
    CustomerUpdated,
    UndecodableFact,
)
from projector.projections.projection import Failure, KeyedFact, Projection, fold

_BEGIN = datetime(2024, 3, 4, tzinfo=UTC)
CREATED, UPDATED, CONFIRMED = CustomerCreated(), CustomerUpdated(), CustomerConfirmed()


class Row(Struct, frozen=True):
    """What a projection of these tests would store."""

    seen: str


def _note(state: str, fact: CustomerFact, key: CanonicalKey) -> str:
    return f"{state}{type(fact).__name__}@{key.event_id} "


def _refuse(_state: str, _fact: CustomerFact, _key: CanonicalKey) -> str:
    raise LookupError("never heard of it")


#: Notes down what it is given.
NOTES = Projection(
    name="notes",
    version=1,
    row=Row,
    key=(),
    initial="",
    evolvers={CustomerCreated: _note, CustomerUpdated: _note},
    to_rows=lambda state: [Row(state)] if state else [],
    from_rows=lambda rows: rows[0].seen if rows else "",
)
FUSSY = evolve(NOTES, name="fussy", evolvers={CustomerCreated: _note, CustomerUpdated: _refuse})
DEAF = evolve(NOTES, name="deaf", evolvers={})


def keyed(*facts: CustomerFact) -> list[KeyedFact]:
    """Facts e1, e2, … at positions 1, 2, …"""
    return [
        (CanonicalKey(_BEGIN + timedelta(days=number), f"e{number}"), fact, number)
        for number, fact in enumerate(facts, 1)
    ]


def test_the_facts_are_folded_one_after_the_other() -> None:
    states, failures = fold([NOTES], [""], keyed(CREATED, UPDATED))
    assert (states, failures) == (["CustomerCreated@e1 CustomerUpdated@e2 "], [])


def test_folding_goes_on_from_the_state_that_is_given() -> None:
    states, _ = fold([NOTES], ["known "], keyed(UPDATED))
    assert states == ["known CustomerUpdated@e1 "]


def test_folding_in_two_goes_is_folding_in_one() -> None:
    facts = keyed(CREATED, UPDATED, UPDATED)
    first, _ = fold([NOTES], [""], facts[:2])
    assert fold([NOTES], first, facts[2:]) == fold([NOTES], [""], facts)


def test_no_facts_change_nothing() -> None:
    assert fold([NOTES, DEAF], ["a", "b"], []) == (["a", "b"], [])


def test_a_fact_that_a_projection_does_not_read_passes_it_by() -> None:
    states, failures = fold([NOTES, DEAF], ["", ""], keyed(CREATED, CONFIRMED))
    assert (states, failures) == (["CustomerCreated@e1 ", ""], [])


def test_a_refused_fact_leaves_the_state_and_stops_neither_the_next_facts_nor_the_others() -> None:
    states, failures = fold([FUSSY, NOTES], ["", ""], keyed(CREATED, UPDATED, CREATED))
    assert states == [
        "CustomerCreated@e1 CustomerCreated@e3 ",
        "CustomerCreated@e1 CustomerUpdated@e2 CustomerCreated@e3 ",
    ]
    assert failures == [Failure("fussy", 2, "LookupError: never heard of it")]


@pytest.mark.parametrize("error", [KeyError, RecursionError, ArithmeticError, AttributeError])
def test_any_exception_of_a_fold_is_a_failure(error: type[Exception]) -> None:
    def trip(*_: Any) -> str:
        raise error("oops")

    clumsy = evolve(NOTES, evolvers={CustomerCreated: trip})
    [state], [failure] = fold([clumsy], ["as it was"], keyed(CREATED))
    assert state == "as it was"
    assert failure.reason.startswith(error.__name__)


def test_an_event_that_cannot_be_read_is_a_failure_of_each_projection_that_would_read_it() -> None:
    [created, broken, updated, again] = keyed(CREATED, CREATED, UPDATED, CREATED)
    facts = [
        created,
        (broken[0], UndecodableFact(CustomerUpdated, "no customer", None), 2),
        updated,
        (again[0], UndecodableFact(CustomerCreated, "cut off", CustomerFact()), 4),
    ]
    states, failures = fold([FUSSY, DEAF, NOTES], ["", "", ""], facts)
    assert states == ["CustomerCreated@e1 ", "", "CustomerCreated@e1 CustomerUpdated@e3 "]
    assert failures == [
        Failure("fussy", 2, "no customer"),
        Failure("notes", 2, "no customer"),
        Failure("fussy", 3, "LookupError: never heard of it"),
        Failure("fussy", 4, "cut off"),
        Failure("notes", 4, "cut off"),
    ]


def test_the_reason_of_a_failure_is_text_that_every_database_keeps() -> None:
    def trip(*_: Any) -> str:
        raise ValueError("a\0b\ud800c")

    _, [failure] = fold([evolve(NOTES, evolvers={CustomerCreated: trip})], [""], keyed(CREATED))
    assert failure.reason == "ValueError: a\N{REPLACEMENT CHARACTER}b?c"


def test_an_interruption_is_no_failure() -> None:
    def interrupt(*_: Any) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fold([evolve(NOTES, evolvers={CustomerCreated: interrupt})], [""], keyed(CREATED))


def test_the_facts_may_come_from_a_generator() -> None:
    states, _ = fold([NOTES, NOTES], ["", ""], iter(keyed(CREATED)))
    assert states == ["CustomerCreated@e1 ", "CustomerCreated@e1 "]


def test_the_states_that_are_given_are_left_alone() -> None:
    states = [""]
    fold([NOTES], states, keyed(CREATED))
    assert states == [""]
