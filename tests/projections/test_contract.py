"""What holds for every projection: a new one, also of another package, is tested at once."""

import typing
from operator import attrgetter
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings

from projector.envelope import Envelope
from projector.errors import ProjectionUnknown
from projector.facts.codec import Undecodable, decode
from projector.facts.events import FACTS
from projector.projections import discover, named
from projector.projections.projection import KeyedFact, Projection, fold
from tests.support.command import run_program
from tests.support.databases import projection_tables
from tests.support.given import (
    Delivery,
    created,
    entered,
    envelope,
    joined,
    left,
    tier,
    tier_left,
    updated,
    upgraded,
)
from tests.support.histories import KINDS, by_customer, histories

NOON = "2024-03-01T12:00:00Z"
#: Two segments and two campaigns: in one of each, somebody comes, goes and comes again.
STORY = [
    created("cust_1", at="2024-03-01T00:00:00Z", name="Ada", metadata={"b": 1, "a": [None]}),
    entered("cust_1", "seg_1", at="2024-03-02T00:00:00Z"),
    entered("cust_1", "seg_2", at="2024-03-03T00:00:00Z"),
    left("cust_1", "seg_1", at="2024-03-04T00:00:00Z"),
    entered("cust_1", "seg_1", at="2024-03-05T00:00:00Z"),
    joined("cust_1", tier("silver", 1, 2), "camp_1", at="2024-03-06T00:00:00Z"),
    joined("cust_1", "bronze", "camp_2", at="2024-03-07T00:00:00Z"),
    upgraded("cust_1", "silver", "gold", "camp_1", at="2024-03-08T00:00:00Z"),
    tier_left("cust_1", "gold", "camp_1", at="2024-03-09T00:00:00Z"),
    joined("cust_1", "silver", "camp_1", at="2024-03-10T00:00:00Z"),
    updated("cust_1", at="2024-03-11T00:00:00Z", email=None),
]

every = pytest.mark.parametrize("projection", discover(), ids=lambda each: each.name)


def test_the_projections_of_the_package_are_found() -> None:
    assert [each.name for each in discover()][:5] == [
        "customer",
        "loyalty_tier",
        "loyalty_tier_history",
        "segment_membership",
        "segment_membership_history",
    ]


def test_no_two_projections_share_a_name() -> None:
    names = [each.name for each in discover()]
    assert len(set(names)) == len(names)


def _register(folder: Path, name: str) -> None:
    """A package with a projection of that name, as it is when it is installed."""
    (folder / "shop_projection.py").write_text(
        "from attrs import evolve\n"
        "from projector.projections.customer import PROJECTION\n"
        f"ANOTHER = evolve(PROJECTION, name={name!r})\n"
    )
    metadata = folder / "shop-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[projector.projections]\nshop = shop_projection:ANOTHER\n"
    )


def test_a_package_of_a_user_registers_its_projection_by_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _register(tmp_path, "a_shop_customer")
    monkeypatch.syspath_prepend(tmp_path)
    found = [each.name for each in discover.__wrapped__()]
    assert found == [*(each.name for each in discover()), "a_shop_customer"]


@pytest.mark.parametrize(
    "name",
    ["", "a b", "x; DROP TABLE event", 'a"b', "a--", "a\n", "A", "1a", "é", "a.b", "a" * 49],
    ids=repr,
)
def test_a_projection_name_that_is_no_plain_identifier_is_refused(name: str) -> None:
    """It stands in SQL as it is."""
    with pytest.raises(ValueError, match="must match regex"):
        attrs.evolve(discover()[0], name=name)


@pytest.mark.external
def test_a_projection_name_that_a_table_has_is_refused(tmp_path: Path) -> None:
    _register(tmp_path, "event")
    done = run_program(tmp_path, "status", PYTHONPATH=str(tmp_path))
    assert done.code != 0
    assert "'event'" in done.err


def test_projections_are_called_by_name_and_none_means_all() -> None:
    assert named([]) == list(discover())
    assert [each.name for each in named(["segment_membership", "customer"])] == [
        "segment_membership",
        "customer",
    ]
    known = ", ".join(each.name for each in discover())
    with pytest.raises(ProjectionUnknown, match="'segments'") as told:
        named(["customer", "segments"])
    assert known in f"{told.value} {told.value.hint}"


def test_the_histories_have_every_kind_of_fact() -> None:
    assert set(KINDS) >= set(FACTS)


@every
def test_a_row_is_a_frozen_value_that_names_its_key(projection: Projection) -> None:
    names = list(projection.fields)
    assert set(projection.key) <= set(names)
    assert {name for columns in projection.indexes for name in columns} <= {
        "project_id",
        "customer_id",
        *names,
    }
    assert not {"project_id", "customer_id"} & set(names)
    hints = typing.get_type_hints(projection.row)
    assert all(hints[name] in (str, int) for name in projection.key)
    with pytest.raises(AttributeError, match="immutable"):
        setattr(projection.row(*([None] * len(names))), names[0], "other")


