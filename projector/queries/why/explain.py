"""Why a customer is, or is not, in a segment or on a tier: from the log, through the same fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import evolve, frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey, RecordedEvent, id_problem
from projector.errors import GroupNotFound, NothingConcerns, NotOne, StreamTooLong
from projector.projections import loyalty_tier, segment_membership
from projector.projections.groups import GROUPS, SEGMENT, TIER, Group, GroupKind
from projector.queries import customers
from projector.queries.customers import NOW, PointInTime
from projector.queries.why.steps import Step, trace
from projector.queries.why.verdict import Findings, LastPeriod, Verdict, find_evidence
from projector.store import checkpoints, duplicates, log, members, quarantine
from projector.store.database import Database
from projector.store.quarantine import Conflict


@frozen(kw_only=True)
class WhySegment:
    """How a customer's membership of a segment came to be what it is."""

    project_id: str
    customer_id: str
    segment_id: str
    #: In canonical order.
    steps: tuple[Step, ...]
    #: On the record today: deliveries in the name of these events that say something else.
    conflicts: tuple[Conflict, ...]
    current: segment_membership.Row | None
    #: False where an event of the customer could not be folded into any membership.
    complete: bool
    #: The position of the log that it reflects.
    position: int


@frozen(kw_only=True)
class WhyCampaign:
    """How a customer's tier in a campaign came to be what it is."""

    project_id: str
    customer_id: str
    campaign_id: str
    #: In canonical order.
    steps: tuple[Step, ...]
    #: On the record today: deliveries in the name of these events that say something else.
    conflicts: tuple[Conflict, ...]
    current: loyalty_tier.Row | None
    #: False where an event of the customer could not be folded into any tier.
    complete: bool
    #: The position of the log that it reflects.
    position: int


@frozen(kw_only=True)
class WhyNot:
    """Which event took a segment or a tier away, or that none ever gave it."""

    project_id: str
    customer_id: str
    #: The id of the segment or the tier.
    not_: str
    #: Null where nobody can tell.
    kind: GroupKind | None
    verdict: Verdict
    #: The event since which it holds, or held.
    given_by: Step | None
    #: The event with which it stopped holding; null where it holds.
    taken_by: Step | None
    #: The campaign of the tier, if an event tells it.
    campaign_id: str | None
    #: False where an event of the customer could not be folded.
    complete: bool
    #: How many deliveries are proven to be lost that may have been about it.
    gaps: int
    #: The position of the log that it reflects.
    position: int


Explanation = WhySegment | WhyCampaign | WhyNot


@frozen(kw_only=True)
class WhyQuery:
    """One of the three, and the customer and the moment that it is asked for."""

    identifier: str
    segment_id: str | None = None
    campaign_id: str | None = None
    #: The id of a segment or of a tier.
    not_: str | None = None
    project_id: str | None = None
    by_source_id: bool = False
    moment: PointInTime = NOW

    def __attrs_post_init__(self) -> None:
        require_one_question(self.segment_id, self.campaign_id, self.not_)


def require_one_question(*asked: str | None) -> None:
    """See that one thing is asked, and not several or none; raises NotOne."""
    if sum(each is not None for each in asked) != 1:
        raise NotOne(options="--segment, --campaign or --not")


def why(database: Database, question: WhyQuery, *, events_max: int | None = None) -> Explanation:
    """Every event that has a say in a row with what it did to it, or who took something away.

    All of it is held in memory: give `events_max` where that must have a bound. Raises
    NothingConcerns or GroupNotFound, StreamTooLong, and what query.find_customer raises.
    """
    with database.reading_tables() as connection:
        # Whether anything was known of the customer at that moment shows when the events are read.
        customer = customers.find_key(
            connection,
            question.identifier,
            question.project_id,
            question.by_source_id,
            question.moment,
        )
        if events_max is not None and log.has_more_events(connection, customer, events_max):
            raise StreamTooLong(customer=customer.customer_id, events_max=events_max)
        if question.segment_id is not None:
            told = _trace(connection, question, customer, SEGMENT, question.segment_id)
            return WhySegment(segment_id=question.segment_id, **told)
        if question.campaign_id is not None:
            told = _trace(connection, question, customer, TIER, question.campaign_id)
            return WhyCampaign(campaign_id=question.campaign_id, **told)
        return _why_not(connection, question, customer, str(question.not_))


