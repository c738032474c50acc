"""What `why` prints for people: the steps as a table, then what follows from them in sentences."""

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

#: A unit, how many seconds it has, and from how many of them on the next one says it better.
_UNITS = (("s", 1, 120), ("min", 60, 120), ("h", 3_600, 48))
_DAY_SECONDS = 86_400

#: With these the table fits into 100 columns, and ids stay in one piece.
_EVENT_CHARACTERS, _CHANGE_CHARACTERS = 26, 15


def print_explanation(found: Explanation, *, as_of: datetime | None = None) -> None:
    """Print why, at a moment."""
    if isinstance(found, WhyNot):
        told = list(_verdict(found))
    else:
        _table(found)
        told = [_current(found.current), *_record(found)]
    for sentence in told:
        output.line(output.text(sentence))
    if isinstance(found, WhyNot):
        gaps = found.gaps
    else:
        gaps = 0 if found.current is None else found.current.gaps
    then = "" if as_of is None else f"As of {output.text(as_of)}. "
    trust = output.trust(found.complete, gaps)
    output.line(f"{then}As of position {found.position}. {trust}")


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
                _wrapped(_change(each.before, each.after)),
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


def _current(row: Row | None) -> str:
    """What is true in the end."""
    if row is None:
        return "Nothing that could be read says anything of it."
    if isinstance(row, segment_membership.Row):
        if row.is_member:
            return f"A member since {output.text(row.entered_at)}."
        before = f"a member since {output.text(row.entered_at)}"
        if row.entered_at is None:
            before = "nobody told of the entry"
        return f"No member since {output.text(row.left_at)}; before that, {before}."
    if row.tier_id is None:
        left_at = output.text(row.left_at)
        return f"On no tier since {left_at}; before that, on {row.previous_tier_id}."
    since = "" if row.joined_at is None else f" since {output.text(row.joined_at)}"
    until = "" if row.expires_on is None else f", until {row.expires_on}"
    doubt = "" if row.certain else ". That is not certain: another tier was left in between"
    return f"On {_named(row.tier_name, row.tier_id)}{since}{until}{doubt}."


def _record(found: WhySegment | WhyCampaign) -> Iterator[str]:
    """What decided it, and what else the record tells of the events."""
    for step in found.steps:
        if step.decides:
            yield f"It was decided by {_event(step)}."
    for step in found.steps:
        if step.effect is Effect.DEAD_LETTER:
            yield f"Dead letter: {_identity(step)} counts for nothing. {step.reason}"
    for step in found.steps:
        if step.duplicates:
            yield f"Delivered again: {_identity(step)}, {_times(step.duplicates)}."
    for each in found.conflicts:
        yield (
            f"Conflict: a delivery of {each.event_id} that came {output.text(each.received_at)} "
            f"does not count (quarantine {each.quarantine_id}). {each.detail}"
        )


def _verdict(found: WhyNot) -> Iterator[str]:
    """What happened to a segment or a tier, and where to read all of it."""
    given_by, taken_by = found.given_by, found.taken_by
    has_or_not = "" if found.verdict is Verdict.HOLDS else "not "
    yield f"{found.customer_id} in {found.project_id} is {has_or_not}{_place(found)}."
    if taken_by is not None:
        yield f"It was taken by {_event(taken_by)}."
        yield f"That changed: {' '.join(_change(taken_by.before, taken_by.after))}."
    if given_by is not None:
        yield f"It {'was' if taken_by is None else 'had been'} given by {_event(given_by)}."
    else:
        yield "No event ever gave it."
    option = _option(found)
    if option:
        yield f"Every event that has a say: projector why {shlex.quote(found.customer_id)} {option}"


def _place(found: WhyNot) -> str:
    row = None if found.given_by is None else found.given_by.after
    if found.kind is GroupKind.TIER:
        return f"on tier {_named(row and row.tier_name, found.not_)}"
    if found.kind is GroupKind.SEGMENT:
        return f"in segment {_named(row and row.segment_name, found.not_)}"
    return f"in a segment or on a tier {found.not_}"


def _option(found: WhyNot) -> str:
    """What to ask next; empty where nobody can tell."""
    if found.kind is GroupKind.SEGMENT:
        return f"--segment {shlex.quote(found.not_)}"
    return "" if found.campaign_id is None else f"--campaign {shlex.quote(found.campaign_id)}"


def _event(step: Step) -> str:
    """An event, with when it occurred and when it came."""
    when = output.text(step.occurred_at)
    return f"{step.type} ({_identity(step)}), which occurred {when} and arrived {arrival(step)}"


def _identity(step: Step) -> str:
    return f"{step.event_id} at position {step.position}"


def arrival(step: Step) -> str:
    """How long after its occurrence an event came; late is what came out of order."""
    seconds = step.lateness_seconds
    after = f"{_duration(abs(seconds))} {'later' if seconds > 0 else 'earlier'}"
    if abs(seconds) < 1:
        after = "at once"
    return f"late, {after}" if step.late else after


def _duration(seconds: float) -> str:
    """Whole units, rounded down."""
    for unit, unit_seconds, units_max in _UNITS:
        if seconds < unit_seconds * units_max:
            return f"{int(seconds // unit_seconds)} {unit}"
    return f"{int(seconds // _DAY_SECONDS)} d"


def _change(before: Row | None, after: Row | None) -> tuple[str, ...]:
    """What an event changed, in a few words: from and to."""
    if before == after:
        return ("-",)
    was, became = _state(before), _state(after)
    if was != became or before is None or after is None:
        return was, f"-> {became}"
    # What the few words leave out, such as a name.
    then, now = asdict(before), asdict(after)
    return tuple(name for name in then if then[name] != now[name] and name != "changed_by")


def _wrapped(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(line for part in parts for line in textwrap.wrap(part, _CHANGE_CHARACTERS))


def _type(type_: str) -> tuple[str, ...]:
    """A type without its beginning, in two lines where it is longer than an id."""
    short = type_.removeprefix("customer.")
    head, dot, tail = short.rpartition(".")
    return (short,) if len(short) <= _EVENT_CHARACTERS else (head + dot, tail)


def _state(row: Row | None) -> str:
    """What a row says, in a few words."""
    if row is None:
        return "nothing known"
    if isinstance(row, segment_membership.Row):
        return "a member" if row.is_member else "no member"
    if row.tier_id is None:
        return "no tier"
    until = "" if row.expires_on is None else f" until {row.expires_on}"
    return f"{row.tier_name or row.tier_id}{until}{'' if row.certain else ', uncertain'}"


def _named(name: str | None, id_: str | None) -> str:
    return f"{name} ({id_})" if name else str(id_)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
