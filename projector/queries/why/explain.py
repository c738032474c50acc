"""Explains why a customer is, or is not, in a segment or on a tier, by folding the log again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen
from sqlalchemy import Connection

from projector.envelope import KEY_MIN, CanonicalKey, CustomerKey, id_problem
from projector.errors import GroupNotFound, NothingConcerns, NotOne
from projector.projections import loyalty_tier
from projector.projections.groups import GROUPS, SEGMENT, TIER, Group, GroupKind
from projector.queries import customers, past
from projector.queries.customer_state import is_overdue
from projector.queries.customers import NOW, PointInTime
from projector.queries.past import PastState
from projector.queries.why.explanations import Explanation, WhyCampaign, WhyNot, WhySegment
from projector.queries.why.steps import Step, mark_deciding, trace
from projector.queries.why.verdict import Findings, LastPeriod, Verdict, find_evidence
from projector.store import checkpoints, duplicates, log, members, quarantine
from projector.store.database import Database
from projector.text import paging

__all__ = ["Explanation", "WhyCampaign", "WhyNot", "WhyQuery", "WhySegment", "why"]

#: The number of steps on a page, unless another one is given.
LIMIT = 100

#: The maximum number of events that are folded for one page.
EVENTS_MAX = 10_000


@frozen(kw_only=True)
class WhyQuery:
    """A query for one of the three explanations, of one customer at one moment."""

    identifier: str
    segment_id: str | None = None
    campaign_id: str | None = None
    #: The id of a segment or of a tier.
    not_: str | None = None
    project_id: str | None = None
    by_source_id: bool = False
    moment: PointInTime = NOW
    #: The page of the steps of a segment or a campaign: `next` of the page before it.
    after: str | None = None
    #: The maximum number of steps on it.
    limit: int = LIMIT

    def __attrs_post_init__(self) -> None:
        require_one_question(self.segment_id, self.campaign_id, self.not_)
        paging.check_limit(self.limit)


def require_one_question(*questions: str | None) -> None:
    """Raise NotOne unless exactly one of the questions is asked."""
    if sum(each is not None for each in questions) != 1:
        raise NotOne(options="--segment, --campaign or --not")


def why(database: Database, question: WhyQuery) -> Explanation:
    """Explain a row by its events and their effects, or name the event that took a group away.

    The events and their effects, the steps, come in pages (keyset pagination by the canonical key):
    a page has `limit` steps at the most. It has fewer, or none, if the customer has EVENTS_MAX
    events in a row that are about others. Everything else is the same on each page. Raises
    NothingConcerns, GroupNotFound, BadCursor, and the errors of `customers.find_customer`.
    """
    after = _from_cursor(question.after)
    with database.reading_tables() as connection:
        # The events, which are read later, show whether the customer was known at that moment.
        customer = customers.find_key(
            connection,
            question.identifier,
            question.project_id,
            question.by_source_id,
            question.moment,
        )
        if question.segment_id is not None:
            fields = _trace(connection, question, after, customer, SEGMENT, question.segment_id)
            return WhySegment(segment_id=question.segment_id, **fields)
        if question.campaign_id is not None:
            fields = _trace(connection, question, after, customer, TIER, question.campaign_id)
            overdue = _is_overdue(fields["current"], question)
            return WhyCampaign(campaign_id=question.campaign_id, overdue=overdue, **fields)
        return _why_not(connection, question, customer, str(question.not_))


def _require_known(connection: Connection, question: WhyQuery) -> CustomerKey:
    """Return the customer's key; raises CustomerNotFound if nothing was known at the moment."""
    found = customers.read_customer(
        connection,
        question.identifier,
        question.project_id,
        question.by_source_id,
        question.moment,
    )
    return CustomerKey(found.project_id, found.customer_id)


def _until(connection: Connection, moment: PointInTime, groups: Sequence[Group]) -> int:
    """Return the last position that counts.

    For now this is the checkpoint and not the log's end, so that the answer agrees with the tables.
    """
    if moment.is_now:
        return checkpoints.least_position(connection, [each.now for each in groups])
    return customers.log_end(connection, moment)