def _require_known(connection: Connection, question: WhyQuery) -> CustomerKey:
    """Who is meant; raises CustomerNotFound for one of whom nothing was known at the moment."""
    found = customers.read_customer(
        connection,
        question.identifier,
        question.project_id,
        question.by_source_id,
        question.moment,
    )
    return CustomerKey(found.project_id, found.customer_id)


def _events(
    connection: Connection,
    customer: CustomerKey,
    moment: PointInTime,
    groups: Sequence[Group],
) -> tuple[int, Iterator[RecordedEvent]]:
    """A customer's events in canonical order, and the position that they go up to.

    What is true now is what the tables say: it goes up to where they are, and not to the log's end.
    """
    if moment.is_now:
        position = checkpoints.least_position(connection, [each.now for each in groups])
        moment = PointInTime(at_position=position)
    return customers.events_at(connection, customer, moment)


def _trace(
    connection: Connection,
    question: WhyQuery,
    customer: CustomerKey,
    group: Group,
    row_id: str,
) -> dict[str, Any]:
    """What an explanation of one row tells, whatever the row is about."""
    position, events = _events(connection, customer, question.moment, [group])
    traced = trace(group, row_id, events)
    # An id that no event could ever have is not what a dead letter may be about.
    if not traced.steps or id_problem(row_id):
        _require_known(connection, question)
        raise NothingConcerns(
            customer=customer.customer_id,
            what=f"{group.row_name} {row_id!r}",
            moment=question.moment,
        )
    event_ids = [each.event_id for each in traced.steps]
    return {
        **customer._asdict(),
        "steps": _with_duplicates(connection, traced.steps),
        "conflicts": tuple(quarantine.conflicts(connection, customer.project_id, event_ids)),
        "current": traced.current,
        "complete": traced.complete,
        "position": position,
    }


def _with_duplicates(connection: Connection, steps: Sequence[Step]) -> tuple[Step, ...]:
    found = duplicates.find(connection, [each.position for each in steps])
    return tuple(
        evolve(each, duplicates=found[each.position].count) if each.position in found else each
        for each in steps
    )


def _why_not(
    connection: Connection, question: WhyQuery, customer: CustomerKey, what: str
) -> WhyNot:
    position, events = _events(connection, customer, question.moment, [SEGMENT, TIER])
    findings = find_evidence(what, events)
    period = findings.last_period()
    if period is not None:
        kind: GroupKind | None = period.kind
        campaign_id = period.row_id if kind is GroupKind.TIER else None
    else:
        _require_known(connection, question)
        kind, campaign_id = _identify(connection, question, customer, findings)
    doubts = findings.incomplete if kind is None else findings.incomplete & {kind}
    given_by, taken_by = _period_steps(connection, period)
    return WhyNot(
        **customer._asdict(),
        not_=what,
        kind=kind,
        verdict=_verdict(period),
        given_by=given_by,
        taken_by=taken_by,
        campaign_id=campaign_id,
        complete=not doubts,
        gaps=findings.gaps(kind, campaign_id),
        position=position,
    )


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
    """What an id that was never given is the id of, and of which campaign, as far as it is known.

    Raises GroupNotFound for one that nothing names.
    """
    what = findings.what
    named = findings.named
    if not named and not question.moment.is_now:
        # What the customer got only later is known as well.
        named = find_evidence(what, customers.events_at(connection, customer, NOW)[1]).named
    # Of an id that is none the database could not even be asked.
    if not named and not id_problem(what):
        named = {
            kind: None for kind in GroupKind if members.is_known(connection, GROUPS[kind], what)
        }
    if not named:
        raise GroupNotFound(kind="segment or tier", identifier=what)
    [kind, *others] = named
    return (None, None) if others else (kind, named[kind])
