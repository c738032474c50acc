"""Why: every event that has a say, what it did, and the ones that gave or took something away."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import given as generated
from hypothesis import strategies as st
from sqlalchemy import update

from projector import query
from projector.envelope import CustomerKey, Envelope
from projector.errors import (
    BadInstant,
    CustomerAmbiguous,
    CustomerNotFound,
    GroupNotFound,
    NothingConcerns,
    NotOne,
    PositionUnknown,
)
from projector.explain import Question, WhyCampaign, WhyNot, WhySegment, why
from projector.instants import parse
from projector.projections import discover, loyalty_tier, named, segment_membership
from projector.query import Moment
from projector.runner import catch_up
from projector.steps import Step
from projector.store import state
from projector.store.append import append
from projector.store.engine import Database
from projector.store.tables import quarantine
from tests.databases import migrated, wipe
from tests.given import (
    RECEIVED_AT,
    Delivery,
    created,
    deleted,
    downgraded,
    entered,
    envelope,
    expiration_changed,
    folded,
    joined,
    left,
    prolonged,
    tier,
    tier_left,
    updated,
    upgraded,
)
from tests.histories import Arrival, arrivals, histories
from tests.store.items import put, rejected

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (f"2024-03-0{day}T10:00:00Z" for day in range(4, 9))
UNREADABLE = entered("cust_1", {"name": "of no id"}, at=THURSDAY, id="bad")
OF_NO_CAMPAIGN = joined("cust_1", "ltr_1", None, at=THURSDAY, id="bad")
REFUSED = expiration_changed("cust_1", "ltr_1", at=THURSDAY, id="bad", expiration_date="soon")

# Hypothesis makes a failing example small for up to five minutes before it shows it.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with migrated(database_url) as database:
        yield database


def arrive(database: Database, *webhooks: Delivery, received_at: datetime = RECEIVED_AT) -> None:
    """They arrive in this order, and the tables follow."""
    append(database, [envelope(each) for each in webhooks], received_at=received_at)
    catch_up(database, discover())


def why_segment(database: Database, segment_id: str = "seg_1", **more: Any) -> WhySegment:
    question: dict[str, Any] = {"identifier": "cust_1", "segment_id": segment_id, **more}
    found = why(database, Question(**question))
    assert isinstance(found, WhySegment)
    return found


def why_campaign(database: Database, campaign_id: str = "camp_1", **more: Any) -> WhyCampaign:
    question: dict[str, Any] = {"identifier": "cust_1", "campaign_id": campaign_id, **more}
    found = why(database, Question(**question))
    assert isinstance(found, WhyCampaign)
    return found


def why_not(database: Database, what: str, **more: Any) -> WhyNot:
    question: dict[str, Any] = {"identifier": "cust_1", "not_": what, **more}
    found = why(database, Question(**question))
    assert isinstance(found, WhyNot)
    return found


def told(found: WhySegment | WhyCampaign) -> list[tuple[str, str, bool]]:
    """The event, its effect, and whether it decides, of each step."""
    return [(each.event_id, each.effect, each.decides) for each in found.steps]


def test_each_event_of_a_segment_is_told_with_its_effect(database: Database) -> None:
    arrive(
        database,
        created("cust_1", at=MONDAY),
        left("cust_1", "seg_1", at=MONDAY, id="unseen"),
        entered("cust_1", "seg_1", at=TUESDAY, id="in"),
        entered("cust_1", "seg_1", at=WEDNESDAY, id="again"),
        entered("cust_1", "seg_2", at=WEDNESDAY, id="elsewhere"),
        UNREADABLE,
        joined("cust_1", None, at=THURSDAY, id="of another projection"),
        left("cust_1", "seg_1", at=FRIDAY, id="out"),
        deleted("cust_1", at=FRIDAY, id="outlived"),
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


def test_each_event_of_a_campaign_is_told_with_its_effect(database: Database) -> None:
    arrive(
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


def evolved(webhook: Delivery, event_id: str) -> Delivery:
    """The same, under another id."""
    return {**webhook, "event": {**webhook["event"], "id": event_id}}


def test_a_deletion_ends_what_there_is_and_is_left_out_where_nothing_was(
    database: Database,
) -> None:
    arrive(
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
    arrive(
        database,
        left("cust_1", "seg_1", at=WEDNESDAY, id="b"),
        entered("cust_1", "seg_1", at=TUESDAY, id="a"),
    )
    row = segment_membership.Row("seg_1", "Segment seg_1", True, parse(TUESDAY), None, 0, "a")
    gone = evolve(row, is_member=False, left_at=parse(WEDNESDAY), changed_by="b")
    found = why_segment(database)
    assert [(each.before, each.after) for each in found.steps] == [(None, row), (row, gone)]
    assert found.current == gone


def test_late_is_what_the_log_says_and_the_lateness_is_in_seconds(database: Database) -> None:
    soon = parse(TUESDAY) + timedelta(milliseconds=250)
    much_later = parse(MONDAY) + timedelta(days=2)
    arrive(database, left("cust_1", "seg_1", at=TUESDAY, id="b"), received_at=soon)
    arrive(database, entered("cust_1", "seg_1", at=MONDAY, id="a"), received_at=much_later)
    early = datetime(2024, 3, 6, 9, 59, 59, tzinfo=UTC)
    arrive(database, entered("cust_1", "seg_1", at=WEDNESDAY, id="c"), received_at=early)
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
    arrive(database, twice, once, twice, once)
    arrive(database, twice)
    assert [each.duplicates for each in why_segment(database).steps] == [2, 1]
    taken = why_not(database, "seg_1")
    assert taken.given_by is not None
    assert taken.taken_by is not None
    assert (taken.given_by.duplicates, taken.taken_by.duplicates) == (2, 1)


def test_the_deliveries_that_lost_are_on_the_record(database: Database) -> None:
    arrive(
        database,
        entered("cust_1", "seg_1", at=MONDAY, id="x"),
        entered("cust_1", "seg_2", at=MONDAY, id="y"),
        entered("cust_1", "seg_1", at=MONDAY, id="x", project_id="proj_2"),
    )
    later = RECEIVED_AT + timedelta(hours=1)
    arrive(
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
    arrive(database, entered("cust_1", "seg_1", at=MONDAY, id="x"))
    arrive(database, left("cust_1", "seg_1", at=MONDAY, id="x"))
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
        pytest.param(Moment(), "abce", 4, id="now"),
        pytest.param(Moment(as_of=parse(WEDNESDAY)), "abc", 4, id="true then"),
        pytest.param(Moment(as_of=parse(TUESDAY)), "ab", 4, id="before it left"),
        pytest.param(Moment(at_position=2), "ac", 2, id="known then"),
        pytest.param(Moment(at_position=2, as_of=parse(TUESDAY)), "a", 2, id="both"),
    ],
)
def test_only_what_counts_at_a_moment_is_told(
    database: Database, moment: Moment, ids: str, position: int
) -> None:
    arrive(database, *STORY)
    found = why_segment(database, moment=moment)
    assert "".join(each.event_id for each in found.steps) == ids
    assert found.position == position
    assert found.current == found.steps[-1].after
    assert [each.event_id for each in found.steps if each.decides] == [
        found.current and found.current.changed_by
    ]


def test_now_is_as_far_as_the_tables_are(database: Database) -> None:
    arrive(database, *STORY[:2])
    append(database, [envelope(each) for each in STORY[2:]], received_at=RECEIVED_AT)
    found = why_segment(database)
    assert [each.event_id for each in found.steps] == ["a", "c"]
    assert (found.position, why_not(database, "seg_1").position) == (2, 2)
    assert why_segment(database, moment=Moment(at_position=4)).position == 4
    # The projections need not be equally far: a verdict goes as far as both of them.
    catch_up(database, named(["segment_membership"]))
    assert why_segment(database).position == 4
    assert (why_not(database, "seg_1").position, why_not(database, "seg_1").verdict) == (2, "taken")


def test_it_is_complete_where_every_event_of_the_projection_could_be_folded(
    database: Database,
) -> None:
    arrive(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        joined("cust_1", "ltr_1", at=MONDAY),
        # It concerns another campaign, but who knows what else is wrong with it.
        expiration_changed("cust_1", "ltr_1", "camp_2", at=THURSDAY, expiration_date="soon"),
    )
    assert why_segment(database).complete
    assert not why_campaign(database).complete
    assert why_campaign(database, moment=Moment(at_position=2)).complete
    assert len(why_campaign(database).steps) == 1
    assert why_not(database, "seg_1").complete
    assert not why_not(database, "ltr_1").complete


def test_of_an_event_that_cannot_be_read_nobody_knows_what_it_concerns(database: Database) -> None:
    arrive(database, UNREADABLE)
    found = why_segment(database, "seg_9")
    assert told(found) == [("bad", "dead letter", False)]
    assert (found.current, found.complete) == (None, False)
    # But not an id that no event could have.
    for impossible in ("", "x" * 201, "\0", "\udcff"):
        with pytest.raises(NothingConcerns):
            why_segment(database, impossible)


def test_a_segment_is_held_taken_or_was_never_given(database: Database) -> None:
    arrive(
        database,
        entered("cust_1", "seg_1", at=MONDAY, id="in"),
        entered("cust_1", "seg_1", at=TUESDAY, id="again"),
        left("cust_1", "seg_1", at=WEDNESDAY, id="out"),
        left("cust_1", "seg_1", at=THURSDAY, id="out again"),
        entered("cust_1", "seg_2", at=MONDAY, id="in 2"),
        left("cust_1", "seg_2", at=TUESDAY, id="out 2"),
        entered("cust_1", "seg_2", at=WEDNESDAY, id="in 2 again"),
        left("cust_1", "seg_3", at=MONDAY, id="out 3"),
        entered("cust_2", "seg_4", at=MONDAY),
    )
    assert verdict(why_not(database, "seg_1")) == ("segment", "taken", "in", "out", None)
    assert verdict(why_not(database, "seg_2")) == ("segment", "holds", "in 2 again", None, None)
    assert verdict(why_not(database, "seg_3")) == ("segment", "never given", None, None, None)
    assert verdict(why_not(database, "seg_4")) == ("segment", "never given", None, None, None)
    # A later event changed the row of seg_1: what took it away does not decide it any more.
    decide = [why_not(database, each).given_by for each in ("seg_1", "seg_2")]
    assert [each and each.decides for each in decide] == [False, True]
    assert why_not(database, "seg_1").project_id == "proj_1"


def verdict(found: WhyNot) -> tuple[Any, ...]:
    """The kind, the verdict, the ids of the events, and the campaign."""
    given_by, taken_by = found.given_by, found.taken_by
    ids = given_by and given_by.event_id, taken_by and taken_by.event_id
    return found.kind, found.verdict, *ids, found.campaign_id


def test_a_tier_is_held_taken_or_was_never_given(database: Database) -> None:
    arrive(
        database,
        joined("cust_1", "silver", at=MONDAY, id="silver"),
        upgraded("cust_1", "silver", "gold", at=TUESDAY, id="gold"),
        prolonged("cust_1", "gold", at=WEDNESDAY, id="still gold"),
        downgraded("cust_1", "gold", "silver", at=THURSDAY, id="no gold"),
        tier_left("cust_1", "iron", "camp_2", at=MONDAY, id="no iron"),
        joined("cust_2", "ruby", at=MONDAY),
    )
    assert verdict(why_not(database, "gold")) == ("tier", "taken", "gold", "no gold", "camp_1")
    assert verdict(why_not(database, "silver")) == ("tier", "holds", "no gold", None, "camp_1")
    assert verdict(why_not(database, "iron")) == ("tier", "never given", None, None, "camp_2")
    assert verdict(why_not(database, "ruby")) == ("tier", "never given", None, None, None)
    found = why_not(database, "gold")
    assert found.taken_by is not None
    assert found.taken_by.decides
    assert found.taken_by.before.tier_id == "gold"  # type: ignore[union-attr]
    assert found.taken_by.after.tier_id == "silver"  # type: ignore[union-attr]
    then = why_not(database, "gold", moment=Moment(as_of=parse(WEDNESDAY)))
    assert verdict(then) == ("tier", "holds", "gold", None, "camp_1")


def test_a_deletion_takes_everything_away(database: Database) -> None:
    arrive(
        database,
        joined("cust_1", "gold", at=MONDAY, id="gold"),
        entered("cust_1", "seg_1", at=MONDAY, id="in"),
        deleted("cust_1", at=TUESDAY, id="gone"),
    )
    assert verdict(why_not(database, "gold")) == ("tier", "taken", "gold", "gone", "camp_1")
    assert verdict(why_not(database, "seg_1")) == ("segment", "taken", "in", "gone", None)


def test_one_tier_in_two_campaigns_is_held_where_it_holds_or_was_taken_last(
    database: Database,
) -> None:
    arrive(
        database,
        joined("cust_1", "gold", "camp_2", at=MONDAY, id="2"),
        joined("cust_1", "gold", "camp_1", at=TUESDAY, id="1"),
        tier_left("cust_1", "gold", "camp_1", at=WEDNESDAY, id="-1"),
        tier_left("cust_1", "gold", "camp_2", at=THURSDAY, id="-2"),
    )
    assert verdict(why_not(database, "gold")) == ("tier", "taken", "2", "-2", "camp_2")
    then = why_not(database, "gold", moment=Moment(as_of=parse(WEDNESDAY)))
    assert verdict(then) == ("tier", "holds", "2", None, "camp_2")
    arrive(
        database,
        joined("cust_1", "gold", "camp_1", at=FRIDAY, id="1 again"),
        deleted("cust_1", at=FRIDAY, id="9"),
    )
    assert verdict(why_not(database, "gold")) == ("tier", "taken", "1 again", "9", "camp_1")


def test_the_campaign_of_a_tier_that_was_never_given_is_the_one_that_an_event_tells(
    database: Database,
) -> None:
    arrive(
        database,
        # Somebody else is on it, but which campaign is meant the customer's own events know.
        joined("cust_2", "iron", "camp_2", at=MONDAY),
        downgraded("cust_1", "iron", "silver", at=MONDAY),
        evolved(tier_left("cust_1", "iron", None, at=TUESDAY), "of no campaign"),
    )
    assert verdict(why_not(database, "iron")) == ("tier", "never given", None, None, "camp_1")


def test_an_id_of_a_segment_and_of_a_tier_is_what_the_customer_has(database: Database) -> None:
    arrive(
        database,
        entered("cust_1", "both", at=TUESDAY, id="in"),
        left("cust_1", "both", at=FRIDAY, id="out"),
        joined("cust_1", "both", at=MONDAY, id="on"),
        updated("cust_2", at=MONDAY),
        tier_left("cust_3", "both", at=MONDAY),
        left("cust_3", "both", at=MONDAY),
    )
    assert verdict(why_not(database, "both")) == ("tier", "holds", "on", None, "camp_1")
    for other in ("cust_2", "cust_3"):
        found = why_not(database, "both", identifier=other)
        assert verdict(found) == (None, "never given", None, None, None)


def test_a_verdict_tells_of_the_deliveries_that_are_proven_to_be_lost(database: Database) -> None:
    arrive(
        database,
        left("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_2", at=MONDAY),
        joined("cust_1", "bronze", at=MONDAY),
        tier_left("cust_1", "gold", at=TUESDAY),
        tier_left("cust_1", "iron", "camp_2", at=TUESDAY),
        joined("cust_2", "steel", at=MONDAY),
    )
    gaps = {what: why_not(database, what).gaps for what in ("seg_1", "gold", "iron", "steel")}
    # Of which campaign steel is, no event of the customer tells.
    assert gaps == {"seg_1": 1, "gold": 1, "iron": 1, "steel": 2}


def test_what_was_given_only_later_is_known_and_was_never_given_before(database: Database) -> None:
    arrive(
        database,
        updated("cust_1", at=MONDAY),
        joined("cust_1", "gold", at=TUESDAY),
        tier_left("cust_1", "gold", at=WEDNESDAY),
    )
    for moment in (Moment(as_of=parse(MONDAY)), Moment(at_position=1)):
        found = why_not(database, "gold", moment=moment)
        assert verdict(found) == ("tier", "never given", None, None, "camp_1")


@pytest.mark.parametrize("what", ["gold", "", "\0", "x" * 201, "\udcff"])
def test_what_nobody_has_and_nothing_names_is_not_known(database: Database, what: str) -> None:
    arrive(database, joined("cust_1", "silver", at=MONDAY), UNREADABLE)
    with pytest.raises(GroupNotFound, match="segment or tier"):
        why_not(database, what)


def test_whom_and_when_it_is_about_is_asked_as_for_the_customer(database: Database) -> None:
    arrive(
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
        why_segment(database, **mine, moment=Moment(as_of=parse(MONDAY) - timedelta(days=1)))
    with pytest.raises(PositionUnknown):
        why_segment(database, **mine, moment=Moment(at_position=4))
    with pytest.raises(BadInstant):
        Moment(as_of=datetime(2024, 3, 4))  # noqa: DTZ001 - that is what is refused
    with pytest.raises(NothingConcerns, match=r"'cust_1'.*'seg_1' as of 2024-03-04"):
        why_segment(database, **mine, moment=Moment(as_of=parse(MONDAY)))
    with pytest.raises(NothingConcerns, match="segment 'seg_1'"):
        why_segment(database, project_id="proj_2")
    with pytest.raises(NothingConcerns, match="campaign 'seg_1'"):
        why_campaign(database, "seg_1", **mine)


@pytest.mark.parametrize(
    "asked", [{}, {"segment_id": "a", "not_": "a"}, {"campaign_id": "", "segment_id": ""}]
)
def test_one_thing_is_asked(asked: dict[str, Any]) -> None:
    with pytest.raises(NotOne):
        Question(identifier="cust_1", **asked)


#: The database outlives an example: each begins with wiping it.
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_arriving = histories().flatmap(lambda history: st.tuples(st.just(history), arrivals(history)))
_SEGMENT, _TIER = segment_membership.PROJECTION, loyalty_tier.PROJECTION
_ROWS = (("segment_id", _SEGMENT, ("seg_1", "seg_2")), ("campaign_id", _TIER, ("camp_1", "camp_2")))


@settings(max_examples=40, suppress_health_check=_SHARED)
@generated(arriving=_arriving)
def test_the_steps_lead_to_the_row_in_the_table(
    database: Database, arriving: tuple[list[Delivery], list[Arrival]]
) -> None:
    for customer, stream in _customers(database, arriving[1]):
        for asked, projection, row_ids in _ROWS:
            with database.reading() as connection:
                rows = state.load_one(connection, projection, customer)
            by_id = {getattr(row, asked): row for row in rows}
            for row_id in row_ids:
                found = _ask(database, customer, **{asked: row_id})
                changes = [_rows(projection, row_id, stream[:n]) for n in range(len(stream) + 1)]
                if not isinstance(found, WhySegment | WhyCampaign):
                    assert set(changes) == {None}
                    continue
                assert found.current == by_id.get(row_id) == changes[-1]
                _check_steps(found.steps, found.current)
                _check_against_the_prefixes(found.steps, stream, changes)


def _customers(
    database: Database, coming: Sequence[Arrival]
) -> list[tuple[CustomerKey, list[Envelope]]]:
    """All of it arrives; who is known then, with the events in canonical order."""
    wipe(database)
    streams: dict[CustomerKey, dict[str, Envelope]] = {}
    for arrival in coming:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        for each in arrival.envelopes:
            if each.customer_id is not None:
                key = CustomerKey(each.project_id, each.customer_id)
                streams.setdefault(key, {}).setdefault(each.event_id, each)
    catch_up(database, discover())
    with database.reading() as connection:
        known = [key for key in streams if query.answer_at(connection, key, query.NOW) is not None]
    return [(key, sorted(streams[key].values(), key=lambda each: each.key)) for key in known]


def _ask(database: Database, customer: CustomerKey, **asked: Any) -> Any:
    question = Question(identifier=customer.customer_id, project_id=customer.project_id, **asked)
    try:
        return why(database, question)
    except (NothingConcerns, GroupNotFound):
        return None


def _rows(projection: Any, row_id: str, events: Sequence[Envelope]) -> Any:
    """The row that so many events give by the pure road."""
    [name] = projection.key
    rows, _ = folded(projection.name, events)
    return next((row for row in rows if getattr(row, name) == row_id), None)


def _check_steps(steps: Sequence[Step], current: Any) -> None:
    """In canonical order, one following from the other, and one that decides."""
    assert list(steps) == sorted(steps, key=lambda each: each.key)
    changing = [each for each in steps if each.before != each.after]
    assert [each for each in steps if each.decides] == changing[-1:]
    assert current == (changing[-1].after if changing else None)
    row = None
    for each in steps:
        assert each.before == row
        row = each.after
        assert (each.reason is not None) == (each.effect == "dead letter")
        assert (each.before == each.after) == (each.effect in ("no change", "dead letter"))


def _check_against_the_prefixes(
    steps: Sequence[Step], stream: Sequence[Envelope], changes: Sequence[Any]
) -> None:
    """Every event that changed the row is a step, with the row as it was before and after it."""
    by_id = {each.event_id: each for each in steps}
    for index, each in enumerate(stream):
        before, after = changes[index], changes[index + 1]
        step = by_id.get(each.event_id)
        assert before == after if step is None else (step.before, step.after) == (before, after)


@settings(max_examples=30, suppress_health_check=_SHARED)
@generated(arriving=_arriving)
def test_a_verdict_is_what_the_rows_have_been_one_after_the_other(
    database: Database, arriving: tuple[list[Delivery], list[Arrival]]
) -> None:
    for customer, stream in _customers(database, arriving[1]):
        prefixes = [stream[:n] for n in range(len(stream) + 1)]
        for what in ("seg_1", "seg_2", "ltr_1", "ltr_2", "ltr_3"):
            held = [_held(each, what) for each in prefixes]
            found = _ask(database, customer, not_=what)
            if found is None:
                assert not any(held)
                continue
            expected = "holds" if held[-1] else "taken" if any(held) else "never given"
            assert found.verdict == expected
            began = [stream[n].event_id for n in range(len(stream)) if held[n + 1] - held[n]]
            ended = [stream[n].event_id for n in range(len(stream)) if held[n] - held[n + 1]]
            given_by = found.given_by and found.given_by.event_id
            assert given_by in began if any(held) else given_by is None
            last = None if held[-1] or not ended else ended[-1]
            assert (found.taken_by and found.taken_by.event_id) == last
            if len(set().union(*held)) == 1:
                assert given_by == began[-1]


def _held(events: Sequence[Envelope], what: str) -> set[tuple[str, str]]:
    """The rows in which it holds."""
    memberships, tiers = (folded(each.name, events)[0] for each in (_SEGMENT, _TIER))
    return {
        *(
            ("segment", row.segment_id)
            for row in memberships
            if row.is_member and row.segment_id == what
        ),
        *(("tier", row.campaign_id) for row in tiers if row.tier_id == what),
    }