@every
def test_the_table_has_the_columns_of_the_row(projection: Projection) -> None:
    table = projection_tables[projection.name]
    names = list(projection.fields)
    assert [column.name for column in table.columns] == ["project_id", "customer_id", *names]
    assert [column.name for column in table.primary_key] == [
        "project_id",
        "customer_id",
        *projection.key,
    ]


@every
def test_a_projection_reads_only_facts_that_there_are(projection: Projection) -> None:
    assert projection.evolvers
    assert set(projection.evolvers) <= set(FACTS.values())
    assert projection.version >= 1


@every
def test_the_initial_state_has_no_rows(projection: Projection) -> None:
    assert projection.to_rows(projection.initial) == []
    assert projection.from_rows([]) == projection.initial


@every
def test_state_read_from_rows_in_any_order_equals_the_state_written(projection: Projection) -> None:
    state = projection.initial
    for number, event in enumerate(map(envelope, STORY), 1):
        [state], _ = fold([projection], [state], [(event.key, _fact(event), number)])
        rows = projection.to_rows(state)
        for mixed in (rows, rows[::-1], rows[1:] + rows[:1]):
            assert projection.from_rows(mixed) == state
        assert len(rows) == len(set(rows)), "no row is there twice"
    assert rows, "something is known of who did so much"


@pytest.mark.parametrize(
    "name",
    ["loyalty_tier", "loyalty_tier_history", "segment_membership", "segment_membership_history"],
)
def test_a_repeated_fact_leaves_the_identical_state(name: str) -> None:
    """A customer may have many rows, and nothing is copied for nothing."""
    [projection] = named([name])
    told = [entered("cust_1", "seg_1", at=NOON, id="e1"), joined("cust_1", "t", at=NOON, id="e2")]
    again = [entered("cust_1", "seg_1", at=NOON, id="e3"), joined("cust_1", "t", at=NOON, id="e4")]
    [before], _ = fold([projection], [projection.initial], *_streams(told))
    [after], _ = fold([projection], [before], *_streams(again))
    assert after is before
    assert projection.to_rows(before)


@every
@settings(max_examples=60)
@given(history=histories())
def test_every_state_can_be_written_to_rows_and_read_back(
    projection: Projection, history: list[Delivery]
) -> None:
    for stream in _streams(history):
        state = projection.initial
        for fact in stream:
            before = state
            rows = projection.to_rows(before)
            [state], failures = fold([projection], [before], [fact])
            assert not failures or state == before, "what a fold refuses leaves no mark"
            # A database gives them in an order of its own.
            assert projection.from_rows(projection.to_rows(state)[::-1]) == state
            # Folding changes no value in place, and says the same when it is done once more.
            assert projection.to_rows(before) == rows
            assert fold([projection], [projection.from_rows(rows)], [fact])[0] == [state]


@every
@settings(max_examples=60)
@given(history=histories())
def test_a_history_continues_from_its_last_rows_alone(
    projection: Projection, history: list[Delivery]
) -> None:
    for stream in _streams(history):
        state = projection.initial
        for fact in stream:
            rows = projection.to_rows(state)
            last = _last_of_each_place(projection, rows) if projection.is_history else rows
            [state], _ = fold([projection], [state], [fact])
            [onward], _ = fold([projection], [projection.from_rows(last)], [fact])
            # What is not loaded is not written: the rest must be as it was.
            rest = {*rows} - {*last}
            assert {*projection.to_rows(state)} == rest | {*projection.to_rows(onward)}
            assert not rest & {*projection.to_rows(onward)}


def _last_of_each_place(projection: Projection, rows: list[Any]) -> list[Any]:
    *place, number = projection.key
    last: dict[tuple[Any, ...], Any] = {}
    for row in sorted(rows, key=attrgetter(number)):
        last[tuple(getattr(row, name) for name in place)] = row
    return [row for row in rows if row in last.values()]


@every
@settings(max_examples=60)
@given(history=histories())
def test_every_row_fits_its_table(projection: Projection, history: list[Delivery]) -> None:
    hints = typing.get_type_hints(projection.row)
    for stream in _streams(history):
        [state], _ = fold([projection], [projection.initial], stream)
        rows = projection.to_rows(state)
        keys = [tuple(getattr(row, name) for name in projection.key) for row in rows]
        assert len(set(keys)) == len(keys)
        for row in rows:
            for name, value in msgspec.structs.asdict(row).items():
                assert type(value) in (typing.get_args(hints[name]) or (hints[name],)), name
                # Postgres keeps no NUL in text.
                assert not isinstance(value, str) or "\0" not in value, name


def _streams(history: list[Delivery]) -> list[list[KeyedFact]]:
    """Each customer's facts in canonical order."""
    return [
        [(each.key, fact, 1) for each in events if (fact := _fact(each)) is not None]
        for events in by_customer(history)
    ]


def _fact(each: Envelope) -> Any:
    try:
        return decode(each)
    except Undecodable:
        return None
