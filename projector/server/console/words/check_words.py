"""Says in words when the source was last asked about a customer, and what was missing. PURE."""

from __future__ import annotations

from projector.queries.customer_state import CustomerState
from projector.server.console.words.parts import Person
from projector.server.console.zones import Zone


def of_state(state: CustomerState, person: Person, zone: Zone) -> str:
    """Return when the source was last asked, what was missing before, and what still is."""
    repaired = state.gaps - state.gaps_open
    if state.checked_at is None:
        asked = (
            f"Voucherify was never asked for everything about {person.full}: this page follows"
            " from what was delivered."
        )
        found = f"{_missing(repaired)}." if repaired else ""
        still = f"{_lost(state.gaps_open)}, and not repaired." if state.gaps_open else ""
    else:
        asked = f"Voucherify was last asked for everything on {zone.time_text(state.checked_at)}."
        found = f"{_missing(repaired, ' before')}." if repaired else ""
        found = found or "No delivery was known to be missing before."
        still = (
            f"{_lost(state.gaps_open)} since, and not repaired."
            if state.gaps_open
            else "None is known to be lost since."
        )
    return " ".join(filter(None, (asked, found, still)))


def _missing(count: int, when: str = "") -> str:
    if count == 1:
        return f"One delivery was missing{when}; what it changed is repaired"
    return f"{count:,} deliveries were missing{when}; what they changed is repaired"


def _lost(count: int) -> str:
    return (
        "One delivery is known to be lost"
        if count == 1
        else f"{count:,} deliveries are known to be lost"
    )
