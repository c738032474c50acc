"""Who would gain or lose a segment or tier: told before, and of both sides at one position."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from attrs import evolve

from projector.errors import ImpactTooGreat
from projector.facts.events import SegmentEntered, SegmentLeft, TierJoined
from projector.projections import discover, named
from projector.projections.projection import Projection
from projector.runner import runner
from projector.store.database import Database
from replay import RebuildReport, rebuild, verify
from replay.engines import ENGINES, EnginePiece, Job
from replay.impact import GroupChange, Impact
from tests.support.databases import dead_letters, positions, stored
from tests.support.engines import as_engine
from tests.support.given import (
    append_and_project,
    append_webhooks,
    created,
    deleted,
    entered,
    joined,
    left,
)
from tests.support.logs import MONDAY, THURSDAY, TUESDAY, WEDNESDAY, by_steps, sql

IN_PROCESS = ENGINES["in-process"]


@pytest.fixture
def database(database: Database) -> Database:
    """Four customers in seg_1 and three of them on a tier; the fifth one is nowhere."""
    append_and_project(
        database,
        *(entered(f"cust_{n}", "seg_1", at=MONDAY) for n in (4, 3, 2, 1)),
        entered("cust_1", "seg_1", at=MONDAY, project_id="proj_0"),
        left("cust_4", "seg_1", at=TUESDAY),
        *(joined(f"cust_{n}", "ltr_1", at=TUESDAY) for n in (1, 2)),
        created("cust_5", at=TUESDAY),
    )
    return database


def _ignored(state: Any, _fact: Any, _key: Any) -> Any:
    return state


def _by_other_rules(**evolvers: Any) -> list[Projection]:
    """The projections, in whose new version some facts count no more."""
    facts = {"entered": SegmentEntered, "left": SegmentLeft, "joined": TierJoined}
    other = {facts[name]: evolver for name, evolver in evolvers.items()}
    changed = []
    for each in discover():
        mine = {fact: other[fact] for fact in other if fact in each.evolvers}
        changed.append(
            evolve(each, version=each.version + 1, evolvers={**each.evolvers, **mine})
            if mine and each.name in ("segment_membership", "loyalty_tier")
            else each
        )
    return changed


def _dry(database: Database, projections: Sequence[Projection] = ()) -> Impact:
    before = _found(database)
    done = rebuild(database, projections or discover(), by_steps, dry_run=True)
    assert not done.swapped
    assert done.impact is not None
    assert _found(database) == before
    return done.impact


def _found(database: Database) -> tuple[object, ...]:
    return stored(database), dead_letters(database), positions(database)


def _change(id: str, name: str | None, **more: Any) -> GroupChange:
    none: dict[str, Any] = {"gaining_examples": (), "losing_examples": ()}
    told = {"project_id": "proj_1", "gaining": 0, "losing": 0, **none, **more}
    return GroupChange(id=id, name=name, **told)


def test_nothing_changes_where_the_rows_are_right(database: Database) -> None:
    impact = _dry(database)
    assert (impact.customers, impact.percent, impact.segments, impact.tiers) == (0, 0.0, (), ())
    assert {(each.rows_new, each.rows_gone) for each in impact.rows} == {(0, 0)}
    assert [each.name for each in impact.rows] == [each.name for each in discover()]


def test_customers_who_would_gain_a_segment_are_listed(database: Database) -> None:
    impact = _dry(database, _by_other_rules(left=_ignored))
    assert impact.segments == (
        _change("seg_1", "Segment seg_1", gaining=1, gaining_examples=("cust_4",)),
    )
    assert (impact.customers, impact.tiers) == (1, ())
    assert impact.percent == pytest.approx(100 / 6)


def test_customers_who_would_lose_a_segment_are_listed_by_project(
    database: Database,
) -> None:
    append_and_project(
        database, entered("cust_6", "seg_1", at=MONDAY), entered("cust_7", "seg_0", at=MONDAY)
    )
    impact = _dry(database, _by_other_rules(entered=_ignored))
    assert impact.segments == (
        _change(
            "seg_1", "Segment seg_1", project_id="proj_0", losing=1, losing_examples=("cust_1",)
        ),
        _change("seg_0", "Segment seg_0", losing=1, losing_examples=("cust_7",)),
        _change("seg_1", "Segment seg_1", losing=4, losing_examples=("cust_1", "cust_2", "cust_3")),
    )
    assert impact.customers == 6
    assert impact.percent == pytest.approx(100 * 6 / 8)


def test_a_customer_who_changes_twice_counts_once(database: Database) -> None:
    impact = _dry(database, _by_other_rules(entered=_ignored, joined=_ignored))
    assert [each.losing for each in impact.tiers] == [2]
    assert impact.tiers[0].losing_examples == ("cust_1", "cust_2")
    assert (impact.tiers[0].id, impact.tiers[0].name) == ("ltr_1", "Tier ltr_1")
    assert impact.customers == 4


def test_from_one_tier_to_another_is_gained_and_lost(database: Database) -> None:
    sql(database, "UPDATE loyalty_tier SET tier_id = 'ltr_0', tier_name = NULL")
    sql(database, "UPDATE loyalty_tier SET tier_id = NULL WHERE customer_id = 'cust_2'")
    impact = _dry(database)
    assert impact.tiers == (
        _change("ltr_0", None, losing=1, losing_examples=("cust_1",)),
        _change("ltr_1", "Tier ltr_1", gaining=2, gaining_examples=("cust_1", "cust_2")),
    )
    assert impact.customers == 2


def test_gains_and_losses_of_one_segment_are_listed_together(database: Database) -> None:
    turned = "UPDATE segment_membership SET is_member = NOT is_member WHERE project_id = 'proj_1'"
    sql(database, turned)
    [change] = _dry(database).segments
    assert (change.gaining, change.losing) == (3, 1)
    assert change.gaining_examples == ("cust_1", "cust_2", "cust_3")
    assert change.losing_examples == ("cust_4",)


def test_a_membership_that_ended_is_neither_gained_nor_lost(database: Database) -> None:
    sql(database, "DELETE FROM segment_membership WHERE customer_id = 'cust_4'")
    impact = _dry(database)
    assert (impact.customers, impact.segments) == (0, ())
    assert {each.name: (each.rows_new, each.rows_gone) for each in impact.rows} == {
        **{each.name: (0, 0) for each in discover()},
        "segment_membership": (1, 0),
    }


def test_a_row_whose_columns_differ_is_new_and_gone(database: Database) -> None:
    sql(database, "UPDATE customer SET name = 'x' WHERE customer_id = 'cust_5'")
    sql(
        database,
        "INSERT INTO customer SELECT 'proj_9', customer_id, source_id, name, email,"
        " metadata, created_at, deleted_at, first_event_at, last_event_at, event_count, changed_by,"
        " search_name, search_email, checked_at"
        " FROM customer WHERE customer_id = 'cust_2'",
    )
    impact = _dry(database)
    assert (impact.rows[0].name, impact.rows[0].rows_new, impact.rows[0].rows_gone) == (
        "customer",
        1,
        2,
    )
    assert impact.customers == 0


def test_only_the_named_projections_are_compared(database: Database) -> None:
    sql(database, "DELETE FROM loyalty_tier")
    sql(database, "DELETE FROM segment_membership WHERE customer_id = 'cust_1'")
    impact = _dry(database, named(["loyalty_tier", "customer"]))
    assert ([each.gaining for each in impact.tiers], impact.segments) == ([2], ())
    assert [each.name for each in impact.rows] == ["loyalty_tier", "customer"]
    assert impact.customers == 2
    impact = _dry(database, named(["customer"]))
    assert (impact.customers, impact.percent, impact.tiers) == (0, 0.0, ())


def test_an_empty_log_has_no_impact(migrated_url: str) -> None:
    with closing(Database(migrated_url)) as database:
        impact = _dry(database)
        assert (impact.customers, impact.percent) == (0, 0.0)


def test_live_rows_that_go_on_meanwhile_are_met_where_they_are(database: Database) -> None:
    @as_engine
    def engine(job: Job) -> Iterator[EnginePiece]:
        yield from IN_PROCESS.run(job)
        append_and_project(database, entered("cust_9", "seg_2", at=WEDNESDAY))

    done = rebuild(database, discover(), engine, dry_run=True)
    assert _told(done) == (0, {10})
    append_webhooks(database, entered("cust_9", "seg_3", at=WEDNESDAY))
    done = rebuild(database, discover(), IN_PROCESS, dry_run=True)
    assert _told(done) == (0, {10}), "no further than the live rows are"
    assert set(positions(database).values()) == {10}


def test_live_rows_stay_where_they_are_and_the_new_ones_come_to_them(database: Database) -> None:
    [customer, *_] = discover()
    append_webhooks(database, entered("cust_9", "seg_2", at=WEDNESDAY))
    runner.catch_up(database, [customer])
    before = _found(database)
    assert len(set(positions(database).values())) == 2
    done = rebuild(database, discover(), IN_PROCESS, dry_run=True)
    assert _told(done)[0] == 0
    assert {each.name: each.position for each in done.rebuilt} == positions(database)
    assert {each.rows_new for each in done.impact.rows} == {0}  # type: ignore[union-attr]
    assert _found(database) == before


def test_rows_that_are_not_there_yet_are_new_and_a_dry_run_does_not_make_them(
    database: Database,
) -> None:
    sql(database, "DELETE FROM checkpoint WHERE projection = 'segment_membership'")
    sql(database, "DELETE FROM segment_membership")
    before = _found(database)
    done = rebuild(database, discover(), IN_PROCESS, dry_run=True)
    assert done.impact is not None
    assert sum(each.gaining for each in done.impact.segments) > 0
    assert [each.name for each in done.impact.rows if each.rows_new] == ["segment_membership"]
    assert _found(database) == before


def test_rows_of_another_version_are_compared_where_they_are(
    database: Database,
) -> None:
    append_webhooks(database, entered("cust_9", "seg_2", at=WEDNESDAY))
    changed = _by_other_rules(left=_ignored, joined=_ignored)
    impact = _dry(database, changed)
    assert [(each.id, each.gaining) for each in impact.segments] == [("seg_1", 1)]
    assert [(each.id, each.losing) for each in impact.tiers] == [("ltr_1", 2)]
    assert impact.customers == 3


def test_too_much_churn_refuses_the_new_rules_and_enough_takes_them(database: Database) -> None:
    changed = _by_other_rules(entered=_ignored)
    before = _found(database)
    with pytest.raises(ImpactTooGreat, match=r"66\.67 % of the customers, more than 66 %"):
        rebuild(database, changed, IN_PROCESS, change_percent_max=66)
    assert _found(database) == before
    assert verify(database, discover()).is_right
    done = rebuild(database, changed, IN_PROCESS, change_percent_max=66.7)
    assert (done.swapped, _told(done)[0]) == (True, 4)
    assert sql(database, "SELECT is_member FROM segment_membership WHERE is_member") == []


def test_churn_is_compared_only_where_it_is_asked(database: Database) -> None:
    assert rebuild(database, discover(), IN_PROCESS).impact is None


def test_a_customer_who_is_gone_has_left_everything(database: Database) -> None:
    append_and_project(database, deleted("cust_1", at=THURSDAY))
    assert _dry(database).customers == 0


def _told(done: RebuildReport) -> tuple[int, set[int]]:
    assert done.impact is not None
    return done.impact.customers, {each.position for each in done.rebuilt}
