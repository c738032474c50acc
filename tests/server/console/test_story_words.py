"""Events in words, delays, links, and how dark a tier is."""

from datetime import UTC, date, datetime, timedelta

import pytest

from projector.envelope import CustomerKey
from projector.projections.groups import GroupKind
from projector.queries.story.events import Statement
from projector.queries.why.case import Target
from projector.queries.why.steps import Effect
from projector.server.console import links
from projector.server.console.charts import tier_ramp
from projector.server.console.charts.tier_ramp import TierRank
from projector.server.console.words import story_words
from tests.support.cases import NAMES

_TIER = Statement(campaign_id="camp_1", tier_id="gold")


@pytest.mark.parametrize(
    ("type_", "stated", "said"),
    [
        ("customer.created", Statement(), "Became a customer"),
        ("customer.rewarded", Statement(), "Another event: customer.rewarded"),
        ("projector.offer.sent", Statement(), "An offer was sent"),
        ("customer.loyalty.tier.joined", _TIER, "Joined Bean Club on Gold"),
        (
            "customer.loyalty.tier.joined",
            Statement(campaign_id="camp_2", tier_id="top", tier_name="Top"),
            "Joined Top",
        ),
        ("customer.loyalty.tier.left", _TIER, "Left Gold"),
        ("customer.loyalty.tier.upgraded", _TIER, "Upgraded to Gold"),
        ("customer.loyalty.tier.upgraded", Statement(), "Upgraded to an unknown tier"),
        (
            "customer.loyalty.tier.expiration.changed",
            Statement(campaign_id="camp_1", tier_id="gold", expires_on=date(2025, 12, 31)),
            "Gold is now valid until 31 December 2025",
        ),
        ("customer.loyalty.tier.expiration.changed", _TIER, "Gold has no last day any more"),
        ("customer.segment.left", Statement(segment_id="seg_new"), "Left “New customers”"),
        # The name at the time of the event, and an id only where no name is known.
        (
            "customer.segment.entered",
            Statement(segment_id="seg_new", segment_name="Newcomers"),
            "Entered “Newcomers”",
        ),
        ("customer.segment.entered", Statement(segment_id="seg_9"), "Entered “seg_9”"),
    ],
)
def test_an_event_is_told_in_words(type_: str, stated: Statement, said: str) -> None:
    assert story_words.event_text(type_, stated, NAMES) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (91, "2 minutes"),
        (26 * 60, "26 minutes"),
        (89 * 60, "89 minutes"),
        (90 * 60, "2 hours"),
        (35 * 3600, "35 hours"),
        (36 * 3600, "2 days"),
        (400 * 86_400, "400 days"),
    ],
)
def test_a_delay_has_one_unit(seconds: float, said: str) -> None:
    assert story_words.duration(seconds) == said


def test_a_line_has_its_notes_its_pill_and_its_dot() -> None:
    def line(type_: str, effect: Effect, lateness: float | None, duplicates: int) -> object:
        found = story_words.line(
            type_,
            _TIER,
            effect,
            lateness_seconds=lateness,
            duplicates=duplicates,
            names=NAMES,
            tier_classes={("camp_1", "gold"): "tier-5"},
        )
        return found.dot, found.notes, found.pill and found.pill[0]

    prolonged, left = "customer.loyalty.tier.prolonged", "customer.loyalty.tier.left"
    assert line(prolonged, Effect.APPLIED, 90, 0) == ("tier-5", (), None)
    heard = ("we heard of it 2 days later", "delivered 3 times")
    assert line(prolonged, Effect.APPLIED, 2 * 86_400, 2) == ("tier-5", heard, None)
    assert line(prolonged, Effect.APPLIED, None, 0) == ("tier-5", (), None)
    assert line(left, Effect.NO_CHANGE, 1, 0) == ("", ("changed nothing",), None)
    assert line(left, Effect.GAP, 1, 0) == ("gap", (), "warn")
    assert line(left, Effect.DEAD_LETTER, 1, 0) == ("dead", (), "bad")


def test_events_that_came_at_once_were_read_from_a_file() -> None:
    now = datetime(2025, 1, 1, tzinfo=UTC)
    assert story_words.came_at_once([now, now + timedelta(minutes=59)])
    assert not story_words.came_at_once([now, now + timedelta(hours=1)])
    assert not story_words.came_at_once([now])


@pytest.mark.parametrize(
    "target",
    [
        Target(kind=GroupKind.SEGMENT, group_id="seg_1"),
        Target(kind=GroupKind.SEGMENT, group_id="a/b?c=ä%2F&"),
        Target(kind=GroupKind.TIER, campaign_id="camp/1", group_id="ltr 1"),
    ],
)
def test_what_is_asked_survives_the_way_through_an_address(target: Target) -> None:
    assert links.from_what(links.to_what(target)) == target


@pytest.mark.parametrize(
    "text", ["", "seg_1", "tier/a", "segment/", "tier/a/", "segment/a/b", "x/a"]
)
def test_anything_else_is_not_asked(text: str) -> None:
    assert links.from_what(text) is None


def test_the_path_of_a_customer_is_quoted() -> None:
    path = links.customer_path(CustomerKey("p/1", "ä?"), "why", what="a/b", on=None, known="x y")
    assert path == "/console/customers/p%2F1/%C3%A4%3F/why?what=a%2Fb&known=x+y"


def test_tiers_are_the_darker_the_more_points_they_need() -> None:
    def ramp(*points: int | None) -> list[str]:
        tiers = [
            TierRank(campaign_id="camp_1", tier_id=f"{n}", points_from=each)
            for n, each in enumerate(points)
        ]
        other = TierRank(campaign_id="camp_2", tier_id="0", points_from=5)
        found = tier_ramp.classes([*tiers, other, *tiers])
        assert found["camp_2", "0"] == "tier-3"
        return [found["camp_1", each.tier_id] for each in tiers]

    assert ramp(0) == ["tier-3"]
    assert ramp(0, 9) == ["tier-1", "tier-5"]
    assert ramp(500, 0, 200) == ["tier-5", "tier-1", "tier-3"]
    assert ramp(0, 1, 2, 3, 4) == [f"tier-{n}" for n in range(1, 6)]
    # Of equally many points, and of unknown ones, the first comes first.
    assert ramp(None, 0, None, 0) == ["tier-4", "tier-1", "tier-5", "tier-2"]
    assert ramp(*range(9))[::4] == ["tier-1", "tier-3", "tier-5"]
