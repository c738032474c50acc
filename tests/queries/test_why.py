"""Why: every event that has a say, with what it did."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from projector.errors import (
    BadInstant,
    CustomerAmbiguous,
    CustomerNotFound,
    NothingConcerns,
    NotOne,
    PositionUnknown,
)
from projector.projections import named, segment_membership
from projector.queries.customers import PointInTime
from projector.queries.why.explain import WhyCampaign, WhyQuery, WhySegment
from projector.runner.runner import catch_up
from projector.store.append import append
from projector.store.database import Database
from projector.store.tables import quarantine
from projector.text.instants import parse
from tests.support.given import (
    RECEIVED_AT,
    append_and_project,
    created,
    deleted,
    entered,
    envelope,
    expiration_changed,
    joined,
    left,
    prolonged,
    tier,
    upgraded,
)
from tests.support.items import put, rejected
from tests.support.why import evolved, why_campaign, why_not, why_segment

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY = (
    f"2024-03-0{day}T10:00:00Z" for day in range(4, 10)
)
UNREADABLE = entered("cust_1", {"name": "of no id"}, at=THURSDAY, id="bad")
OF_NO_CAMPAIGN = joined("cust_1", "ltr_1", None, at=THURSDAY, id="bad")
REFUSED = expiration_changed("cust_1", "ltr_1", at=THURSDAY, id="bad", expiration_date="soon")


def told(found: WhySegment | WhyCampaign) -> list[tuple[str, str, bool]]:
    """The event, its effect, and whether it decides, of each step."""
    return [(each.event_id, each.effect, each.decides) for each in found.steps]


def test_why_lists_each_event_of_a_segment_with_its_effect(database: Database) -> None:
    append_and_project(
        database,
        created("cust_1", at=MONDAY),
        left("cust_1", "seg_1", at=MONDAY, id="unseen"),
        entered("cust_1", "seg_1", at=TUESDAY, id="in"),
        entered("cust_1", "seg_1", at=WEDNESDAY, id="again"),
        entered("cust_1", "seg_2", at=WEDNESDAY, id="elsewhere"),
        UNREADABLE,
        joined("cust_1", None, at=THURSDAY, id="of another projection"),
        left("cust_1", "seg_1", at=FRIDAY, id="out"),
        deleted("cust_1", at=SATURDAY, id="outlived"),
        entered("cust_2", "seg_1", at=FRIDAY, id="of another customer"),
    )
    found = why_segment(database)
    assert told(found) == [
        ("unseen", "gap", False),
        ("in", "applied", False),
        ("again", "no change", False),
        ("bad", "dead letter", False),
        ("out", "applied", True),
        ("outlived", "no change", False),
    ]
    assert [each.position for each in found.steps] == [2, 3, 4, 6, 8, 9]
    assert (found.complete, found.position) == (False, 10)
    assert [each.reason is None for each in found.steps] == [True, True, True, False, True, True]
    assert "customer.segment.entered" in str(found.steps[3].reason)


def test_why_lists_each_event_of_a_campaign_with_its_effect(database: Database) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=MONDAY, id="of another projection"),
        joined("cust_1", "ltr_1", at=MONDAY, id="joined"),
        joined("cust_1", "ltr_1", at=TUESDAY, id="again"),
        joined("cust_1", "ltr_1", "camp_2", at=TUESDAY, id="elsewhere"),
        upgraded("cust_1", "ltr_7", "ltr_2", at=WEDNESDAY, id="from nowhere"),
        REFUSED,
        evolved(OF_NO_CAMPAIGN, "of no campaign"),
        evolved(expiration_changed("cust_1", "ltr_1", "camp_2", at=THURSDAY), "soon in camp_2"),
        prolonged("cust_1", tier("ltr_2", name="new"), at=FRIDAY, id="renamed"),
    )
    found = why_campaign(database)
    assert told(found) == [
        ("joined", "applied", False),
        ("again", "no change", False),
        ("from nowhere", "gap", False),
        ("bad", "dead letter", False),
        ("of no campaign", "dead letter", False),
        ("renamed", "applied", True),
    ]
    assert "no campaign is given" in str(found.steps[4].reason)
    assert "'soon'" in str(found.steps[3].reason)
    assert found.current is not None
    assert (found.current.tier_name, found.current.gaps) == ("new", 1)


def test_a_deletion_ends_what_there_is_and_is_left_out_where_nothing_was(
    database: Database,
) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=TUESDAY),
        joined("cust_1", "ltr_1", at=TUESDAY),
        deleted("cust_1", at=MONDAY, id="before anything"),
        deleted("cust_1", at=WEDNESDAY, id="deleted"),
    )
    for found in (why_segment(database), why_campaign(database)):
        assert [each[1:] for each in told(found)] == [("applied", False), ("applied", True)]
        assert found.steps[-1].event_id == "deleted"
    with pytest.raises(NothingConcerns, match="segment 'seg_9'"):
        why_segment(database, "seg_9")


def test_before_and_after_are_the_rows_and_the_last_change_is_the_current_row(
    database: Database,
) -> None:
    append_and_project(
        database,
        left("cust_1", "seg_1", at=WEDNESDAY, id="b"),
        entered("cust_1", "seg_1", at=TUESDAY, id="a"),
    )
    row = segment_membership.Row(
        "seg_1", "Segment seg_1", True, parse(TUESDAY), None, False, 0, "a"
    )
    gone = replace(row, is_member=False, left_at=parse(WEDNESDAY), changed_by="b")
    found = why_segment(database)
    assert [(each.before, each.after) for each in found.steps] == [(None, row), (row, gone)]
    assert found.current == gone


def test_late_is_what_the_log_says_and_the_lateness_is_in_seconds(database: Database) -> None:
    soon = parse(TUESDAY) + timedelta(milliseconds=250)
    much_later = parse(MONDAY) + timedelta(days=2)
    append_and_project(database, left("cust_1", "seg_1", at=TUESDAY, id="b"), received_at=soon)
    append_and_project(
        database, entered("cust_1", "seg_1", at=MONDAY, id="a"), received_at=much_later
    )
    early = datetime(2024, 3, 6, 9, 59, 59, tzinfo=UTC)
    append_and_project(
        database, entered("cust_1", "seg_1", at=WEDNESDAY, id="c"), received_at=early
    )
    assert [
        (each.event_id, each.late, each.lateness_seconds, each.received_at, each.occurred_at)
        for each in why_segment(database).steps
    ] == [
        ("a", True, 172_800.0, much_later, parse(MONDAY)),
        ("b", False, 0.25, soon, parse(TUESDAY)),
        ("c", False, -1.0, early, parse(WEDNESDAY)),
    ]


def test_repeated_deliveries_are_counted(database: Database) -> None:
    twice, once = (
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
    )
    append_and_project(database, twice, once, twice, once)
    append_and_project(database, twice)
    assert [each.duplicates for each in why_segment(database).steps] == [2, 1]
    taken = why_not(database, "seg_1")
    assert taken.given_by is not None
    assert taken.taken_by is not None
    assert (taken.given_by.duplicates, taken.taken_by.duplicates) == (2, 1)


def test_the_deliveries_that_lost_are_on_the_record(database: Database) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=MONDAY, id="x"),
        entered("cust_1", "seg_2", at=MONDAY, id="y"),
        entered("cust_1", "seg_1", at=MONDAY, id="x", project_id="proj_2"),
    )
    later = RECEIVED_AT + timedelta(hours=1)
    append_and_project(
        database,
        left("cust_1", "seg_1", at=MONDAY, id="y"),
        left("cust_1", "seg_1", at=MONDAY, id="x", project_id="proj_2"),
        left("cust_1", "seg_2", at=MONDAY, id="x"),
        left("cust_1", "seg_3", at=MONDAY, id="x"),
        received_at=later,
    )
    found = why_segment(database, project_id="proj_1").conflicts
    assert [(each.event_id, each.received_at) for each in found] == [("x", later), ("x", later)]
    assert found[0].quarantine_id < found[1].quarantine_id
    assert "position 1" in found[0].detail


def test_other_reasons_and_conflicts_that_are_resolved_are_not_on_the_record(
    database: Database,
) -> None:
    append_and_project(database, entered("cust_1", "seg_1", at=MONDAY, id="x"))
    append_and_project(database, left("cust_1", "seg_1", at=MONDAY, id="x"))
    with database.writing() as connection:
        connection.execute(update(quarantine).values(resolved_at=RECEIVED_AT))
    put(database, rejected(b"{", "too_large", project_id="proj_1", event_id="x"))
    assert why_segment(database).conflicts == ()


STORY = [
    entered("cust_1", "seg_1", at=MONDAY, id="a"),
    left("cust_1", "seg_1", at=WEDNESDAY, id="c"),
    entered("cust_1", "seg_1", at=TUESDAY, id="b"),
    entered("cust_1", "seg_1", at=FRIDAY, id="e"),
]


@pytest.mark.parametrize(
    ("moment", "ids", "position"),
    [
        pytest.param(PointInTime(), "abce", 4, id="now"),
        pytest.param(PointInTime(as_of=parse(WEDNESDAY)), "abc", 4, id="true then"),
        pytest.param(PointInTime(as_of=parse(TUESDAY)), "ab", 4, id="before it left"),
        pytest.param(PointInTime(at_position=2), "ac", 2, id="known then"),
        pytest.param(PointInTime(at_position=2, as_of=parse(TUESDAY)), "a", 2, id="both"),
    ],
)
def test_why_at_a_moment_lists_only_the_events_that_count(
    database: Database, moment: PointInTime, ids: str, position: int
) -> None:
    append_and_project(database, *STORY)
    found = why_segment(database, moment=moment)
    assert "".join(each.event_id for each in found.steps) == ids
    assert found.position == position
    assert found.current == found.steps[-1].after
    assert [each.event_id for each in found.steps if each.decides] == [
        found.current and found.current.changed_by
    ]


def test_now_is_as_far_as_the_tables_are(database: Database) -> None:
    append_and_project(database, *STORY[:2])
    append(database, [envelope(each) for each in STORY[2:]], received_at=RECEIVED_AT)
    found = why_segment(database)
    assert [each.event_id for each in found.steps] == ["a", "c"]
    assert (found.position, why_not(database, "seg_1").position) == (2, 2)
    assert why_segment(database, moment=PointInTime(at_position=4)).position == 4
    # The projections need not be equally far: a verdict goes as far as both of them.
    catch_up(database, named(["segment_membership"]))
    assert why_segment(database).position == 4
    assert (why_not(database, "seg_1").position, why_not(database, "seg_1").verdict) == (2, "taken")


def test_why_is_complete_if_every_event_of_the_projection_was_folded(
    database: Database,
) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        joined("cust_1", "ltr_1", at=MONDAY),
        # It concerns another campaign, but who knows what else is wrong with it.
        expiration_changed("cust_1", "ltr_1", "camp_2", at=THURSDAY, expiration_date="soon"),
    )
    assert why_segment(database).complete
    assert not why_campaign(database).complete
    assert why_campaign(database, moment=PointInTime(at_position=2)).complete
    assert len(why_campaign(database).steps) == 1
    assert why_not(database, "seg_1").complete
    assert not why_not(database, "ltr_1").complete


def test_an_undecodable_event_makes_every_answer_of_why_incomplete(database: Database) -> None:
    append_and_project(database, UNREADABLE)
    found = why_segment(database, "seg_9")
    assert told(found) == [("bad", "dead letter", False)]
    assert (found.current, found.complete) == (None, False)
    # But not an id that no event could have.
    for impossible in ("", "x" * 201, "\0", "\udcff"):
        with pytest.raises(NothingConcerns):
            why_segment(database, impossible)


def test_whom_and_when_it_is_about_is_asked_as_for_the_customer(database: Database) -> None:
    append_and_project(
        database,
        created("cust_1", at=MONDAY, source_id="shop"),
        entered("cust_1", "seg_1", at=TUESDAY),
        created("cust_1", at=MONDAY, project_id="proj_2"),
    )
    mine: dict[str, Any] = {"project_id": "proj_1"}
    assert why_segment(database, identifier="shop", by_source_id=True).customer_id == "cust_1"
    with pytest.raises(CustomerAmbiguous):
        why_segment(database)
    with pytest.raises(CustomerNotFound):
        why_segment(database, identifier="nobody")
    with pytest.raises(CustomerNotFound):
        why_segment(database, **mine, moment=PointInTime(as_of=parse(MONDAY) - timedelta(days=1)))
    with pytest.raises(PositionUnknown):
        why_segment(database, **mine, moment=PointInTime(at_position=4))
    with pytest.raises(BadInstant):
        PointInTime(as_of=datetime(2024, 3, 4))  # noqa: DTZ001 - that is what is refused
    with pytest.raises(NothingConcerns, match=r"'cust_1'.*'seg_1' as of 2024-03-04"):
        why_segment(database, **mine, moment=PointInTime(as_of=parse(MONDAY)))
    with pytest.raises(NothingConcerns, match="segment 'seg_1'"):
        why_segment(database, project_id="proj_2")
    with pytest.raises(NothingConcerns, match="campaign 'seg_1'"):
        why_campaign(database, "seg_1", **mine)


@pytest.mark.parametrize(
    "asked", [{}, {"segment_id": "a", "not_": "a"}, {"campaign_id": "", "segment_id": ""}]
)
def test_why_takes_exactly_one_question(asked: dict[str, Any]) -> None:
    with pytest.raises(NotOne):
        WhyQuery(identifier="cust_1", **asked)
