"""Decides whether a segment or tier holds, and which events gave it and took it away. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from attrs import define, field, frozen

from projector.envelope import RecordedEvent
from projector.facts.events import CustomerFact
from projector.projections.groups import GROUPS, SEGMENT, TIER, Group, GroupKind
from projector.projections.projection import State
from projector.queries.why.steps import FoldStep, Step, fold_steps, mark_deciding


class Verdict(StrEnum):
    """The conclusion about a segment or a tier."""

    HOLDS = "holds"
    #: It held before, and an event ended it.
    TAKEN = "taken"
    NEVER_GIVEN = "never given"


@frozen(kw_only=True)
class LastPeriod:
    """The last period in which a row held it: a membership, or a tier in one campaign."""

    kind: GroupKind
    #: The id of the segment or of the campaign.
    row_id: str
    given_by: Step
    #: Null while it holds.
    taken_by: Step | None


@define
class Findings:
    """The evidence of a customer's events about a segment or a tier."""

    #: The id of the segment or the tier.
    what: str
    #: The last periods, by kind and row id.
    periods: dict[tuple[GroupKind, str], LastPeriod] = field(factory=dict)
    #: The kinds as which the customer's events name the id; with a tier's campaign, if stated.
    named: dict[GroupKind, str | None] = field(factory=dict)
    #: The kinds whose projection could not fold an event.
    incomplete: set[GroupKind] = field(factory=set)
    #: The states of the projections, by kind.
    states: dict[GroupKind, State] = field(factory=dict)

    def take(self, fold_step: FoldStep) -> None:
        """Add the evidence of one event."""
        kind = fold_step.group.kind
        self.states[kind] = fold_step.after
        if fold_step.reason is not None:
            self.incomplete.add(kind)
        if fold_step.fact is not None:
            for each in GROUPS.values():
                if self.what in each.ids_in(fold_step.fact):
                    self.named[each.kind] = _campaign_of(each, fold_step.fact) or self.named.get(
                        each.kind
                    )
        for row_id, row in fold_step.after.items():
            before = fold_step.before.get(row_id)
            if row is not before:
                self._compare(fold_step, row_id, before, row)

    def _compare(self, fold_step: FoldStep, row_id: str, before: Any, after: Any) -> None:
        group, kind = fold_step.group, fold_step.group.kind
        identity = kind, row_id
        if group.begins(before, after, self.what):
            step = fold_step.step(row_id)
            self.periods[identity] = LastPeriod(
                kind=kind, row_id=row_id, given_by=step, taken_by=None
            )
        elif identity in self.periods and group.ends(before, after, self.what):
            given_by, taken_by = self.periods[identity].given_by, fold_step.step(row_id)
            self.periods[identity] = LastPeriod(
                kind=kind, row_id=row_id, given_by=given_by, taken_by=taken_by
            )

    def rows(self, kind: GroupKind | None, campaign_id: str | None) -> list[Any]:
        """Return the rows that may be about it, which count the lost deliveries."""
        found: list[Any] = []
        if kind is not GroupKind.TIER:
            membership = self.states.get(GroupKind.SEGMENT, {}).get(self.what)
            found += [] if membership is None else [membership]
        if kind is not GroupKind.SEGMENT:
            tiers = self.states.get(GroupKind.TIER, {})
            found += [row for row_id, row in tiers.items() if campaign_id in (None, row_id)]
        return found

    def row_of(self, period: LastPeriod) -> Any:
        """Return the present row of a period's segment or campaign."""
        return self.states[period.kind].get(period.row_id)

    def last_period(self) -> LastPeriod | None:
        """Return the latest period: one that still holds, or else the one that ended last."""
        if not self.periods:
            return None
        found = max(self.periods.values(), key=_recency)
        current = self.row_of(found)
        return LastPeriod(
            kind=found.kind,
            row_id=found.row_id,
            given_by=mark_deciding(found.given_by, current),
            taken_by=found.taken_by and mark_deciding(found.taken_by, current),
        )


def find_evidence(what: str, events: Iterable[RecordedEvent]) -> Findings:
    """Collect the evidence of a customer's events, in canonical order, about an id."""
    findings = Findings(what)
    groups = [SEGMENT, TIER]
    for each in fold_steps(groups, [group.now.initial for group in groups], events):
        findings.take(each)
    return findings


def _recency(period: LastPeriod) -> tuple[Any, ...]:
    ended = period.taken_by
    return (1, period.given_by.key) if ended is None else (0, ended.key)


def _campaign_of(group: Group, fact: CustomerFact) -> str | None:
    """Return the campaign of the tier that a fact names, or None; a segment has none."""
    if group is not TIER:
        return None
    try:
        return group.row_of(fact)
    except ValueError:
        return None