def _trace(
    connection: Connection,
    question: WhyQuery,
    after: CanonicalKey | None,
    customer: CustomerKey,
    group: Group,
    row_id: str,
) -> dict[str, Any]:
    """Collect the fields that the explanations of all kinds of rows have in common."""
    until = _until(connection, question.moment, [group])
    moment: dict[str, Any] = {"until": until, "as_of": question.moment.as_of}
    # The first page begins with the first event.
    before = KEY_MIN if after is None else after
    [begin] = past.beginnings(connection, [group.now], customer, before=before, **moment)
    page = trace(
        group,
        row_id,
        begin.states[0].state,
        begin.events,
        after=after,
        steps_max=question.limit,
        events_max=EVENTS_MAX,
    )
    end = PastState(page.state, begin.states[0].complete and page.complete)
    if page.last is not None:
        end = past.states_at(connection, [group.now], customer, **moment)[group.now.name]
    current = end.state.get(row_id)
    # No step is on this page, or on any other: every event that concerns a row makes one, unless it
    # is a dead letter. Dead letters may concern any row; but not a row with an invalid id.
    is_unknown = not page.steps if page.last is None else current is None and end.complete
    if after is None and (is_unknown or id_problem(row_id)):
        raise _nothing_concerns(connection, question, f"{group.row_name} {row_id!r}")
    steps = [mark_deciding(each, current) for each in page.steps]
    event_ids = [each.event_id for each in steps]
    return {
        **customer._asdict(),
        "steps": _with_duplicates(connection, steps),
        "next": None if page.last is None else paging.to_cursor(page.last),
        "conflicts": tuple(quarantine.conflicts(connection, customer.project_id, event_ids)),
        "current": current,
        "complete": end.complete,
        "position": until,
    }


def _nothing_concerns(connection: Connection, question: WhyQuery, what: str) -> NothingConcerns:
    """Return the error; raises CustomerNotFound if nothing was known of the customer, either."""
    customer = _require_known(connection, question)
    return NothingConcerns(customer=customer.customer_id, what=what, moment=question.moment)


def _from_cursor(cursor: str | None) -> CanonicalKey | None:
    """Return the key of the last event before a page; raises BadCursor."""
    key = paging.from_cursor(cursor, tuple[paging.Instant, str])
    return None if key is None else CanonicalKey(*key)


def _with_duplicates(connection: Connection, steps: Sequence[Step]) -> tuple[Step, ...]:
    found = duplicates.find(connection, [each.position for each in steps])
    return tuple(
        evolve(each, duplicates=found[each.position].count) if each.position in found else each
        for each in steps
    )


def _why_not(
    connection: Connection, question: WhyQuery, customer: CustomerKey, what: str
) -> WhyNot:
    position = _until(connection, question.moment, [SEGMENT, TIER])
    as_of = question.moment.as_of
    events = log.read_customer(connection, customer, until=position, as_of=as_of)
    findings = find_evidence(what, events)
    period = findings.last_period()
    if period is not None:
        kind: GroupKind | None = period.kind
        campaign_id = period.row_id if kind is GroupKind.TIER else None
    else:
        _require_known(connection, question)
        kind, campaign_id = _identify(connection, question, customer, findings)
    row = None if period is None or period.taken_by else findings.row_of(period)
    doubts = findings.incomplete if kind is None else findings.incomplete & {kind}
    given_by, taken_by = _period_steps(connection, period)
    rows = findings.rows(kind, campaign_id)
    return WhyNot(
        **customer._asdict(),
        not_=what,
        kind=kind,
        verdict=_verdict(period),
        given_by=given_by,
        taken_by=taken_by,
        campaign_id=campaign_id,
        overdue=kind is GroupKind.TIER and _is_overdue(row, question),
        complete=not doubts,
        gaps=sum(each.gaps for each in rows),
        gaps_open=sum(each.gaps - each.settled for each in rows),
        position=position,
    )


def _is_overdue(row: loyalty_tier.Row | None, question: WhyQuery) -> bool:
    return row is not None and is_overdue(row, question.moment.day())


def _verdict(period: LastPeriod | None) -> Verdict:
    if period is None:
        return Verdict.NEVER_GIVEN
    return Verdict.HOLDS if period.taken_by is None else Verdict.TAKEN


def _period_steps(
    connection: Connection, period: LastPeriod | None
) -> tuple[Step | None, Step | None]:
    if period is None:
        return None, None
    steps = [period.given_by] if period.taken_by is None else [period.given_by, period.taken_by]
    given_by, *taken_by = _with_duplicates(connection, steps)
    return given_by, taken_by[0] if taken_by else None


def _identify(
    connection: Connection, question: WhyQuery, customer: CustomerKey, findings: Findings
) -> tuple[GroupKind | None, str | None]:
    """Identify the kind of a group that was never given, and a tier's campaign, as far as known.

    Raises GroupNotFound for an id that no event names.
    """
    what = findings.what
    named = findings.named
    if not named and not question.moment.is_now:
        # Events after the moment may name a group that the customer got only later.
        named = find_evidence(what, customers.events_at(connection, customer, NOW)[1]).named
    # An invalid id cannot be a parameter of a SQL statement.
    if not named and not id_problem(what):
        named = {
            kind: None for kind in GroupKind if members.is_known(connection, GROUPS[kind], what)
        }
    if not named:
        raise GroupNotFound(kind="segment or tier", identifier=what)
    [kind, *others] = named
    return (None, None) if others else (kind, named[kind])
