"""The sentence that answers: as sure as the evidence, and no surer."""

from collections.abc import Sequence
from typing import Any

import pytest

from projector.queries.why.case import Target
from projector.server.console.words.parts import person
from tests.support.cases import BRONZE, ESPRESSO, GOLD, MARA, NEW, SILVER, verdict_of
from tests.support.given import (
    Delivery,
    created,
    deleted,
    downgraded,
    entered,
    expiration_changed,
    joined,
    left,
    prolonged,
    segment,
    tier,
    tier_left,
    updated,
    upgraded,
)

Events = Sequence[Delivery]


def _tier(name: str, until: str | None = None) -> dict[str, Any]:
    expiration = {} if until is None else {"expiration": {"expiration_date": until}}
    return tier(name, name=name.title(), **expiration)


def _at(day: str) -> str:
    return f"{day}T10:00:00Z"


def _on(build: Any, day: str, *what: Any, **more: Any) -> Delivery:
    built: Delivery = build("cust_1", *what, at=_at(day), **more)
    return built


NEWS, LOVERS = (
    segment("seg_new", name="New customers"),
    segment("seg_espresso", name="Espresso lovers"),
)

#: A story in which nothing is missing.
WHOLE: Events = [
    _on(created, "2025-03-03"),
    _on(entered, "2025-03-03", NEWS),
    _on(joined, "2025-03-04", _tier("bronze")),
    _on(upgraded, "2025-03-18", _tier("bronze"), _tier("silver", "2025-09-18")),
    _on(left, "2025-04-02", NEWS),
    _on(upgraded, "2025-05-20", _tier("silver"), _tier("gold", "2025-08-20")),
    _on(prolonged, "2025-08-20", _tier("gold", "2025-11-20")),
    _on(downgraded, "2025-11-20", _tier("gold"), _tier("silver", "2026-05-20")),
]
#: On Bronze, and then left Gold; and left a segment that no event had put anybody into.
LOST: Events = [
    _on(left, "2025-04-06", NEWS),
    _on(entered, "2025-04-08", LOVERS),
    _on(joined, "2025-04-09", _tier("bronze")),
    _on(tier_left, "2025-05-12", _tier("gold")),
]
UNREADABLE = _on(upgraded, "2025-06-15", _tier("bronze"), None)
GONE: Events = [
    *WHOLE[:4],
    _on(tier_left, "2025-06-01", _tier("silver")),
    _on(deleted, "2025-06-10"),
]
BACK: Events = [*WHOLE, _on(upgraded, "2026-04-03", _tier("silver"), _tier("gold"))]
RETURNED: Events = [*WHOLE[:5], _on(entered, "2025-07-01", NEWS)]
#: Prolonged on a tier that nothing had put anybody on.
JUMPED: Events = [*WHOLE[:4], _on(prolonged, "2025-07-01", _tier("gold", "2025-10-01"))]
#: Moved from a tier that nothing had put anybody on.
SKIPPED: Events = [*WHOLE[:3], _on(upgraded, "2025-07-01", _tier("silver"), _tier("gold"))]
#: What says, after the loss, that the customer is still on Bronze.
REJOINED: Events = [_on(prolonged, "2025-07-01", _tier("bronze"))]
#: The first that is known is no creation.
OLD: Events = [_on(updated, "2025-04-01"), _on(joined, "2025-04-09", _tier("bronze"))]
#: The last day came before the news.
GRACE: Events = [*WHOLE[:4], _on(downgraded, "2025-10-05", _tier("silver"), _tier("bronze"))]

#: The last day came before the news that it is a later one.
PUSHED: Events = [
    *WHOLE[:4],
    _on(expiration_changed, "2025-10-01", _tier("silver"), expiration_date="2026-01-31"),
]

#: Leaving Bronze only goes with the move to Silver, and says nothing of the time after it.
ACCOMPANIED: Events = [
    *WHOLE[:4],
    _on(tier_left, "2025-04-10", _tier("bronze")),
    _on(tier_left, "2025-05-12", _tier("gold")),
]
#: A deletion does not say what the customer was on.
DELETED: Events = [
    *WHOLE[:4],
    _on(deleted, "2025-04-10"),
    _on(tier_left, "2025-05-12", _tier("gold")),
]

