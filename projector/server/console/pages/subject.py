"""Finds what the pages about a customer have in common: who, which groups, which moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from attrs import frozen

from projector.envelope import CustomerKey
from projector.errors import CustomerNotFound
from projector.projections.groups import GroupKind
from projector.queries.campaigns import Campaign, list_campaigns
from projector.queries.customer_state import CustomerState
from projector.queries.customers import PointInTime, find_customer, find_keys
from projector.queries.erased import find_erased
from projector.queries.log_position import read_position
from projector.queries.members import SegmentCount, list_segments
from projector.queries.why.case import Target
from projector.server.console.charts import tier_ramp
from projector.server.console.charts.tier_ramp import TierRank
from projector.server.console.links import customer_path, from_what, to_what
from projector.server.console.page import Page, Visit
from projector.server.console.words import parts
from projector.server.console.words.parts import Names, Person
from projector.store.database import Database

#: The most segments in the list of a question.
_SEGMENTS_MAX = 200


@frozen(kw_only=True)
class Moment:
    """The day that a page is about, and the day whose knowledge it shows."""

    #: None for today.
    on: date | None
    #: The end of that day in the console's time zone; None for now.
    as_of: datetime | None
    #: None for all that is known.
    known: date | None
    #: The position of the last event that was received by the end of that day; None for now.
    at_position: int | None

    @property
    def point(self) -> PointInTime:
        """The point in time of the day."""
        return PointInTime(as_of=self.as_of, at_position=self.at_position)


@frozen(kw_only=True)
class Option:
    """A segment or a tier that can be asked about."""

    value: str
    text: str
    target: Target


@frozen(kw_only=True)
class Subject:
    """A customer, and the groups of the project."""

    key: CustomerKey
    person: Person
    moment: Moment
    #: What is known of the customer now, or was known at the position; None for nothing.
    state: CustomerState | None
    names: Names
    tier_classes: dict[tuple[str, str], str]
    #: What can be asked, by heading: the campaigns, and the segments.
    options: tuple[tuple[str, tuple[Option, ...]], ...]

    def path(self, page: str = "", **query: object) -> str:
        """Return the path of one of the customer's pages."""
        return customer_path(self.key, page, **query)

    def why(self, target: Target, on: date | None) -> str:
        """Return the path of the explanation of a segment or a tier."""
        return self.path("why", what=to_what(target), on=on, known=self.moment.known)

    def segment_why(self, segment_id: str) -> str:
        """Return the path of the explanation of a segment on the page's day."""
        return self.why(Target(kind=GroupKind.SEGMENT, group_id=segment_id), self.moment.on)

    def find_target(self, text: str | None) -> Target | None:
        """Return what is asked: by `links.to_what`, or by the id alone; None for anything else."""
        if text is None:
            return None
        return from_what(text) or next(
            (
                option.target
                for _, options in self.options
                for option in options
                if option.target.group_id == text
            ),
            None,
        )


def find_subject(visit: Visit) -> Subject | Page:
    """Return the customer in the path, or the page that says that the id is not known."""
    key = CustomerKey(visit.ids["project"], visit.ids["id"])
    moment = find_moment(visit)
    with visit.database.reading() as connection:
        is_known = bool(find_keys(connection, key.customer_id, key.project_id, False))
    if not is_known:
        return unknown(visit.database, key.customer_id, key.project_id)
    state = read_state(visit.database, key, PointInTime(at_position=moment.at_position))
    campaigns = list_campaigns(visit.database, project_id=key.project_id)
    segments = list_segments(visit.database, project_id=key.project_id)
    name, source_id = (None, None) if state is None else (state.name, state.source_id)
    return Subject(
        key=key,
        person=parts.person(name, source_id, key.customer_id),
        moment=moment,
        state=state,
        names=_names(campaigns, segments, state),
        tier_classes=tier_ramp.classes(
            [
                TierRank(
                    campaign_id=each.campaign_id,
                    tier_id=each.tier_id,
                    points_from=each.points_from,
                )
                for campaign in campaigns
                for each in campaign.tiers
            ]
        ),
        options=_options(campaigns, segments),
    )


def unknown(database: Database, identifier: str, project_id: str | None = None) -> Page:
    """Return the page for an id that nobody has, or whose customer was erased."""
    erased = find_erased(database, [identifier], project_id).get(identifier)
    if erased is not None:
        return Page(template="customer_erased.html", values={"erased": erased}, status=410)
    return Page(template="customer_unknown.html", values={"identifier": identifier}, status=404)


def find_moment(visit: Visit) -> Moment:
    """Return the days in the query; days that are not over count as today."""
    on, known = visit.day("on"), visit.day("known")
    on = None if on is None or on >= visit.today else on
    known = None if known is None or known >= visit.today else known
    position = None
    if known is not None:
        with visit.database.reading() as connection:
            position = read_position(connection, visit.zone.end_of(known))
    return Moment(
        on=on,
        as_of=None if on is None else visit.zone.end_of(on),
        known=known,
        at_position=position,
    )


def read_state(database: Database, key: CustomerKey, point: PointInTime) -> CustomerState | None:
    """Return a customer's state, or None if nothing is known."""
    try:
        return find_customer(database, key.customer_id, project_id=key.project_id, moment=point)
    except CustomerNotFound:
        return None


def read_names(database: Database, project_id: str) -> Names:
    """Return the names of a project's groups."""
    campaigns = list_campaigns(database, project_id=project_id)
    return _names(campaigns, list_segments(database, project_id=project_id), None)


def _names(
    campaigns: Sequence[Campaign], segments: Sequence[SegmentCount], state: CustomerState | None
) -> Names:
    """Return the names of the project's groups; those in the customer's own state come first."""
    own = () if state is None else state.tiers
    return Names(
        tiers={
            **{
                (each.campaign_id, each.tier_id): each.name
                for campaign in campaigns
                for each in campaign.tiers
            },
            **{(each.campaign_id, each.tier_id): each.name for each in own if each.name},
        },
        campaigns={
            **{each.campaign_id: each.name for each in campaigns},
            **{each.campaign_id: each.campaign_name for each in own if each.campaign_name},
        },
        segments={each.segment_id: each.name for each in segments},
    )


def _options(
    campaigns: Sequence[Campaign], segments: Sequence[SegmentCount]
) -> tuple[tuple[str, tuple[Option, ...]], ...]:
    found = []
    for campaign in campaigns:
        options = []
        for each in reversed(campaign.tiers):
            target = Target(
                kind=GroupKind.TIER, campaign_id=each.campaign_id, group_id=each.tier_id
            )
            options.append(
                Option(value=to_what(target), text=f"on {each.name or each.tier_id}", target=target)
            )
        found.append((campaign.name or campaign.campaign_id, tuple(options)))
    named = sorted(segments, key=lambda each: (each.name or each.segment_id).casefold())
    options = []
    for segment in named[:_SEGMENTS_MAX]:
        target = Target(kind=GroupKind.SEGMENT, group_id=segment.segment_id)
        text = f"in {segment.name or segment.segment_id}"
        options.append(Option(value=to_what(target), text=text, target=target))
    if options:
        found.append(("Segments", tuple(options)))
    return tuple(found)
