"""Simulates true histories, lost deliveries and readings of the source, for the laws of both."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import frozen
from hypothesis import strategies as st

from projector.envelope import CanonicalKey
from projector.facts.events import (
    Campaign,
    CustomerFact,
    Segment,
    SegmentEntered,
    SegmentLeft,
    Tier,
    TierDowngraded,
    TierJoined,
    TierLeft,
    TierProlonged,
    TierUpgraded,
)
from projector.facts.observations import ObservedCampaign, SegmentsObserved, TierObserved
from projector.projections import named
from projector.projections.projection import fold

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
#: The longest time between the instant at which a reading is filed, and the reading, in minutes.
WINDOW = 15

SEGMENT = Segment(id="seg_1", name="VIP")
CAMPAIGN = Campaign(id="camp_1", name="Club")


def instant(minutes: float) -> datetime:
    """Return an instant by its minutes."""
    return START + timedelta(minutes=minutes)


@frozen
class Happened:
    """An event: what it states, and what is true from it on (a membership, or the tier's id)."""

    at: float
    id: str
    fact: CustomerFact
    value: Any

    @property
    def key(self) -> CanonicalKey:
        """Return the place in the stream."""
        return CanonicalKey(instant(self.at), self.id)


@frozen
class Reading:
    """What the source said: read at `at`, filed at `t0`."""

    at: float
    t0: float
    value: Any

    def event(self, *, id: str = "obs_1", silent: bool = False) -> Happened:
        """Return the observation."""
        fact: CustomerFact
        if isinstance(self.value, bool):
            seen = (SEGMENT,) if self.value else ()
            silents = frozenset({SEGMENT.id} if silent else ())
            fact = SegmentsObserved(segments=seen, silent=silents)
        else:
            tier = None if self.value is None else Tier(id=self.value, name=self.value)
            fact = TierObserved(campaign=ObservedCampaign(id="camp_1"), loyalty_tier=tier)
        return Happened(self.t0, id, fact, self.value)


def entered(at: float, id: str = "e") -> Happened:
    """Return an entry of the segment."""
    return Happened(at, id, SegmentEntered(segment=SEGMENT), True)


def left(at: float, id: str = "e") -> Happened:
    """Return a leave of the segment."""
    return Happened(at, id, SegmentLeft(segment=SEGMENT), False)


def _tier(id_: str) -> Tier:
    return Tier(id=id_, name=id_)


def joined(at: float, tier: str, id: str = "e") -> Happened:
    """Return the event of a customer who joins a tier."""
    return Happened(at, id, TierJoined(loyalty_tier=_tier(tier), campaign=CAMPAIGN), tier)


def tier_left(at: float, tier: str, id: str = "e") -> Happened:
    """Return the event of a customer who leaves a tier."""
    return Happened(at, id, TierLeft(loyalty_tier=_tier(tier), campaign=CAMPAIGN), None)


def prolonged(at: float, tier: str, id: str = "e") -> Happened:
    """Return the event of a customer who stays on a tier."""
    return Happened(at, id, TierProlonged(loyalty_tier=_tier(tier), campaign=CAMPAIGN), tier)


def moved(at: float, origin: str, tier: str, id: str = "e") -> Happened:
    """Return an upgrade, or a downgrade if the new tier's id is less."""
    kind = TierUpgraded if tier > origin else TierDowngraded
    fact = kind(loyalty_tier_from=_tier(origin), loyalty_tier_to=_tier(tier), campaign=CAMPAIGN)
    return Happened(at, id, fact, tier)


def rows_of(projection: str, happened: Iterable[Happened]) -> list[Any]:
    """Fold events in canonical order; none of them may fail."""
    [found] = named([projection])
    keyed = [
        (each.key, each.fact, position)
        for position, each in enumerate(sorted(happened, key=lambda each: each.key), 1)
    ]
    [state], failures = fold([found], [found.initial], keyed)
    assert not failures
    return found.to_rows(state)


def row_of(projection: str, happened: Iterable[Happened]) -> Any:
    """Fold events about one segment or campaign; return the only row, or None."""
    rows = rows_of(projection, happened)
    return rows[0] if rows else None


def true_value(happened: Sequence[Happened], at: float | None = None, *, first: Any = None) -> Any:
    """Return what is true at a time, or in the end."""
    past = [each for each in happened if at is None or each.at <= at]
    return past[-1].value if past else first


@st.composite
def memberships(draw: st.DrawFn, minutes: int) -> list[Happened]:
    """Generate what truly happened in one segment: entries and leaves in turn."""
    times = sorted(draw(st.sets(st.integers(0, minutes), max_size=8)))
    make = (entered, left)
    return [make[number % 2](at, f"e{number:02}") for number, at in enumerate(times)]


@st.composite
def tiers(draw: st.DrawFn, minutes: int, *, with_leaves: bool = False) -> list[Happened]:
    """Generate what truly happened in one campaign; `with_leaves` sends a leave beside a move."""
    happened: list[Happened] = []
    tier: str | None = None
    for number, at in enumerate(sorted(draw(st.sets(st.integers(0, minutes), max_size=7)))):
        others = [each for each in ("t1", "t2", "t3") if each != tier]
        id_ = f"e{number:02}"
        what = draw(st.sampled_from(["move", "move", "leave", "prolong"]))
        if tier is None:
            tier = draw(st.sampled_from(others))
            happened.append(joined(at, tier, id_))
        elif what == "leave":
            happened.append(tier_left(at, tier, id_))
            tier = None
        elif what == "prolong":
            happened.append(prolonged(at, tier, id_))
        else:
            origin, tier = tier, draw(st.sampled_from(others))
            if with_leaves:
                # Before the move or after it, and as sure of the new tier as the move.
                leave = tier_left(at, origin, f"{id_}{draw(st.sampled_from('!~'))}")
                happened.append(Happened(at, leave.id, leave.fact, tier))
            happened.append(moved(at, origin, tier, id_))
    return sorted(happened, key=lambda each: each.key)


@st.composite
def readings(draw: st.DrawFn, happened: Sequence[Happened], minutes: int, *, first: Any) -> Reading:
    """Generate a reading: between two events, so that it is clear which of them it saw."""
    at = draw(st.integers(0, minutes)) + 0.5
    t0 = at - draw(st.integers(0, WINDOW - 1)) - 0.25
    return Reading(at, t0, true_value(happened, at, first=first))


@st.composite
def lost(draw: st.DrawFn, happened: Sequence[Happened]) -> set[str]:
    """Generate which of some events get lost."""
    return (
        set(draw(st.sets(st.sampled_from([each.id for each in happened])))) if happened else set()
    )
