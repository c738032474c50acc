"""Says in a sentence whether a customer was in a segment or on a tier on a day. PURE.

It never looks surer than the evidence (`queries.why.case`), and never invents a cause: it says what
the events say.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from projector.facts.events import CustomerDeleted, SegmentLeft
from projector.queries.why.case import Case, CaseStep, Doubt, left_behind
from projector.queries.why.steps import Effect
from projector.server.console.words.parts import (
    Part,
    Sentence,
    capital,
    sentence,
    strong,
)
from projector.server.console.words.question import Question


class Answer(StrEnum):
    """The answer in short."""

    YES = "Yes"
    NO = "No"
    CANNOT_TELL = "We cannot tell"


@frozen(kw_only=True)
class Verdict:
    """The answer in words."""

    answer: Answer
    #: The sentences that stand first, and those that stand small under them.
    first: Sentence
    second: tuple[str, ...]


def verdict(question: Question) -> Verdict:
    """Answer a question."""
    case = question.case
    if case.doubt is not None:
        return Verdict(
            answer=Answer.CANNOT_TELL,
            first=sentence("We cannot tell. ", *_doubt(question)),
            second=tuple(_late(question)),
        )
    if case.holds:
        first = sentence("Yes. ", *_holds(question))
        return Verdict(answer=Answer.YES, first=first, second=tuple(_after_yes(question)))
    first = sentence("No. ", *_holds_not(question))
    return Verdict(answer=Answer.NO, first=first, second=tuple(_after_no(question)))


def _holds(question: Question) -> list[str | Part]:
    group = strong(question.group)
    subject = f"{question.on_day} {question.person.full} {question.was} {question.preposition} "
    since, misfit = _since(question), _misfit(question.case)
    if misfit is not None:
        heard = (
            f". Since when is not known: what we heard on {question.day_of(misfit)} does not fit."
        )
        return [subject, group, heard]
    seen_at = None if question.case.row is None else question.case.row.seen_at
    if since is None and seen_at is not None:
        asked = question.zone.day_text(seen_at)
        heard = f". Since when is not known: Voucherify said so when it was asked on {asked}."
        return [subject, group, heard]
    if since is None:
        return [subject, group, ". Since when is not known: the delivery about that was lost."]
    return [subject, group, ", since ", strong(since), "."]


def _misfit(case: Case) -> CaseStep | None:
    """Return an event that proves that the period was perhaps interrupted; None without any."""
    begin = None if case.given_by is None else case.given_by.step.key
    return next(
        (
            each
            for each in case.steps
            if each.is_before
            and each.step.effect is Effect.GAP
            and (begin is None or each.step.key > begin)
        ),
        None,
    )


def _since(question: Question) -> str | None:
    """Return the day of the beginning, as the row has it; None if it is unknown."""
    row = question.case.row
    group = question.case.target.group
    since = None if row is None else getattr(row, group.since)
    return None if since is None else question.zone.day_text(since)


def _holds_not(question: Question) -> list[str | Part]:
    case, short = question.case, question.person.short
    if not case.is_known and case.first_at is not None:
        became = strong(question.zone.day_text(case.first_at))
        return [
            f"{question.on_day} {question.person.full} was no customer yet. {capital(short)} became"
            " one on ",
            became,
            ".",
        ]
    told = [f"{question.on_day} {question.person.full} {question.was} ", *_instead(question), ". "]
    taken_by = case.taken_by
    if taken_by is None:
        by_then = "" if question.is_now else " by then"
        nothing = f"Nothing {question.had} put {short} {_into(question)}{by_then}."
        return [*told, nothing]
    ended = strong(question.day_of(taken_by))
    had = "" if question.is_now else "had "
    if isinstance(taken_by.fact, SegmentLeft):
        return [*told, f"{capital(short)} {had}left it on ", ended, "."]
    what = capital(question.group) if question.preposition == "on" else "The membership"
    if _is_by_hearsay(case, taken_by):
        # The event that ended it is lost: another one shows that it had, or the source said so.
        heard = f", when we heard that {question.clause(taken_by)}."
        return [*told, f"{what} {had}ended by ", ended, heard]
    when = f", when {question.clause(taken_by, has_origin=False)}."
    return [*told, f"{what} {had}ended on ", ended, when]


def _is_by_hearsay(case: Case, ended: CaseStep) -> bool:
    """Return whether an event only shows that a period has ended, which another one had done."""
    if ended.step.effect is Effect.REPAIRED:
        return True
    return ended.step.effect is Effect.GAP and left_behind(ended.fact) != case.target.group_id


def _into(question: Question) -> str:
    return f"{'on' if question.preposition == 'on' else 'into'} {question.group}"


def _instead(question: Question) -> list[str | Part]:
    """Return what the customer was instead: on another tier, on none, or not in the segment."""
    case = question.case
    if question.preposition == "in":
        return ["not in ", strong(question.group)]
    if case.row is None:
        return ["not on ", strong(question.group)]
    if case.row.tier_id is None:
        campaign = question.names.campaign(case.target.campaign_id, case.row.campaign_name)
        of = f" of {campaign}" if campaign else ""
        return ["on ", strong("no tier"), f"{of}, and so not on {question.group}"]
    tier = question.names.tier(case.target.campaign_id, case.row.tier_id, case.row.tier_name)
    return ["on ", strong(tier), f", not on {question.group}"]


def _doubt(question: Question) -> list[str | Part]:
    case, doubtful = question.case, question.case.doubtful
    if case.doubt is Doubt.UNKNOWN and case.first_at is not None:
        first = strong(question.zone.day_text(case.first_at))
        return [f"Nothing is known of {question.person.full} from before ", first, "."]
    told = _as_told(question)
    if case.doubt is Doubt.OVERDUE:
        return [*told, *_overdue(question)]
    if doubtful is None:
        return [*told, "But a delivery about it was lost."]
    day = strong(question.day_of(doubtful))
    if case.doubt is Doubt.SEEN:
        later = ", and that may be true only from a little later on."
        return [*told, "But Voucherify said so when it was asked on ", day, later]
    if case.doubt is Doubt.UNREADABLE:
        return [*told, "But an event of ", day, " could not be read, and may say otherwise."]
    heard = f" we heard that {question.clause(doubtful)}, "
    if case.doubt is Doubt.LOST:
        return [*told, "But on ", day, f"{heard}so a delivery before it was lost."]
    return [*told, "But on ", day, f"{heard}which does not fit: a delivery was lost."]


def _as_told(question: Question) -> list[str | Part]:
    on_day = "today" if question.day is None else f"on {question.day}"
    told = f"As far as we were told, {on_day} {question.person.full} {question.was} "
    if question.case.holds:
        return [told, f"{question.preposition} ", strong(question.group), ". "]
    return [told, *_instead(question), ". "]


def _overdue(question: Question) -> list[str | Part]:
    row = question.case.row
    if row is None or row.expires_on is None:
        return []
    tier = question.names.tier(row.campaign_id, row.tier_id, row.tier_name)
    after = (
        ", and nothing has told us what came after."
        if question.is_now
        else ", and no event up to that day says what came after."
    )
    return [f"But {tier} was to end on ", strong(question.zone.day_text(row.expires_on)), after]


def _after_yes(question: Question) -> list[str]:
    case, said = question.case, []
    expires_on = getattr(case.row, "expires_on", None)
    if expires_on is not None and case.is_overdue:
        until = question.zone.day_text(expires_on)
        said.append(
            f"{capital(question.group)} was to end on {until}, but later events show that it"
            " still held."
        )
    if case.ended_later is not None:
        day = question.day_of(case.ended_later)
        if isinstance(case.ended_later.fact, SegmentLeft):
            said.append(f"{capital(question.person.short)} left it on {day}.")
        elif case.ended_later.step.effect is Effect.REPAIRED:
            heard = question.clause(case.ended_later)
            said.append(f"That ended by {day}, when we heard that {heard}.")
        else:
            said.append(
                f"That ended on {day}, when {question.clause(case.ended_later, has_origin=False)}."
            )
    elif expires_on is not None and not case.is_overdue:
        until = question.zone.day_text(expires_on)
        said.append(f"{capital(question.group)} {question.was} valid until {until}.")
    return [*said, *_late(question)]


def _after_no(question: Question) -> list[str]:
    case, said = question.case, []
    short = capital(question.person.short)
    if case.taken_by is not None:
        said.append(_while_it_lasted(question, case.taken_by))
    if case.given_later is not None:
        is_seen = case.given_later.step.effect is Effect.REPAIRED
        day = f"{'by' if is_seen else 'on'} {question.day_of(case.given_later)}"
        again = case.taken_by is not None
        if question.preposition == "in":
            said.append(f"{short} entered it{' again' if again else ''} {day}.")
        else:
            came = "came back to" if again else "came to"
            said.append(f"{short} {came} {question.group} {day}.")
    return [*said, *_late(question)]


def _while_it_lasted(question: Question, taken_by: CaseStep) -> str:
    """Say since when it had held, and until when it should have."""
    short, place = question.person.short, f"{question.preposition} {question.group}"
    before = taken_by.step.before
    since = getattr(before, question.case.target.group.since, None)
    if question.case.given_by is None or since is None:
        return f"Since when {short} had been {place} is not known: the delivery was lost."
    told = f"{capital(short)} had been {place} since {question.zone.day_text(since)}"
    expires_on = getattr(before, "expires_on", None)
    if expires_on is None or isinstance(taken_by.fact, CustomerDeleted):
        return f"{told}."
    return f"{told}; it was valid until {question.zone.day_text(expires_on)}."


def _late(question: Question) -> list[str]:
    """Say that the answer would have been another one if it had been given on the day."""
    if question.as_of is None:
        return []
    count = sum(
        each.is_before
        and each.step.effect in (Effect.APPLIED, Effect.GAP, Effect.REPAIRED)
        and each.step.received_at > question.as_of
        for each in question.case.steps
    )
    if not count:
        return []
    events = "One of these events" if count == 1 else f"{count:,} of these events"
    return [
        f"{events} reached us only after that day, so a letter sent then may have said something"
        " else."
    ]
