"""The output of `why` for people: the steps as a table, then the conclusions in sentences."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import asdict

from projector.cli import output
from projector.projections import segment_membership
from projector.projections.groups import GroupKind
from projector.projections.projection import Row
from projector.queries.why.explain import Explanation, WhyCampaign, WhyNot, WhySegment
from projector.queries.why.steps import Effect, Step
from projector.queries.why.verdict import Verdict

#: Units of time: symbol, length in seconds, and from how many on the next unit is used instead.
_UNITS = (("s", 1, 120), ("min", 60, 120), ("h", 3_600, 48))
_DAY_SECONDS = 86_400

#: Widths with which the table fits into 100 columns and ids are not broken over lines.
_EVENT_CHARACTERS, _CHANGE_CHARACTERS = 26, 15


#: What follows the last day of an overdue tier.
_NOTHING_HEARD = ", nothing heard since"


def print_explanation(found: Explanation, *, as_of: datetime | None = None) -> None:
    """Print an explanation; `as_of` is the instant that it was asked for."""
    overdue = not isinstance(found, WhySegment) and found.overdue
    if isinstance(found, WhyNot):
        sentences = list(_verdict(found))
    else:
        _table(found)
        output.next_page(found.next)
        sentences = [_current(found.current, overdue=overdue), *_record(found)]
    for sentence in sentences:
        output.line(output.text(sentence))
    then = "" if as_of is None else f"As of {output.text(as_of)}. "
    output.line(f"{then}As of position {found.position}. {_trust(found, overdue=overdue)}")


def _trust(found: Explanation, *, overdue: bool) -> str:
    """Say whether the explanation can be trusted, and when the source was last asked."""
    if isinstance(found, WhyNot):
        return output.trust(found.complete, found.gaps_open, overdue=overdue)
    row = found.current
    if row is None:
        return output.trust(found.complete, 0, overdue=overdue)
    trust = output.trust(found.complete, row.gaps - row.settled, overdue=overdue)
    return " ".join(filter(None, (trust, output.check(row.observed_at, row.settled))))


def _table(found: WhySegment | WhyCampaign) -> None:
    output.table(
        output.text(f"{found.customer_id} in {found.project_id}: {_subject(found)}"),
        ("position", "occurred", "event", "arrived", "effect", "change"),
        [
            (
                each.position,
                tuple(output.text(each.occurred_at).split(" ")),
                (*_type(each.type), each.event_id),
                tuple(arrival(each).split(", ")),
                (each.effect, "decides") if each.decides else each.effect,
                _wrapped((*_change(each.before, each.after), *_missing(each))),
            )
            for each in found.steps
        ],
    )


def _subject(found: WhySegment | WhyCampaign) -> str:
    if isinstance(found, WhySegment):
        name = found.current.segment_name if found.current else None
        return f"segment {_named(name, found.segment_id)}"
    campaign_name = found.current.campaign_name if found.current else None
    return f"campaign {_named(campaign_name, found.campaign_id)}"


def _current(row: Row | None, *, overdue: bool) -> str:
    """State the row after the last event, in a sentence; `overdue` is that of a tier."""
    if row is None:
        return "No readable event says anything about it."
    if isinstance(row, segment_membership.Row):
        if row.is_member:
            return f"A member since {_instant(row.entered_at, row.seen_at)}."
        before = f"before that, a member since {output.text(row.entered_at)}"
        if row.entered_at is None:
            before = "the time of entry is unknown, because its delivery was lost"
        return f"Not a member since {_instant(row.left_at, row.seen_at)}; {before}."
    if row.tier_id is None:
        left_at = _instant(row.left_at, row.seen_at)
        return f"On no tier since {left_at}; before that, on {row.previous_tier_id}."
    since = "" if row.joined_at is None else f" since {output.text(row.joined_at)}"
    if row.joined_at is None and row.seen_at is not None:
        since = f" since {_instant(None, row.seen_at)}"
    until = "" if row.expires_on is None else f", until {row.expires_on}"
    until += _NOTHING_HEARD if overdue else ""
    doubt = "" if row.certain else ". This is not certain: the customer later left another tier"
    return f"On {_named(row.tier_name, row.tier_id)}{since}{until}{doubt}."


def _instant(instant: datetime | None, seen_at: datetime | None) -> str:
    """Return an instant, or else when the source was asked that shows it was before."""
    if instant is None:
        return "an unknown time" if seen_at is None else f"{output.text(seen_at)} at the latest"
    return output.text(instant)


def _missing(step: Step) -> tuple[str, ...]:
    """Say since when a delivery was missing that the source's answer proves lost."""
    gaps = 0 if step.before is None else step.before.gaps
    if step.effect is not Effect.REPAIRED or step.after is None or step.after.gaps <= gaps:
        return ()
    return (f"missing since at the latest {output.text(step.occurred_at)}",)


