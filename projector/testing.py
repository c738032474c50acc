"""Tests projections of other packages: single cases (`given`), and laws for any events (`LAWS`).

    def test_a_redeemed_voucher_is_counted() -> None:
        happened = event("customer.voucher.redeemed", "cust_1", at="2024-03-01T10:00:00Z", ...)
        assert given(happened).then_rows(PROJECTION) == [Row("v_1", 1)]

    @pytest.mark.parametrize("law", LAWS)
    def test_the_projection_keeps_the_law(law: Law) -> None:
        law(PROJECTION, EVENTS)

A law raises AssertionError if the projection breaks it for these events.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

from attrs import frozen
from msgspec.structs import asdict

import replay
from projector.envelope import Envelope, Shape
from projector.facts.codec import decode
from projector.facts.events import CustomerFact
from projector.facts.registry import facts
from projector.projections.projection import (
    Identifier,
    KeyedFact,
    Projection,
    Row,
    fold,
)
from projector.runner import runner
from projector.store import checkpoints, projection_tables, schema
from projector.store.append import append
from projector.store.database import Database
from projector.text.instants import parse

__all__ = ["LAWS", "Events", "Law", "event", "given"]

Law = Callable[[Projection, Sequence[Envelope]], None]

#: The types of fields that a table has columns for, each of them also with `| None`.
_COLUMN_TYPES = (Identifier, str, int, bool, datetime, date)
_KEY_TYPES = (Identifier, str, int)


def event(
    type: str,
    customer_id: str,
    *,
    at: str,
    id: str | None = None,
    project_id: str = "proj_1",
    **data: Any,
) -> Envelope:
    """Create the envelope of an event.

    `at` is the time of the event (RFC 3339); `data` are the keys of the webhook's `data`, except
    for the customer's. The default `id` is a hash of type, time and data, so that equal events are
    one event.
    """
    body = json.dumps({"data": {"customer": {"id": customer_id}, **data}})
    content = hashlib.sha256(f"{type} {at} {body}".encode()).hexdigest()
    return Envelope(
        project_id=project_id,
        event_id=id or f"evcus_{content[:16]}",
        type=type,
        customer_id=customer_id,
        occurred_at=parse(at),
        source=Shape.WEBHOOK.value,
        body=body,
    )


def given(*events: Envelope) -> Events:
    """Collect the events of a test case; their order does not matter."""
    return Events(events)


@frozen
class Events:
    """The events of a test case."""

    envelopes: Sequence[Envelope]

    def then_rows(self, projection: Projection, *, customer_id: str = "cust_1") -> list[Any]:
        """Fold a customer's events in canonical order; return the rows, sorted by key."""
        [state], _ = fold([projection], [projection.initial], self._facts(customer_id))
        rows = projection.to_rows(state)
        return sorted(rows, key=lambda row: [getattr(row, name) for name in projection.key])

    def then_dead_letters(
        self, projection: Projection, *, customer_id: str = "cust_1"
    ) -> list[str]:
        """Fold as `then_rows` does; return the reasons of the dead letters."""
        _, failures = fold([projection], [projection.initial], self._facts(customer_id))
        return [each.reason for each in failures]

    def _facts(self, customer_id: str) -> list[KeyedFact]:
        return _facts(each for each in self.envelopes if each.customer_id == customer_id)


def a_row_is_a_frozen_struct_that_names_its_key(
    projection: Projection, _events: Sequence[Envelope]
) -> None:
    """Check the class of the rows, the key, and the columns of the indexes."""
    assert projection.row.__struct_config__.frozen, "declare the row with frozen=True"
    names = {*projection.fields}
    assert {*projection.key} <= names, "the key must name fields of the row"
    assert not {"project_id", "customer_id"} & names, "do not declare the customer's columns"
    indexed = {name for columns in projection.indexes for name in columns}
    assert indexed <= names | {"project_id", "customer_id"}, "an index must name columns"
    hints = typing.get_type_hints(projection.row, include_extras=True)
    for name in projection.fields:
        kinds = [kind for kind in _kinds(hints[name]) if kind is not type(None)]
        assert len(kinds) == 1 and kinds[0] in _COLUMN_TYPES, f"{name} has no column type"
    for name in projection.key:
        assert hints[name] in _KEY_TYPES, f"{name} must be text or a number, and never None"


def it_reads_registered_facts_only(projection: Projection, _events: Sequence[Envelope]) -> None:
    """Check that the facts of all evolvers are registered, so that events decode to them."""
    assert projection.evolvers, "a projection must have an evolver"
    assert {*projection.evolvers} <= {CustomerFact, *facts().values()}, (
        "register the facts under projector.facts"
    )
    assert projection.version >= 1


def a_customer_without_events_has_no_rows(
    projection: Projection, _events: Sequence[Envelope]
) -> None:
    """Check that the initial state has no rows, and is read back from none."""
    assert projection.to_rows(projection.initial) == []
    assert projection.from_rows([]) == projection.initial


