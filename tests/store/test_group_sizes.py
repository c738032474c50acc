"""Sizes of groups and numbers of dead letters are kept as sums, which equal what is counted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.operate.dead_letters import retry_dead_letters
from projector.projections import discover, named
from projector.projections.groups import GROUPS, SEGMENT, TIER, Group
from projector.projections.projection import Projection
from projector.queries.members import find_members, list_segments, list_tiers
from projector.runner.runner import catch_up, project_batch
from projector.store import dead_letters, group_sizes, projection_tables
from projector.store import table_rows as rows_of
from projector.store.append import append
from projector.store.database import Database
from projector.store.group_sizes import UNKNOWN
from replay import rebuild, rebuild_customer, verify
from replay.engines import ENGINES
from tests.support.databases import wipe
from tests.support.given import (
    RECEIVED_AT,
    append_and_project,
    entered,
    joined,
    left,
    segment,
    tier_left,
)
from tests.support.histories import Arrival, arrivals, histories
from tests.support.logs import by_steps, sql
from tests.support.oracle import FUSSY

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_arriving = histories(size_max=20).flatmap(arrivals)

#: A history of another package.
CLUB: Projection = evolve(named(["segment_membership_history"])[0], name="club_history")


@settings(max_examples=20, suppress_health_check=_SHARED)
@given(
    coming=_arriving,
    projections=st.sampled_from([list(discover()), FUSSY]),
    engine=st.sampled_from([None, ENGINES["in-process"], by_steps]),
    repairs=st.booleans(),
)
def test_every_size_is_the_number_of_memberships_whatever_happened(
    database: Database,
    coming: list[Arrival],
    projections: list[Projection],
    engine: Any,
    repairs: bool,
) -> None:
    """After late events, rebuilds, repairs and retries, at any position, on any past day."""
    _begin(database)
    is_fussy = projections is FUSSY
    projections = [*projections, CLUB]
    for arrival in coming:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        for step in arrival.steps:
            if step.rebuild:
                rebuild(database, projections, by_steps)
            project_batch(database, projections, batch_events_max=step.batch_events_max)
            _check_sums(database)
    catch_up(database, projections, batch_events_max=3)
    if engine is not None:
        rebuild(database, projections, engine)
    if repairs and any(each.customer_id == "cust_1" for one in coming for each in one.envelopes):
        retry_dead_letters(database, projections)
        rebuild_customer(database, projections, "cust_1", project_id=_project(coming))
    _check_sums(database)
    _check_lists(database)
    for group in GROUPS.values():
        _check_past(database, group, is_fussy=is_fussy)
    found = verify(database, projections)
    assert (found.sizes, found.is_right) == ((), True)


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE group_size SET entries = entries + 1 WHERE group_id = 'seg_1'",
        "UPDATE group_size SET exits = exits + 1 WHERE group_id = 'ltr_1'",
        "UPDATE group_size SET day = '2024-03-02'",
        "DELETE FROM group_size WHERE projection = 'segment_membership'",
        "INSERT INTO group_size VALUES"
        " ('loyalty_tier', 'proj_1', 'camp_1', 'ltr_9', 'x', '2024-03-01', '[null,null]', 1, 0)",
    ],
)
def test_a_tampered_size_is_found_and_mended(database: Database, tamper: str) -> None:
    """By a rebuild of everything, and by one of any customer."""
    _two_days(database)
    before = _sums(database)
    for mend in (
        lambda: rebuild(database, discover(), ENGINES["in-process"]),
        lambda: rebuild_customer(database, discover(), "cust_1"),
    ):
        sql(database, tamper)
        found = verify(database, discover())
        assert found.sizes
        assert not found.is_right
        mend()
        assert _sums(database) == before
        assert verify(database, discover()).is_right


def test_a_sentence_says_which_size_differs(database: Database) -> None:
    """In the words of the table."""
    _two_days(database)
    sql(database, "UPDATE group_size SET entries = 5 WHERE group_id = 'seg_1'")
    assert verify(database, named(["segment_membership"])).sizes == (
        "Group seg_1 of project proj_1 has 5 entries and 0 exits on 2024-03-01 in the sizes of"
        " segment_membership, but the log folds to 2 and 0.",
    )


def test_a_sample_does_not_look_at_sizes(database: Database) -> None:
    """They are sums over everybody."""
    _two_days(database)
    sql(database, "UPDATE group_size SET entries = 5")
    assert verify(database, discover(), sample=1).is_right


def test_a_membership_of_unknown_beginning_counts_on_a_day_of_its_own(database: Database) -> None:
    """So it is in no past size."""
    append_and_project(
        database,
        left("cust_1", "seg_1", at="2024-03-01T12:00:00Z"),
        tier_left("cust_1", "ltr_1", "camp_1", at="2024-03-01T12:00:00Z"),
    )
    for name in ("segment_membership_history", "loyalty_tier_history"):
        [(key, size)] = _sizes(database, name).items()
        assert (key.day, size) == (UNKNOWN, (1, 1))


def test_of_two_names_of_one_day_the_later_counts(database: Database) -> None:
    """Of one instant the greater, and a name before none."""
    at = "2024-03-01T12:00:00Z"
    append_and_project(
        database,
        entered("cust_1", segment("seg_1", name="Old"), at="2024-03-01T11:00:00Z"),
        entered("cust_2", segment("seg_1", name="New"), at=at),
        entered("cust_3", segment("seg_1", name="A new one"), at=at),
        entered("cust_4", segment("seg_1", name=None), at=at),
        left("cust_5", segment("seg_2", name="Known"), at=at),
        left("cust_6", segment("seg_2", name=None), at=at),
    )
    found = [(each.name, each.members) for each in list_segments(database)]
    assert found == [("New", 4), ("Known", 0)]


def test_names_of_any_length_are_kept(database: Database) -> None:
    """Too long for a key on Postgres, and equal at their beginnings."""
    names = ["n" * 5_000 + end for end in "ab"]
    append_and_project(
        database,
        *(
            entered(f"cust_{n}", segment("seg_1", name=name), at=f"2024-03-0{n + 1}T12:00:00Z")
            for n, name in enumerate(names)
        ),
    )
    assert [(each.name, each.members) for each in list_segments(database)] == [(names[1], 2)]


def test_reasons_of_dead_letters_are_counted_by_their_beginnings(database: Database) -> None:
    """However they come, change and go."""
    long = "r" * 499
    values = ["a", "a", "b", f"{long}xy", f"{long}xz", "ü" * 3_000]
    for position, reason in enumerate(values, 1):
        sql(database, f"INSERT INTO dead_letter VALUES ('customer', {position}, 1, '{reason}')")
    expected = [("a", 2), (f"{long}x", 2), ("b", 1), ("ü" * 500, 1)]
    assert _reasons(database) == expected
    sql(database, "UPDATE dead_letter SET reason = 'b' WHERE position = 1")
    assert _reasons(database) == [("b", 2), (f"{long}x", 2), ("a", 1), ("ü" * 500, 1)]
    sql(database, "DELETE FROM dead_letter WHERE position > 1")
    assert _reasons(database) == [("b", 1)]
    sql(database, "UPDATE dead_letter SET projection = 'customer_shadow'")
    assert _reasons(database) == []
    sql(database, "DELETE FROM dead_letter")
    assert sql(database, "SELECT * FROM dead_letter_reason") == []


def _reasons(database: Database) -> list[tuple[str, int]]:
    with database.reading() as connection:
        found = dead_letters.count_by_reason(connection, projection=None)
    return [(reason, number) for _, reason, number in found]


def _begin(database: Database) -> None:
    wipe(database)
    with database.writing() as connection:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {CLUB.name}")
        projection_tables.ensure(connection, [CLUB])


def _project(coming: Sequence[Arrival]) -> str:
    return next(
        each.project_id for one in coming for each in one.envelopes if each.customer_id == "cust_1"
    )


def _two_days(database: Database) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at="2024-03-01T12:00:00Z"),
        entered("cust_2", "seg_1", at="2024-03-01T13:00:00Z"),
        joined("cust_1", "ltr_1", at="2024-03-01T12:00:00Z"),
        left("cust_2", "seg_2", at="2024-03-02T13:00:00Z"),
    )


def _sizes(database: Database, name: str) -> Any:
    with database.reading() as connection:
        return group_sizes.read(connection, name)


def _sums(database: Database) -> Any:
    return {each.name: _sizes(database, each.name) for each in discover()}


def _check_sums(database: Database) -> None:
    """Count the rows and the dead letters that are there."""
    with database.reading() as connection:
        for each in (*discover(), CLUB):
            values = [
                value
                for customer, row in rows_of.scan(connection, each)
                for value in rows_of.as_values(each, {customer: [row]})
            ]
            assert group_sizes.read(connection, each.name) == group_sizes.changes(each, new=values)
        counted = connection.exec_driver_sql(
            "SELECT projection, reason, count(*) FROM dead_letter GROUP BY projection, reason"
        )
        kept = connection.exec_driver_sql("SELECT * FROM dead_letter_reason")
        assert sorted(map(tuple, counted)) == sorted(map(tuple, kept))


def _check_lists(database: Database) -> None:
    """Count the members, and look for the newest names, in all rows of now."""
    for project_id in (None, "proj_1", "proj_3"):
        segments = list_segments(database, project_id=project_id)
        found = [
            ((each.project_id, each.segment_id), [each.name], each.members) for each in segments
        ]
        assert found == _counted(database, SEGMENT, project_id)
        tiers = list_tiers(database, project_id=project_id)
        assert [
            (
                (each.project_id, each.campaign_id, each.tier_id),
                [each.campaign_name, each.name],
                each.members,
            )
            for each in tiers
        ] == _counted(database, TIER, project_id)


def _counted(database: Database, group: Group, project_id: str | None) -> list[Any]:
    memberships = group.memberships
    ids = [*filter(None, [memberships.campaign_id]), memberships.group_id]
    members: Counter[Any] = Counter()
    names: dict[Any, Any] = {}
    with database.reading() as connection:
        for customer, row in rows_of.scan(connection, group.now):
            group_id = getattr(row, memberships.group_id)
            if group_id is None or project_id not in (None, customer.project_id):
                continue
            key = (customer.project_id, *(getattr(row, name) for name in ids))
            since = getattr(row, memberships.since)
            shown = [getattr(row, name) for name in memberships.names]
            newness = (since is not None, since, [(name is not None, name) for name in shown])
            newest = names.get(key)
            if newest is None or newness > newest[0]:
                names[key] = newness, shown
            members[key] += group.holds(row, group_id)
    return [(key, names[key][1], members[key]) for key in sorted(names)]


def _check_past(database: Database, group: Group, *, is_fussy: bool) -> None:
    """Compare the running sum at the end of each day with the list of members at that instant.

    And the last one with the size now, unless the present memberships are of fussy evolvers: these
    refuse facts that the history folds.
    """
    history = _sizes(database, group.history.name)
    for group_id in {key.group_id for key in history}:
        for day in _days(key.day for key in history if key.group_id == group_id):
            kept = sum(
                size.entries - size.exits
                for key, size in history.items()
                if key.group_id == group_id and key.day <= day
            )
            end = datetime.combine(day, time.max, UTC)
            which = {"segment_id" if group is SEGMENT else "tier_id": group_id}
            found = find_members(database, **which, as_of=end, limit=1_000)
            assert kept == len(found.members)
        now = sum(
            size.entries - size.exits
            for key, size in _sizes(database, group.now.name).items()
            if key.group_id == group_id
        )
        assert is_fussy or now == sum(
            size.entries - size.exits for key, size in history.items() if key.group_id == group_id
        )


def _days(days: Iterator[date]) -> set[date]:
    """The days, and those before and after."""
    some = {day for day in days if date(1, 1, 2) <= day <= date(9999, 12, 30)}
    return some | {day + timedelta(days=n) for day in some for n in (-1, 1)}