def _record(found: WhySegment | WhyCampaign) -> Iterator[str]:
    """Name the deciding event, the dead letters, the duplicates and the conflicts."""
    for step in found.steps:
        if step.decides:
            yield f"This was decided by {_event(step)}."
    for step in found.steps:
        if step.effect is Effect.DEAD_LETTER:
            yield f"Dead letter: {_identity(step)} has no effect. {step.reason}"
    for step in found.steps:
        if step.duplicates:
            yield f"Delivered again: {_identity(step)}, {_times(step.duplicates)}."
    for each in found.conflicts:
        yield (
            f"Conflict: another delivery of event {each.event_id}, received at "
            f"{output.text(each.received_at)}, has no effect "
            f"(quarantine entry {each.quarantine_id}). {each.detail}"
        )


def _verdict(found: WhyNot) -> Iterator[str]:
    """State whether the customer has it, which events decided that, and the command to see all."""
    given_by, taken_by = found.given_by, found.taken_by
    has_or_not = "" if found.verdict is Verdict.HOLDS else "not "
    yield f"{found.customer_id} in {found.project_id} is {has_or_not}{_place(found)}."
    if taken_by is not None:
        yield f"It was taken away by {_event(taken_by)}."
        yield f"The change was: {' '.join(_change(taken_by.before, taken_by.after))}."
    if given_by is not None:
        yield f"It {'was' if taken_by is None else 'had been'} given by {_event(given_by)}."
    else:
        yield "No event ever gave it."
    option = _option(found)
    if option:
        command = f"projector why {shlex.quote(found.customer_id)} {option}"
        yield f"To see every event that concerns it: {command}"


def _place(found: WhyNot) -> str:
    row = None if found.given_by is None else found.given_by.after
    if found.kind is GroupKind.TIER:
        return f"on tier {_named(row and row.tier_name, found.not_)}"
    if found.kind is GroupKind.SEGMENT:
        return f"in segment {_named(row and row.segment_name, found.not_)}"
    return f"in a segment or on a tier with the id {found.not_}"


def _option(found: WhyNot) -> str:
    """Return the option of `why` that shows all steps; empty if the group's kind is unknown."""
    if found.kind is GroupKind.SEGMENT:
        return f"--segment {shlex.quote(found.not_)}"
    return "" if found.campaign_id is None else f"--campaign {shlex.quote(found.campaign_id)}"


def _event(step: Step) -> str:
    """Describe an event, with the time of its occurrence and that of its arrival."""
    occurred_at = output.text(step.occurred_at)
    arrived = _delay(step) + (" (late: a newer event arrived before it)" if step.late else "")
    return f"{step.type} ({_identity(step)}), which occurred at {occurred_at} and arrived {arrived}"


def _identity(step: Step) -> str:
    return f"event {step.event_id} at position {step.position}"


def arrival(step: Step) -> str:
    """Format the delay between occurrence and arrival, marked `late` if it came out of order."""
    return f"late, {_delay(step)}" if step.late else _delay(step)


def _delay(step: Step) -> str:
    seconds = step.lateness_seconds
    if abs(seconds) < 1:
        return "at once"
    return f"{_duration(abs(seconds))} {'later' if seconds > 0 else 'earlier'}"


def _duration(seconds: float) -> str:
    """Format a duration in whole units, rounded down."""
    for unit, unit_seconds, units_max in _UNITS:
        if seconds < unit_seconds * units_max:
            return f"{int(seconds // unit_seconds)} {unit}"
    return f"{int(seconds // _DAY_SECONDS)} d"


def _change(before: Row | None, after: Row | None) -> tuple[str, ...]:
    """Summarize what an event changed: the states before and after, or the changed columns."""
    if before == after:
        return ("-",)
    was, became = _state(before), _state(after)
    if was != became or before is None or after is None:
        return was, f"-> {became}"
    # The summary is the same: name the columns that it leaves out, such as a name.
    then, now = asdict(before), asdict(after)
    ignored = ("changed_by", "observed_at", "settled", "silent")
    changed = tuple(name for name in then if then[name] != now[name] and name not in ignored)
    return changed or ("-",)


def _wrapped(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(line for part in parts for line in textwrap.wrap(part, _CHANGE_CHARACTERS))


def _type(type_: str) -> tuple[str, ...]:
    """Return a type without its `customer.` prefix, in two lines if it is longer than an id."""
    short = type_.removeprefix("customer.").removeprefix("projector.")
    head, dot, tail = short.rpartition(".")
    return (short,) if len(short) <= _EVENT_CHARACTERS else (head + dot, tail)


def _state(row: Row | None) -> str:
    """Summarize a row in a few words."""
    if row is None:
        return "nothing known"
    if isinstance(row, segment_membership.Row):
        return "a member" if row.is_member else "not a member"
    if row.tier_id is None:
        return "no tier"
    until = "" if row.expires_on is None else f" until {row.expires_on}"
    return f"{row.tier_name or row.tier_id}{until}{'' if row.certain else ', uncertain'}"


def _named(name: str | None, id_: str | None) -> str:
    return f"{name} ({id_})" if name else str(id_)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
