"""Defines the three explanations: of a segment, of a tier, and of one that a customer lacks."""

from __future__ import annotations

from attrs import frozen

from projector.projections import loyalty_tier, segment_membership
from projector.projections.groups import GroupKind
from projector.queries.why.steps import Step
from projector.queries.why.verdict import Verdict
from projector.store.quarantine import Conflict


@frozen(kw_only=True)
class WhySegment:
    """The explanation of a customer's membership of a segment."""

    project_id: str
    customer_id: str
    segment_id: str
    #: A page of them, in canonical order.
    steps: tuple[Step, ...]
    #: The cursor to give as `after` for the next page; None on the last page.
    next: str | None
    #: Deliveries with the ids of these events but other facts, in the quarantine today.
    conflicts: tuple[Conflict, ...]
    current: segment_membership.Row | None
    #: False if an event of the customer could not be folded, whichever membership it was about.
    complete: bool
    #: The position of the log up to which it reflects every event.
    position: int


@frozen(kw_only=True)
class WhyCampaign:
    """The explanation of a customer's tier in a campaign."""

    project_id: str
    customer_id: str
    campaign_id: str
    #: A page of them, in canonical order.
    steps: tuple[Step, ...]
    #: The cursor to give as `after` for the next page; None on the last page.
    next: str | None
    #: Deliveries with the ids of these events but other facts, in the quarantine today.
    conflicts: tuple[Conflict, ...]
    current: loyalty_tier.Row | None
    #: Whether the tier's last day had passed on the day of the query, and no event since said so.
    overdue: bool
    #: False if an event of the customer could not be folded, whichever tier it was about.
    complete: bool
    #: The position of the log up to which it reflects every event.
    position: int


@frozen(kw_only=True)
class WhyNot:
    """The explanation why a segment or a tier is not the customer's: taken away, or never given."""

    project_id: str
    customer_id: str
    #: The id of the segment or the tier.
    not_: str
    #: Null if no event shows whether the id is that of a segment or of a tier.
    kind: GroupKind | None
    verdict: Verdict
    #: The event since which it holds, or held; null if it was never given.
    given_by: Step | None
    #: The event that ended it; null while it holds, and if it was never given.
    taken_by: Step | None
    #: The campaign of the tier, if an event names it.
    campaign_id: str | None
    #: Whether it is a tier that holds, although its last day had passed on the day of the query.
    overdue: bool
    #: False if an event of the customer could not be folded.
    complete: bool
    #: The number of deliveries that are proven to be lost and may have been about it.
    gaps: int
    #: Those of them that were proven lost since the source was last asked.
    gaps_open: int
    #: The position of the log up to which it reflects every event.
    position: int


Explanation = WhySegment | WhyCampaign | WhyNot