CASES: list[tuple[Events, Target, str | None, str]] = [
    (
        WHOLE,
        GOLD,
        "2026-03-01",
        "No. On 1 March 2026 Mara Lindqvist was on Silver, not on Gold. Gold had ended on "
        "20 November 2025, when Mara was downgraded to Silver. | Mara had been on Gold "
        "since 20 May 2025; it was valid until 20 November 2025.",
    ),
    (
        WHOLE,
        SILVER,
        "2026-03-01",
        "Yes. On 1 March 2026 Mara Lindqvist was on Silver, since 20 November 2025. | "
        "Silver was valid until 20 May 2026.",
    ),
    (
        WHOLE,
        GOLD,
        "2025-07-01",
        "Yes. On 1 July 2025 Mara Lindqvist was on Gold, since 20 May 2025. | That ended "
        "on 20 November 2025, when Mara was downgraded to Silver.",
    ),
    (
        WHOLE,
        GOLD,
        "2025-05-20",
        "Yes. On 20 May 2025 Mara Lindqvist was on Gold, since 20 May 2025. | That ended "
        "on 20 November 2025, when Mara was downgraded to Silver.",
    ),
    (
        WHOLE,
        GOLD,
        "2025-05-19",
        "No. On 19 May 2025 Mara Lindqvist was on Silver, not on Gold. Nothing had put "
        "Mara on Gold by then. | Mara came to Gold on 20 May 2025.",
    ),
    (
        WHOLE,
        GOLD,
        "2025-09-30",
        "Yes. On 30 September 2025 Mara Lindqvist was on Gold, since 20 May 2025. | That "
        "ended on 20 November 2025, when Mara was downgraded to Silver.",
    ),
    (
        WHOLE,
        BRONZE,
        "2025-03-10",
        "Yes. On 10 March 2025 Mara Lindqvist was on Bronze, since 4 March 2025. | That "
        "ended on 18 March 2025, when Mara was upgraded to Silver.",
    ),
    (
        WHOLE,
        BRONZE,
        "2025-06-01",
        "No. On 1 June 2025 Mara Lindqvist was on Gold, not on Bronze. Bronze had ended "
        "on 18 March 2025, when Mara was upgraded to Silver. | Mara had been on Bronze "
        "since 4 March 2025.",
    ),
    (
        WHOLE,
        GOLD,
        "2025-03-03",
        "No. On 3 March 2025 Mara Lindqvist was not on Gold. Nothing had put Mara on Gold "
        "by then. | Mara came to Gold on 20 May 2025.",
    ),
    (
        WHOLE,
        GOLD,
        "2025-03-02",
        "No. On 2 March 2025 Mara Lindqvist was no customer yet. Mara became one on 3 "
        "March 2025. | Mara came to Gold on 20 May 2025.",
    ),
    (
        WHOLE,
        NEW,
        "2025-03-20",
        "Yes. On 20 March 2025 Mara Lindqvist was in “New customers”, since 3 March 2025. "
        "| Mara left it on 2 April 2025.",
    ),
    (
        WHOLE,
        NEW,
        "2025-04-02",
        "No. On 2 April 2025 Mara Lindqvist was not in “New customers”. Mara had left it "
        "on 2 April 2025. | Mara had been in “New customers” since 3 March 2025.",
    ),
    (
        WHOLE,
        NEW,
        "2025-05-01",
        "No. On 1 May 2025 Mara Lindqvist was not in “New customers”. Mara had left it on "
        "2 April 2025. | Mara had been in “New customers” since 3 March 2025.",
    ),
    (
        WHOLE,
        NEW,
        "2025-03-02",
        "No. On 2 March 2025 Mara Lindqvist was no customer yet. Mara became one on 3 "
        "March 2025. | Mara entered it on 3 March 2025.",
    ),
    (
        WHOLE,
        ESPRESSO,
        "2025-05-01",
        "No. On 1 May 2025 Mara Lindqvist was not in “Espresso lovers”. Nothing had put "
        "Mara into “Espresso lovers” by then.",
    ),
    (
        WHOLE,
        ESPRESSO,
        None,
        "No. Today Mara Lindqvist is not in “Espresso lovers”. Nothing has put Mara into "
        "“Espresso lovers”.",
    ),
    (
        WHOLE,
        NEW,
        None,
        "No. Today Mara Lindqvist is not in “New customers”. Mara left it on 2 April "
        "2025. | Mara had been in “New customers” since 3 March 2025.",
    ),
    (
        WHOLE,
        SILVER,
        None,
        "We cannot tell. As far as we were told, today Mara Lindqvist is on Silver. But "
        "Silver was to end on 20 May 2026, and nothing has told us what came after.",
    ),
    (
        WHOLE,
        GOLD,
        None,
        "We cannot tell. As far as we were told, today Mara Lindqvist is on Silver, not "
        "on Gold. But Silver was to end on 20 May 2026, and nothing has told us what came "
        "after.",
    ),
    (
        WHOLE,
        SILVER,
        "2026-05-20",
        "Yes. On 20 May 2026 Mara Lindqvist was on Silver, since 20 November 2025. | "
        "Silver was valid until 20 May 2026.",
    ),
    (
        WHOLE,
        SILVER,
        "2026-05-21",
        "We cannot tell. As far as we were told, on 21 May 2026 Mara Lindqvist was on "
        "Silver. But Silver was to end on 20 May 2026, and no event up to that day says "
        "what came after.",
    ),
    (
        WHOLE,
        GOLD,
        "2026-05-21",
        "We cannot tell. As far as we were told, on 21 May 2026 Mara Lindqvist was on "
        "Silver, not on Gold. But Silver was to end on 20 May 2026, and no event up to "
        "that day says what came after.",
    ),
    (
        GRACE,
        SILVER,
        "2025-09-19",
        "Yes. On 19 September 2025 Mara Lindqvist was on Silver, since 18 March 2025. | "
        "Silver was to end on 18 September 2025, but later events show that it still "
        "held. That ended on 5 October 2025, when Mara was downgraded to Bronze.",
    ),
    (
        GRACE,
        SILVER,
        "2025-10-05",
        "No. On 5 October 2025 Mara Lindqvist was on Bronze, not on Silver. Silver had "
        "ended on 5 October 2025, when Mara was downgraded to Bronze. | Mara had been on "
        "Silver since 18 March 2025; it was valid until 18 September 2025.",
    ),
    (
        GRACE,
        BRONZE,
        "2025-09-30",
        "No. On 30 September 2025 Mara Lindqvist was on Silver, not on Bronze. Bronze had "
        "ended on 18 March 2025, when Mara was upgraded to Silver. | Mara had been on "
        "Bronze since 4 March 2025. Mara came back to Bronze on 5 October 2025.",
    ),
    (
        GRACE,
        BRONZE,
        None,
        "Yes. Today Mara Lindqvist is on Bronze, since 5 October 2025.",
    ),
    (
        ACCOMPANIED,
        GOLD,
        "2025-04-01",
        "We cannot tell. As far as we were told, on 1 April 2025 Mara Lindqvist was on Silver, not "
        "on Gold. But on 12 May 2025 we heard that Mara left Gold, so a delivery before it was "
        "lost.",
    ),
    (
        DELETED,
        GOLD,
        "2025-04-01",
        "We cannot tell. As far as we were told, on 1 April 2025 Mara Lindqvist was on Silver, not "
        "on Gold. But on 12 May 2025 we heard that Mara left Gold, so a delivery before it was "
        "lost.",
    ),
    (
        PUSHED,
        SILVER,
        "2025-09-25",
        "Yes. On 25 September 2025 Mara Lindqvist was on Silver, since 18 March 2025. | Silver was "
        "to end on 18 September 2025, but later events show that it still held.",
    ),
    (
        LOST,
        GOLD,
        "2025-05-01",
        "We cannot tell. As far as we were told, on 1 May 2025 Mara Lindqvist was on "
        "Bronze, not on Gold. But on 12 May 2025 we heard that Mara left Gold, so a "
        "delivery before it was lost.",
    ),
    (
        LOST,
        BRONZE,
        "2025-05-01",
        "We cannot tell. As far as we were told, on 1 May 2025 Mara Lindqvist was on "
        "Bronze. But on 12 May 2025 we heard that Mara left Gold, so a delivery before it "
        "was lost.",
    ),
    (
        LOST,
        SILVER,
        "2025-05-01",
        "We cannot tell. As far as we were told, on 1 May 2025 Mara Lindqvist was on "
        "Bronze, not on Silver. But on 12 May 2025 we heard that Mara left Gold, so a "
        "delivery before it was lost.",
    ),
    (
        LOST,
        GOLD,
        "2025-04-08",
        "No. On 8 April 2025 Mara Lindqvist was not on Gold. Nothing had put Mara on Gold by then.",
    ),
    (
        LOST,
        GOLD,
        "2025-05-12",
        "We cannot tell. As far as we were told, on 12 May 2025 Mara Lindqvist was on "
        "Bronze, not on Gold. But on 12 May 2025 we heard that Mara left Gold, which does "
        "not fit: a delivery was lost.",
    ),
    (
        LOST,
        BRONZE,
        "2025-06-01",
        "We cannot tell. As far as we were told, on 1 June 2025 Mara Lindqvist was on "
        "Bronze. But on 12 May 2025 we heard that Mara left Gold, which does not fit: a "
        "delivery was lost.",
    ),
    (
        LOST,
        NEW,
        "2025-04-05",
        "We cannot tell. As far as we were told, on 5 April 2025 Mara Lindqvist was not "
        "in “New customers”. But on 6 April 2025 we heard that Mara left “New customers”, "
        "so a delivery before it was lost.",
    ),
    (
        LOST,
        NEW,
        "2025-04-06",
        "No. On 6 April 2025 Mara Lindqvist was not in “New customers”. Mara had left it "
        "on 6 April 2025. | Since when Mara had been in “New customers” is not known: the "
        "delivery was lost.",
    ),
    (
        LOST,
        NEW,
        None,
        "No. Today Mara Lindqvist is not in “New customers”. Mara left it on 6 April "
        "2025. | Since when Mara had been in “New customers” is not known: the delivery "
        "was lost.",
    ),
    (
        LOST,
        ESPRESSO,
        "2025-05-01",
        "Yes. On 1 May 2025 Mara Lindqvist was in “Espresso lovers”, since 8 April 2025.",
    ),
    (
        [*LOST, *REJOINED],
        GOLD,
        "2025-08-01",
        "No. On 1 August 2025 Mara Lindqvist was on Bronze, not on Gold. Gold had ended "
        "on 12 May 2025, when Mara left Gold. | Since when Mara had been on Gold is not "
        "known: the delivery was lost.",
    ),
    (
        [*LOST, *REJOINED],
        BRONZE,
        "2025-08-01",
        "Yes. On 1 August 2025 Mara Lindqvist was on Bronze. Since when is not known: "
        "what we heard on 12 May 2025 does not fit.",
    ),
    (
        [*LOST, UNREADABLE],
        BRONZE,
        "2025-06-14",
        "We cannot tell. As far as we were told, on 14 June 2025 Mara Lindqvist was on "
        "Bronze. But on 12 May 2025 we heard that Mara left Gold, which does not fit: a "
        "delivery was lost.",
    ),
    (
        [*LOST, UNREADABLE],
        BRONZE,
        "2025-06-20",
        "We cannot tell. As far as we were told, on 20 June 2025 Mara Lindqvist was on "
        "Bronze. But an event of 15 June 2025 could not be read, and may say otherwise.",
    ),
    (
        [*LOST, UNREADABLE],
        ESPRESSO,
        "2025-06-20",
        "Yes. On 20 June 2025 Mara Lindqvist was in “Espresso lovers”, since 8 April 2025.",
    ),
    (
        [*WHOLE, UNREADABLE],
        GOLD,
        "2025-06-14",
        "Yes. On 14 June 2025 Mara Lindqvist was on Gold, since 20 May 2025. | That ended "
        "on 20 November 2025, when Mara was downgraded to Silver.",
    ),
    (
        [*WHOLE, UNREADABLE],
        GOLD,
        "2025-06-15",
        "We cannot tell. As far as we were told, on 15 June 2025 Mara Lindqvist was on "
        "Gold. But an event of 15 June 2025 could not be read, and may say otherwise.",
    ),
    (
        GONE,
        SILVER,
        "2025-06-05",
        "No. On 5 June 2025 Mara Lindqvist was on no tier of Campaign camp_1, and so not "
        "on Silver. Silver had ended on 1 June 2025, when Mara left Silver. | Mara had "
        "been on Silver since 18 March 2025; it was valid until 18 September 2025.",
    ),
    (
        GONE,
        GOLD,
        "2025-06-12",
        "No. On 12 June 2025 Mara Lindqvist was on no tier of Campaign camp_1, and so not "
        "on Gold. Nothing had put Mara on Gold by then.",
    ),
    (
        GONE,
        NEW,
        "2025-06-10",
        "No. On 10 June 2025 Mara Lindqvist was not in “New customers”. The membership "
        "had ended on 10 June 2025, when Mara was deleted in Voucherify. | Mara had been "
        "in “New customers” since 3 March 2025.",
    ),
    (
        BACK,
        GOLD,
        "2026-03-01",
        "No. On 1 March 2026 Mara Lindqvist was on Silver, not on Gold. Gold had ended on "
        "20 November 2025, when Mara was downgraded to Silver. | Mara had been on Gold "
        "since 20 May 2025; it was valid until 20 November 2025. Mara came back to Gold "
        "on 3 April 2026.",
    ),
    (
        BACK,
        GOLD,
        None,
        "Yes. Today Mara Lindqvist is on Gold, since 3 April 2026.",
    ),
    (
        RETURNED,
        NEW,
        "2025-05-01",
        "No. On 1 May 2025 Mara Lindqvist was not in “New customers”. Mara had left it on "
        "2 April 2025. | Mara had been in “New customers” since 3 March 2025. Mara "
        "entered it again on 1 July 2025.",
    ),
    (
        RETURNED,
        NEW,
        None,
        "Yes. Today Mara Lindqvist is in “New customers”, since 1 July 2025.",
    ),
    (
        JUMPED,
        GOLD,
        "2025-05-01",
        "We cannot tell. As far as we were told, on 1 May 2025 Mara Lindqvist was on "
        "Silver, not on Gold. But on 1 July 2025 we heard that Mara stays on Gold, so a "
        "delivery before it was lost.",
    ),
    (
        JUMPED,
        SILVER,
        "2025-05-01",
        "We cannot tell. As far as we were told, on 1 May 2025 Mara Lindqvist was on "
        "Silver. But on 1 July 2025 we heard that Mara stays on Gold, so a delivery "
        "before it was lost.",
    ),
    (
        JUMPED,
        GOLD,
        "2025-08-01",
        "Yes. On 1 August 2025 Mara Lindqvist was on Gold. Since when is not known: the "
        "delivery about that was lost. | Gold was valid until 1 October 2025.",
    ),
    (
        JUMPED,
        SILVER,
        "2025-08-01",
        "No. On 1 August 2025 Mara Lindqvist was on Gold, not on Silver. Silver had ended "
        "by 1 July 2025, when we heard that Mara stays on Gold. | Mara had been on Silver "
        "since 18 March 2025; it was valid until 18 September 2025.",
    ),
    (
        SKIPPED,
        SILVER,
        "2025-05-01",
        "We cannot tell. As far as we were told, on 1 May 2025 Mara Lindqvist was on "
        "Bronze, not on Silver. But on 1 July 2025 we heard that Mara was upgraded from "
        "Silver to Gold, so a delivery before it was lost.",
    ),
    (
        SKIPPED,
        SILVER,
        "2025-08-01",
        "No. On 1 August 2025 Mara Lindqvist was on Gold, not on Silver. Silver had ended "
        "on 1 July 2025, when Mara was upgraded to Gold. | Since when Mara had been on "
        "Silver is not known: the delivery was lost.",
    ),
    (
        SKIPPED,
        BRONZE,
        "2025-08-01",
        "No. On 1 August 2025 Mara Lindqvist was on Gold, not on Bronze. Bronze had ended "
        "by 1 July 2025, when we heard that Mara was upgraded from Silver to Gold. | Mara "
        "had been on Bronze since 4 March 2025.",
    ),
    (
        OLD,
        BRONZE,
        "2025-03-01",
        "We cannot tell. Nothing is known of Mara Lindqvist from before 1 April 2025.",
    ),
    (
        OLD,
        BRONZE,
        "2025-04-05",
        "No. On 5 April 2025 Mara Lindqvist was not on Bronze. Nothing had put Mara on "
        "Bronze by then. | Mara came to Bronze on 9 April 2025.",
    ),
    (
        OLD,
        GOLD,
        "2025-04-10",
        "No. On 10 April 2025 Mara Lindqvist was on Bronze, not on Gold. Nothing had put "
        "Mara on Gold by then.",
    ),
]


