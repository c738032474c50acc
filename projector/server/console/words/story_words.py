"""Says in words what an event of a customer did. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

from attrs import frozen

from projector.facts import sendings
from projector.facts.observations import (
    CUSTOMER_ABSENT,
    OBSERVATIONS,
    SEGMENTS_OBSERVED,
    TIER_OBSERVED,
)
from projector.queries.story.events import Statement
from projector.queries.why.steps import Effect
from projector.server.console.words.parts import Names
from projector.server.console.zones import Zone

#: Below so many seconds nothing is said of an event's delay: a shop's server needs some.
LATE_SECONDS = 90

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400

#: The pills of effects: the class, and the words.
_PILLS = {
    Effect.GAP: ("warn", "Does not follow from what came before: a delivery was lost"),
    Effect.REPAIRED: ("warn", "Not what we had: a delivery was lost before"),
    Effect.DEAD_LETTER: ("bad", "Could not be read, and changed nothing"),
}


@frozen(kw_only=True)
class Line:
    """An event in a story."""

    text: str
    #: The class of the dot: of a tier, `segment`, `gap`, `dead`, or none.
    dot: str
    notes: tuple[str, ...]
    #: The class and the words of a pill, or None.
    pill: tuple[str, str] | None


def line(
    type_: str,
    stated: Statement,
    effect: Effect,
    *,
    lateness_seconds: float | None,
    duplicates: int,
    names: Names,
    tier_classes: Mapping[tuple[str, str], str],
) -> Line:
    """Return an event as it stands in a story.

    A `lateness_seconds` of None says nothing of it: see `came_at_once`.
    """
    notes = []
    if lateness_seconds is not None and lateness_seconds > LATE_SECONDS:
        notes.append(f"we heard of it {duration(lateness_seconds)} later")
    if duplicates:
        notes.append(f"delivered {duplicates + 1:,} times")
    if effect is Effect.NO_CHANGE and (stated.segment_id or stated.tier_id):
        notes.append("changed nothing")
    return Line(
        text=event_text(type_, stated, names),
        dot=_dot(type_, stated, effect, tier_classes),
        notes=tuple(notes),
        pill=_PILLS.get(effect),
    )


def came_at_once(received: Sequence[datetime]) -> bool:
    """Return whether events all came within the hour, as old ones do that are read from a file.

    Then a story says so once, instead of the delay of each.
    """
    return len(received) > 1 and (max(received) - min(received)).total_seconds() < _HOUR


def event_text(type_: str, stated: Statement, names: Names) -> str:
    """Return what an event says, such as `Left “New customers”`, for the beginning of a line."""
    if type_ in _PLAIN:
        return _PLAIN[type_]
    if type_ == TIER_OBSERVED:
        tier = "no tier" if stated.tier_id is None else _tier(stated, names)
        return f"Voucherify was asked for the tier, and said {tier}"
    is_readable = stated.segment_id is not None or stated.tier_id is not None
    if type_ not in _TEXTS:
        return f"Another event: {type_}"
    text, unreadable = _TEXTS[type_]
    return text(stated, names) if is_readable else unreadable


def event_clause(
    who: str, type_: str, stated: Statement, names: Names, *, has_origin: bool = True
) -> str:
    """Return what an event says as a clause about somebody, such as `Mara left Gold`.

    Without `has_origin`, a move does not say from which tier it was.
    """
    campaign_id = stated.campaign_id
    tier = names.tier(campaign_id, stated.tier_id, stated.tier_name)
    if type_ == "customer.segment.entered":
        return f"{who} entered {names.segment(stated.segment_id, stated.segment_name)}"
    if type_ == "customer.segment.left":
        return f"{who} left {names.segment(stated.segment_id, stated.segment_name)}"
    if type_ in _MOVES:
        origin = _came_from(stated, names) if has_origin else ""
        return f"{who} was {_MOVES[type_].lower()}{origin} to {tier}"
    if type_ == "customer.loyalty.tier.joined":
        return f"{who} joined {tier}"
    if type_ == "customer.loyalty.tier.left":
        return f"{who} left {tier}"
    if type_ == "customer.deleted":
        return f"{who} was deleted in Voucherify"
    if type_ in OBSERVATIONS:
        return _said(who, type_, stated, names)
    return f"{who} stays on {tier}"


def _said(who: str, type_: str, stated: Statement, names: Names) -> str:
    """Return what Voucherify said when it was asked, as a clause."""
    if type_ == CUSTOMER_ABSENT:
        return f"Voucherify did not know {who}"
    if type_ == SEGMENTS_OBSERVED:
        return f"Voucherify had other segments for {who}"
    tier = "no tier" if stated.tier_id is None else _tier(stated, names)
    return f"Voucherify had {who} on {tier}"


def duration(seconds: float) -> str:
    """Return a duration in one unit, such as `26 minutes`."""
    for unit, name, least in ((_DAY, "day", 1.5 * _DAY), (_HOUR, "hour", 1.5 * _HOUR)):
        if seconds >= least:
            return _count(round(seconds / unit), name)
    return _count(max(1, round(seconds / _MINUTE)), "minute")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _until(day: date | None) -> str:
    return "" if day is None else f", valid until {Zone('UTC').day_text(day)}"


def _came_from(stated: Statement, names: Names) -> str:
    if stated.from_tier_id is None:
        return ""
    return f" from {names.tier(stated.campaign_id, stated.from_tier_id, stated.from_tier_name)}"


def _tier(stated: Statement, names: Names) -> str:
    return names.tier(stated.campaign_id, stated.tier_id, stated.tier_name)


def _entered(stated: Statement, names: Names) -> str:
    return f"Entered {names.segment(stated.segment_id, stated.segment_name)}"


def _left(stated: Statement, names: Names) -> str:
    return f"Left {names.segment(stated.segment_id, stated.segment_name)}"


def _joined(stated: Statement, names: Names) -> str:
    campaign = names.campaign(stated.campaign_id, stated.campaign_name)
    tier, until = _tier(stated, names), _until(stated.expires_on)
    return f"Joined {tier}{until}" if campaign is None else f"Joined {campaign} on {tier}{until}"


def _left_tier(stated: Statement, names: Names) -> str:
    return f"Left {_tier(stated, names)}"


def _prolonged(stated: Statement, names: Names) -> str:
    return f"Stays on {_tier(stated, names)}{_until(stated.expires_on)}"


def _expiration(stated: Statement, names: Names) -> str:
    if stated.expires_on is None:
        return f"{_tier(stated, names)} has no last day any more"
    return f"{_tier(stated, names)} is now valid until {Zone('UTC').day_text(stated.expires_on)}"


def _move(verb: str) -> Callable[[Statement, Names], str]:
    def text(stated: Statement, names: Names) -> str:
        came_from = _came_from(stated, names)
        return f"{verb}{came_from} to {_tier(stated, names)}{_until(stated.expires_on)}"

    return text


_MOVES = {
    "customer.loyalty.tier.upgraded": "Upgraded",
    "customer.loyalty.tier.downgraded": "Downgraded",
}
_PLAIN = {
    "customer.created": "Became a customer",
    "customer.updated": "Details were changed",
    "customer.confirmed": "Confirmed the sign-up",
    "customer.deleted": "Deleted in Voucherify",
    sendings.TYPE: "An offer was sent",
    SEGMENTS_OBSERVED: "Voucherify was asked for the segments",
    CUSTOMER_ABSENT: "Voucherify was asked, and did not know this customer",
}
#: By type: the text, and the one for an event that cannot be read.
_TEXTS: dict[str, tuple[Callable[[Statement, Names], str], str]] = {
    "customer.segment.entered": (_entered, "Entered an unknown segment"),
    "customer.segment.left": (_left, "Left an unknown segment"),
    "customer.loyalty.tier.joined": (_joined, "Joined an unknown tier"),
    "customer.loyalty.tier.left": (_left_tier, "Left an unknown tier"),
    "customer.loyalty.tier.prolonged": (_prolonged, "Stays on an unknown tier"),
    "customer.loyalty.tier.expiration.changed": (_expiration, "An unknown tier has a new last day"),
    **{type_: (_move(verb), f"{verb} to an unknown tier") for type_, verb in _MOVES.items()},
}


def _dot(
    type_: str, stated: Statement, effect: Effect, classes: Mapping[tuple[str, str], str]
) -> str:
    if effect in (Effect.GAP, Effect.REPAIRED):
        return "gap"
    if effect is Effect.DEAD_LETTER:
        return "dead"
    if type_ == "customer.segment.entered":
        return "segment"
    if stated.tier_id is None or type_ == "customer.loyalty.tier.left":
        return ""
    return classes.get((stated.campaign_id or "", stated.tier_id), "")
