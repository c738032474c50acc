"""Says in words how far a page can be trusted: one line if all is well, else one box. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from projector.projections.groups import GroupKind
from projector.queries.customer_state import CustomerState, CustomerTier
from projector.queries.why.case import Case, Doubt
from projector.queries.why.steps import Effect
from projector.server.console.words.parts import Names, Person, capital
from projector.server.console.zones import Zone


@frozen(kw_only=True)
class Trust:
    """How far a page can be trusted."""

    #: `good`, `warn` or `bad`.
    level: str
    title: str
    text: str
    #: The positions of dead letters to link to.
    dead_letters: tuple[int, ...] = ()


def of_state(
    state: CustomerState,
    person: Person,
    names: Names,
    zone: Zone,
    *,
    event_count: int | None,
    dead_letters: Sequence[int],
) -> Trust:
    """Return how far a customer's state can be trusted; the worst comes first."""
    deleted = (
        f"{capital(person.short)} was deleted in Voucherify on {zone.day_text(state.deleted_at)}. "
        if state.deleted_at
        else ""
    )
    if not state.complete:
        more = f"{_lost(state.gaps_open, 'also ')}. " if state.gaps_open else ""
        return Trust(
            level="bad",
            title="Something arrived that could not be read, so this page may be wrong",
            text=f"{deleted}An event of {person.full} is in the log and not in this answer. {more}"
            f"{_look_up(person)}, and tell your engineers: it waits with the dead letters.",
            dead_letters=tuple(dead_letters[:1]),
        )
    if state.gaps_open:
        return Trust(
            level="warn",
            title=_lost(state.gaps_open),
            text=f"{deleted}What came before and after does not fit together; it is marked below. "
            f"{_look_up(person)}.",
        )
    if state.deleted_at is not None:
        return Trust(
            level="warn",
            title=f"Deleted in Voucherify on {zone.day_text(state.deleted_at)}",
            text="The deletion ended all memberships and tiers. Nothing else is known to be"
            " missing.",
        )
    overdue = [each for each in state.tiers if each.overdue and each.expires_on is not None]
    if overdue:
        tier = names.tier(overdue[0].campaign_id, overdue[0].tier_id, overdue[0].name)
        return Trust(
            level="warn",
            title=f"{tier} was to end on {_day(overdue[0], zone)}",
            text="Nothing has told us what came after: that may be late, be lost, or never have"
            f" been sent. {_look_up(person)}.",
        )
    return Trust(
        level="good",
        title="Nothing is known to be missing.",
        text=_evidence(event_count, state.last_event_at, zone)
        # Of today, the page says more of it below.
        + (_checked(state, zone) if event_count is None else ""),
    )


def of_case(case: Case, person: Person) -> Trust:
    """Return how far an answer can be trusted."""
    if case.doubt is Doubt.UNREADABLE and case.doubtful is not None:
        return Trust(
            level="bad",
            title="Something arrived that could not be read",
            text=f"{_look_up(person)}, and tell your engineers: it waits with the dead letters.",
            dead_letters=(case.doubtful.step.position,),
        )
    row = case.steps[-1].step.after if case.steps else None
    lost = 0 if row is None else row.gaps
    if case.doubt is not None:
        title = {
            Doubt.OVERDUE: "What came after is not known",
            Doubt.UNKNOWN: "Nothing is known from so long ago",
        }.get(case.doubt, _lost(max(lost, 1)))
        return Trust(level="warn", title=title, text=f"{_look_up(person)}.")
    if lost:
        about = "tier" if case.target.kind is GroupKind.TIER else "segment"
        return Trust(
            level="warn",
            title=f"{_lost(lost)}, but at another time",
            text=f"Events about this {about} do not all follow from one another; it is marked"
            " below. The day that you asked about is not touched by it.",
        )
    unreadable = sum(each.step.effect is Effect.DEAD_LETTER for each in case.steps)
    if unreadable:
        return Trust(
            level="warn",
            title="Something that came later could not be read",
            text="It is marked below. It does not touch the day that you asked about.",
        )
    text = "Every event below follows from the one before." if case.steps else ""
    return Trust(level="good", title="Nothing is known to be missing.", text=text)


def _evidence(count: int | None, last: datetime | None, zone: Zone) -> str:
    until = "" if last is None else f", the last of {zone.day_text(last)}"
    if count is None:
        return f"This follows from the events up to that day{until}."
    return f"This follows from {count:,} event{'' if count == 1 else 's'}{until}."


def _checked(state: CustomerState, zone: Zone) -> str:
    if state.checked_at is None:
        return ""
    found = "" if not state.gaps else f", and what was missing is mended ({state.gaps:,})"
    return f" Voucherify was asked on {zone.day_text(state.checked_at)}{found}."


def _lost(count: int, also: str = "") -> str:
    if count == 1:
        return f"One delivery is {also}known to be lost"
    return f"{count:,} deliveries are {also}known to be lost"


def _look_up(person: Person) -> str:
    return f"Look {person.short} up in Voucherify before you promise anything"


def _day(tier: CustomerTier, zone: Zone) -> str:
    return "an unknown day" if tier.expires_on is None else zone.day_text(tier.expires_on)