def a_state_is_read_back_from_its_rows(projection: Projection, events: Sequence[Envelope]) -> None:
    """Check from_rows(to_rows(state)) == state after each event, for several orders of rows."""
    for before, _, after in _steps(projection, events):
        rows = projection.to_rows(after)
        assert len(rows) == len({*rows}), "to_rows returns a row twice"
        for order in (rows, rows[::-1], rows[1:] + rows[:1]):
            assert projection.from_rows(order) == after
        assert projection.from_rows(projection.to_rows(before)) == before


def folding_changes_no_value_in_place(projection: Projection, events: Sequence[Envelope]) -> None:
    """Check that an evolver leaves its input unchanged, and gives the same result again."""
    for before, fact, after in _steps(projection, events):
        rows = projection.to_rows(before)
        [again], failures = fold([projection], [projection.from_rows(rows)], [fact])
        assert again == after
        assert projection.to_rows(before) == rows
        assert not failures or after == before, "a dead letter changed the state"


def the_last_rows_are_enough_to_go_on(projection: Projection, events: Sequence[Envelope]) -> None:
    """Check a history: an event that is not late changes, or follows, the last rows of series.

    A series has equal keys but for the last field, which numbers its rows.
    """
    if not projection.is_history:
        return
    for before, fact, after in _steps(projection, events):
        rows = projection.to_rows(before)
        last = _last_of_each_series(projection, rows)
        [onward], _ = fold([projection], [projection.from_rows(last)], [fact])
        rest = {*rows} - {*last}
        assert {*projection.to_rows(after)} == rest | {*projection.to_rows(onward)}
        assert not rest & {*projection.to_rows(onward)}


def every_row_fits_its_table(projection: Projection, events: Sequence[Envelope]) -> None:
    """Check that values have the types of their columns, keys are unique, and text has no NUL."""
    hints = typing.get_type_hints(projection.row)
    for _, _, after in _steps(projection, events):
        rows = projection.to_rows(after)
        keys = [tuple(getattr(row, name) for name in projection.key) for row in rows]
        assert len({*keys}) == len(keys), "two rows have the same key"
        for row in rows:
            for name, value in asdict(row).items():
                assert type(value) in _kinds(hints[name]), f"{name} has the wrong type: {value!r}"
                assert not isinstance(value, str) or "\0" not in value, f"{name} has a NUL"


def live_rows_equal_rebuilt_rows(projection: Projection, events: Sequence[Envelope]) -> None:
    """Check on a SQLite database that live rows equal rebuilt rows, in three orders of arrival."""
    for seed in range(3):
        arrived = [*events, *events[:2]]
        random.Random(seed).shuffle(arrived)  # noqa: S311 - an order, not a secret
        with _database(projection) as database:
            for each in arrived:
                append(database, [each], received_at=datetime.now(UTC))
                runner.catch_up(database, [projection], batch_events_max=2)
            live = _digest(database, projection)
            replay.rebuild(database, [projection], replay.engines.by_name("in-process"))
            assert _digest(database, projection) == live
            assert replay.verify(database, [projection]).is_right


#: All laws, as arguments of `pytest.mark.parametrize`.
LAWS: tuple[Law, ...] = (
    a_row_is_a_frozen_struct_that_names_its_key,
    it_reads_registered_facts_only,
    a_customer_without_events_has_no_rows,
    a_state_is_read_back_from_its_rows,
    folding_changes_no_value_in_place,
    the_last_rows_are_enough_to_go_on,
    every_row_fits_its_table,
    live_rows_equal_rebuilt_rows,
)


def _steps(
    projection: Projection, events: Iterable[Envelope]
) -> Iterator[tuple[Any, KeyedFact, Any]]:
    """Fold customer by customer; yield each fact with the state before and after it."""
    events = list(events)
    for customer in sorted({(each.project_id, each.customer_id or "") for each in events}):
        stream = [each for each in events if (each.project_id, each.customer_id) == customer]
        state = projection.initial
        for fact in _facts(stream):
            [after], _ = fold([projection], [state], [fact])
            yield state, fact, after
            state = after


def _facts(events: Iterable[Envelope]) -> list[KeyedFact]:
    """Decode one customer's events, in canonical order and without duplicates."""
    distinct = {each.event_id: each for each in reversed([*events])}
    keyed: list[KeyedFact] = []
    for position, each in enumerate(sorted(distinct.values(), key=attrgetter("key")), 1):
        fact = decode(each)
        if fact is not None:
            keyed.append((each.key, fact, position))
    return keyed


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Return the types of a union; an Annotated type is one type."""
    if typing.get_origin(annotation) is typing.Annotated:
        return (annotation,)
    return typing.get_args(annotation) or (annotation,)


def _last_of_each_series(projection: Projection, rows: Sequence[Row]) -> list[Row]:
    *series, number = projection.key
    last: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=attrgetter(number)):
        last[tuple(getattr(row, name) for name in series)] = row
    return list(last.values())


@contextmanager
def _database(projection: Projection) -> Iterator[Database]:
    """Open a new SQLite database with the projection's table."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'projector.db'}")
        try:
            schema.prepare(database)
            with database.writing() as connection:
                projection_tables.ensure(connection, [projection])
            yield database
        finally:
            database.close()


def _digest(database: Database, projection: Projection) -> str:
    with database.reading() as connection:
        return checkpoints.read(connection, [projection])[projection.name].digest