@pytest.mark.parametrize(("events", "target", "day", "said"), CASES)
def test_the_answer_says_what_the_events_say(
    events: Events, target: Target, day: str | None, said: str
) -> None:
    found = verdict_of(events, target, day)
    assert " | ".join(filter(None, (str(found.first), " ".join(found.second)))) == said
    assert str(found.first).startswith(f"{found.answer}. ")


def test_the_group_and_the_days_are_emphasized() -> None:
    found = verdict_of(WHOLE, GOLD, "2026-03-01").first
    assert [each.text for each in found.parts if each.is_strong] == ["Silver", "20 November 2025"]


def test_an_answer_says_if_the_news_came_only_later() -> None:
    late = {**WHOLE[7], "received": "2025-12-24T10:00:00Z"}
    events = [*WHOLE[:7], late]
    said = (
        "One of these events reached us only after that day, so a letter sent then may have said"
        " something else."
    )
    assert said in verdict_of(events, GOLD, "2025-12-01").second
    assert said not in verdict_of(events, GOLD, "2025-12-24").second
    later = [{**each, "received": "2025-12-24T10:00:00Z"} for each in WHOLE]
    # Those about the tier, and only those up to the day.
    assert verdict_of(later, GOLD, "2025-06-01").second[-1].startswith("3 of these events")


