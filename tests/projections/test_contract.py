"""What holds for every projection: a new one, also of another package, is tested at once."""

from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings

from projector import plugins, projections
from projector.envelope import Envelope
from projector.errors import ProjectionUnknown
from projector.facts.codec import decode
from projector.facts.events import FACTS, UndecodableFact
from projector.projections import discover, named
from projector.projections.projection import KeyedFact, Memberships, Projection, fold
from projector.testing import LAWS, Law, live_rows_equal_rebuilt_rows
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
from tests.support.packages import install

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

#: All but those that take a database.
_QUICK_LAWS = [each for each in LAWS if each is not live_rows_equal_rebuilt_rows]

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
    """Install a package with a projection of that name."""
    install(
        folder,
        "shop_projection",
        source="from attrs import evolve\n"
        "from projector.projections.customer import PROJECTION\n"
        f"ANOTHER = evolve(PROJECTION, name={name!r})\n",
        projections={"shop": "shop_projection:ANOTHER"},
    )


def test_a_package_of_a_user_registers_its_projection_by_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _register(tmp_path, "a_shop_customer")
    monkeypatch.syspath_prepend(tmp_path)
    known = [each.name for each in discover()]
    for cached in (plugins._entry_points, projections._registered):
        cached.cache_clear()
    try:
        assert [each.name for each in discover()] == [*known, "a_shop_customer"]
    finally:
        monkeypatch.undo()
        for cached in (plugins._entry_points, projections._registered):
            cached.cache_clear()


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
    assert run_program(tmp_path, "migrate", PYTHONPATH=str(tmp_path)).code == 0
    done = run_program(tmp_path, "status", PYTHONPATH=str(tmp_path))
    assert done.code == 0
    assert "A projection cannot be named 'event'" in done.out


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


@pytest.mark.external
@every
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_projection_keeps_the_laws_for_packages(projection: Projection, law: Law) -> None:
    law(projection, [envelope(each) for each in STORY])
    [stream] = _streams(STORY)
    [state], _ = fold([projection], [projection.initial], stream)
    assert projection.to_rows(state), "the story has something for each projection"


@every
@settings(max_examples=60)
@given(history=histories())
def test_a_projection_keeps_them_for_any_history(
    projection: Projection, history: list[Delivery]
) -> None:
    events = [each for events in by_customer(history) for each in events]
    for law in _QUICK_LAWS:
        law(projection, events)


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


def _streams(history: list[Delivery]) -> list[list[KeyedFact]]:
    """Each customer's facts in canonical order."""
    return [
        [(each.key, fact, 1) for each in events if (fact := _fact(each)) is not None]
        for events in by_customer(history)
    ]


def _fact(each: Envelope) -> Any:
    fact = decode(each)
    return None if isinstance(fact, UndecodableFact) else fact


def test_memberships_name_fields_of_the_row() -> None:
    """Else the sizes of the groups could not be kept."""
    [projection] = named(["segment_membership"])
    wrong = Memberships(group_id="segment_id", names=("title",), since="begun")
    with pytest.raises(ValueError, match="has no fields title, begun"):
        attrs.evolve(projection, memberships=wrong)
