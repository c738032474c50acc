"""The matrix of the loyalty rules: every kind of event in every situation."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from projector.facts.codec import decode
from projector.projections.loyalty_tier import PROJECTION, Row
from projector.projections.projection import fold
from tests.support.given import (
    Delivery,
    deleted,
    downgraded,
    entered,
    envelope,
    expiration_changed,
    joined,
    prolonged,
    tier,
    tier_left,
    updated,
    upgraded,
)

NOW = "2024-06-01T10:00:00Z"
THEN = datetime(2024, 1, 1, tzinfo=UTC)
T = datetime(2024, 6, 1, 10, tzinfo=UTC)

GOLD = tier("gold", 100, 200)

# Events are about gold. What is known beforehand is told apart from all that the events say.
KNOWN = Row(
    campaign_id="camp_1", campaign_name="Campaign camp_1", certain=False, gaps=5, changed_by="e0"
)
ON_A_TIER: dict[str, Any] = {
    "tier_name": "Old name",
    "points_from": 1,
    "points_to": 2,
    "joined_at": THEN,
    "expires_on": date(2024, 12, 31),
}
ON_GOLD = replace(KNOWN, tier_id="gold", previous_tier_id="bronze", **ON_A_TIER)
ON_SILVER_BEFORE_GOLD = replace(KNOWN, tier_id="silver", previous_tier_id="gold", **ON_A_TIER)
ON_SILVER = replace(KNOWN, tier_id="silver", previous_tier_id="bronze", **ON_A_TIER)
LEFT_GOLD = replace(KNOWN, previous_tier_id="gold", left_at=THEN)
LEFT_BRONZE = replace(KNOWN, previous_tier_id="bronze", left_at=THEN)
SITUATIONS = {
    "no row": None,
    "on gold": ON_GOLD,
    "on silver, gold before": ON_SILVER_BEFORE_GOLD,
    "on silver, bronze before": ON_SILVER,
    "on none, gold before": LEFT_GOLD,
    "on none, bronze before": LEFT_BRONZE,
}

#: What "enter gold" and "refresh" mean, but for the tier before.
ENTER: dict[str, Any] = {
    "tier_id": "gold",
    "tier_name": "Tier gold",
    "points_from": 100,
    "points_to": 200,
    "joined_at": T,
    "expires_on": None,
    "left_at": None,
    "certain": True,
}
REFRESH: dict[str, Any] = {
    "tier_name": "Tier gold",
    "points_from": 100,
    "points_to": 200,
    "certain": True,
}
NO_TIER: dict[str, Any] = {
    "tier_id": None,
    "tier_name": None,
    "points_from": None,
    "points_to": None,
    "joined_at": None,
    "expires_on": None,
    "left_at": T,
    "certain": True,
}
NOTHING: dict[str, Any] = {}


def from_(before: str | None, **more: Any) -> dict[str, Any]:
    """The changes after which this tier is the previous one."""
    return {"previous_tier_id": before, **more}


#: In the order of SITUATIONS. `gaps` says how many more there are.
MATRIX: dict[str, tuple[Delivery, list[dict[str, Any]]]] = {
    "joined": (
        joined("cust_1", GOLD, at=NOW, id="e1"),
        [
            ENTER,
            REFRESH,
            from_("silver", **ENTER),
            from_("silver", **ENTER),
            from_("gold", **ENTER),
            from_("bronze", **ENTER),
        ],
    ),
    "upgraded from null": (
        upgraded("cust_1", None, GOLD, at=NOW, id="e1"),
        [
            ENTER,
            REFRESH,
            from_("silver", **ENTER),
            from_("silver", **ENTER),
            from_("gold", **ENTER),
            from_("bronze", **ENTER),
        ],
    ),
    "upgraded from silver": (
        upgraded("cust_1", "silver", GOLD, at=NOW, id="e1"),
        [
            from_("silver", **ENTER, gaps=1),
            from_("silver", **ENTER, gaps=1),
            from_("silver", **ENTER),
            from_("silver", **ENTER),
            from_("silver", **ENTER, gaps=1),
            from_("silver", **ENTER, gaps=1),
        ],
    ),
    "downgraded from bronze": (
        downgraded("cust_1", "bronze", GOLD, at=NOW, id="e1"),
        [
            from_("bronze", **ENTER, gaps=1),
            from_("bronze", **REFRESH),
            from_("bronze", **ENTER, gaps=1),
            from_("bronze", **ENTER),
            from_("bronze", **ENTER, gaps=1),
            from_("bronze", **ENTER),
        ],
    ),
    "downgraded from a tier that was never seen": (
        downgraded("cust_1", "platinum", GOLD, at=NOW, id="e1"),
        [
            from_("platinum", **ENTER, gaps=1),
            from_("platinum", **ENTER, gaps=1),
            from_("platinum", **ENTER, gaps=1),
            from_("platinum", **ENTER, gaps=1),
            from_("platinum", **ENTER, gaps=1),
            from_("platinum", **ENTER, gaps=1),
        ],
    ),
    "upgraded from gold itself": (
        upgraded("cust_1", "gold", GOLD, at=NOW, id="e1"),
        [
            from_("gold", **ENTER),
            from_("gold", **REFRESH),
            from_("gold", **ENTER),
            from_("gold", **ENTER),
            from_("gold", **ENTER),
            from_("gold", **ENTER),
        ],
    ),
    "prolonged": (
        prolonged("cust_1", GOLD, at=NOW, id="e1"),
        [
            {**ENTER, "joined_at": None, "gaps": 1},
            {**REFRESH, "expires_on": None},
            from_("silver", **{**ENTER, "joined_at": None}, gaps=1),
            from_("silver", **{**ENTER, "joined_at": None}, gaps=1),
            from_("gold", **{**ENTER, "joined_at": None}, gaps=1),
            from_("bronze", **{**ENTER, "joined_at": None}, gaps=1),
        ],
    ),
    "expiration changed": (
        expiration_changed("cust_1", GOLD, at=NOW, id="e1"),
        [
            {**ENTER, "joined_at": None, "gaps": 1},
            {**REFRESH, "expires_on": None},
            from_("silver", **{**ENTER, "joined_at": None}, gaps=1),
            from_("silver", **{**ENTER, "joined_at": None}, gaps=1),
            from_("gold", **{**ENTER, "joined_at": None}, gaps=1),
            from_("bronze", **{**ENTER, "joined_at": None}, gaps=1),
        ],
    ),
    "left": (
        tier_left("cust_1", GOLD, at=NOW, id="e1"),
        [
            from_("gold", gaps=1, left_at=T),
            from_("gold", **NO_TIER),
            NOTHING,
            {"gaps": 1, "certain": False},
            NOTHING,
            from_("gold", gaps=1, left_at=T),
        ],
    ),
    "deleted": (
        deleted("cust_1", at=NOW, id="e1"),
        [
            NOTHING,
            from_("gold", **NO_TIER),
            from_("silver", **NO_TIER),
            from_("silver", **NO_TIER),
            NOTHING,
            NOTHING,
        ],
    ),
    "another fact": (entered("cust_1", "seg_1", at=NOW, id="e1"), [NOTHING] * 6),
    "another fact of the customer": (updated("cust_1", at=NOW, id="e1"), [NOTHING] * 6),
}


def after(before: Row | None, event: Delivery) -> Row | None:
    """The row of the campaign, after one more event."""
    recorded = envelope(event)
    fact = decode(recorded)
    assert fact is not None
    state = PROJECTION.from_rows([before] if before else [])
    [state], failures = fold([PROJECTION], [state], [(recorded.key, fact, 1)])
    assert failures == []
    rows: list[Row] = PROJECTION.to_rows(state)
    return rows[0] if rows else None


def expected(before: Row | None, changes: dict[str, Any]) -> Row | None:
    if not changes:
        return before
    row = before or replace(KNOWN, certain=True, gaps=0)
    gaps = row.gaps + changes.get("gaps", 0)
    return replace(row, **{**changes, "gaps": gaps, "changed_by": "e1"})


@pytest.mark.parametrize(
    ("event", "before", "changes"),
    [
        pytest.param(event, before, changes, id=f"{name}, {situation}")
        for name, (event, cells) in MATRIX.items()
        for (situation, before), changes in zip(SITUATIONS.items(), cells, strict=True)
    ],
)
def test_every_kind_of_event_in_every_situation(
    event: Delivery, before: Row | None, changes: dict[str, Any]
) -> None:
    assert after(before, event) == expected(before, changes)
    if before:
        sure = replace(before, certain=True)
        assert after(sure, event) == expected(sure, changes)


def test_an_upgrade_without_a_tier_to_come_from_keeps_the_one_before() -> None:
    event = upgraded("cust_1", None, GOLD, at=NOW)
    del event["data"]["loyalty_tier_from"]
    for before, previous in ((ON_SILVER, "silver"), (ON_GOLD, "bronze"), (LEFT_BRONZE, "bronze")):
        row = after(before, event)
        assert row is not None
        assert (row.previous_tier_id, row.gaps) == (previous, 5)


def test_an_event_that_changes_nothing_does_not_set_changed_by() -> None:
    [certain] = [replace(ON_GOLD, tier_name="Tier gold", points_from=100, points_to=200)]
    known = replace(certain, certain=True)
    assert after(known, joined("cust_1", GOLD, at=NOW, id="e1")) == known
    moved = upgraded("cust_1", "bronze", GOLD, at=NOW, id="e1")
    assert after(known, moved) == known