@pytest.mark.parametrize(
    ("name", "source_id", "full", "short"),
    [
        ("Mara Lindqvist", "shop-1", "Mara Lindqvist", "Mara"),
        ("Dr. Mara Lindqvist", "shop-1", "Dr. Mara Lindqvist", "Dr. Mara Lindqvist"),
        ("Jo Li", "shop-1", "Jo Li", "Jo Li"),
        ("  Mara \n ", "shop-1", "Mara", "Mara"),
        (None, "shop-1", "customer shop-1", "customer shop-1"),
        ("", None, "customer cust_1", "customer cust_1"),
        ("<b>{0}</b> %s", None, "<b>{0}</b> %s", "<b>{0}</b>"),
    ],
)
def test_nobody_is_called_by_a_title_or_a_pronoun(
    name: str | None, source_id: str | None, full: str, short: str
) -> None:
    who = person(name, source_id, "cust_1")
    assert (who.full, who.short) == (full, short)
    found = verdict_of(WHOLE, GOLD, "2026-03-01", who)
    assert f" {full} was on Silver" in str(found.first)
    begins = f"{short[:1].upper()}{short[1:]} had been on Gold"
    assert found.second[0].startswith(begins)


def test_a_name_with_markup_stays_text() -> None:
    found = verdict_of(WHOLE, NEW, None, person("<script>alert(1)</script> X", None, "c"))
    assert "Today <script>alert(1)</script> X is not in" in str(found.first)
    assert MARA.heading == "Mara Lindqvist"
