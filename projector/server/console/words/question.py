"""What is asked about a customer, with the words that every answer to it has. PURE."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from projector.projections.groups import GroupKind
from projector.queries.story.events import state_what
from projector.queries.why.case import Case, CaseStep
from projector.server.console.words.parts import Names, Person
from projector.server.console.words.story_words import event_clause
from projector.server.console.zones import Zone


@frozen(kw_only=True)
class Question:
    """What is asked, with all that the words need."""

    case: Case
    person: Person
    names: Names
    zone: Zone
    #: The day in words, such as `1 March 2026`; None for today.
    day: str | None
    #: The end of the day; None for today.
    as_of: datetime | None

    @property
    def is_now(self) -> bool:
        """Whether it is about today."""
        return self.day is None

    @property
    def on_day(self) -> str:
        """The day for the beginning of a sentence."""
        return "Today" if self.day is None else f"On {self.day}"

    @property
    def preposition(self) -> str:
        """The word between the verb and the group: one is on a tier and in a segment."""
        return "on" if self.case.target.kind is GroupKind.TIER else "in"

    @property
    def group(self) -> str:
        """The name of the segment or the tier."""
        target = self.case.target
        if target.kind is GroupKind.SEGMENT:
            return self.names.segment(target.group_id)
        return self.names.tier(target.campaign_id, target.group_id)

    @property
    def was(self) -> str:
        """The verb in its tense."""
        return "is" if self.is_now else "was"

    @property
    def had(self) -> str:
        """The auxiliary verb in its tense."""
        return "has" if self.is_now else "had"

    def day_of(self, step: CaseStep) -> str:
        """Return the day of an event."""
        return self.zone.day_text(step.step.occurred_at)

    def clause(self, step: CaseStep, *, has_origin: bool = True) -> str:
        """Return what an event says, as a clause."""
        return event_clause(
            self.person.short,
            step.step.type,
            state_what(step.fact),
            self.names,
            has_origin=has_origin,
        )
