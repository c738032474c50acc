"""The methods that answer questions about customers, segments and tiers."""

from __future__ import annotations

from collections.abc import Generator
from datetime import date, datetime
from typing import TYPE_CHECKING

from projector.projections import discover
from projector.store.database import Database

if TYPE_CHECKING:
    from projector.queries.customer_state import CustomerState
    from projector.queries.feeds import Feeds
    from projector.queries.members import MemberPage, SegmentCount, TierCount
    from projector.queries.search import SearchResult
    from projector.queries.sizes import SegmentSizes, TierSizes
    from projector.queries.status import Status
    from projector.queries.why.explain import Explanation


class Queries:
    """The queries of a Projector; none of them writes."""

    @property
    def database(self) -> Database:
        """The database."""
        raise NotImplementedError

    def customer(
        self,
        identifier: str,
        *,
        project_id: str | None = None,
        by_source_id: bool = False,
        as_of: datetime | None = None,
        at_position: int | None = None,
    ) -> CustomerState:
        """Return a customer's state now, as it was true `as_of`, or as it was known `at_position`.

        Both together are bitemporal: what was known at that position to be true at that instant.
        Raises CustomerNotFound, which is CustomerErased for a customer who was erased,
        CustomerAmbiguous, PositionUnknown, or BadInstant for a naive datetime.
        """
        from projector.queries.customers import PointInTime, find_customer

        return find_customer(
            self.database,
            identifier,
            project_id=project_id,
            by_source_id=by_source_id,
            moment=PointInTime(as_of=as_of, at_position=at_position),
        )

    def why(
        self,
        identifier: str,
        *,
        segment_id: str | None = None,
        campaign_id: str | None = None,
        not_: str | None = None,
        project_id: str | None = None,
        by_source_id: bool = False,
        as_of: datetime | None = None,
        at_position: int | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Explanation:
        """Explain why a customer is, or is not, in a segment or on a tier.

        Give exactly one of three. A `segment_id` (returns a WhySegment) or a `campaign_id` (a
        WhyCampaign) gives every event that concerns it, with its effect: a page of `limit` of these
        steps at the most, where `after` is the `next` of the previous page. `not_`, the id of a
        segment or tier that the customer is not in (a WhyNot), gives the event that took it away,
        if any event ever gave it. The other arguments and the errors are those of `customer`; also
        raises NotOne, NothingConcerns, GroupNotFound, BadCursor and BadNumber.
        """
        from projector.queries.customers import PointInTime
        from projector.queries.why.explain import WhyQuery, why

        question = WhyQuery(
            identifier=identifier,
            segment_id=segment_id,
            campaign_id=campaign_id,
            not_=not_,
            project_id=project_id,
            by_source_id=by_source_id,
            moment=PointInTime(as_of=as_of, at_position=at_position),
            after=after,
            limit=limit,
        )
        return why(self.database, question)

    def members(
        self,
        *,
        segment_id: str | None = None,
        tier_id: str | None = None,
        project_id: str | None = None,
        as_of: datetime | None = None,
        after: str | None = None,
        limit: int,
    ) -> MemberPage:
        """Return a page of the customers in a segment or else on a tier.

        `after` is the `next` of the previous page. Raises GroupNotFound, BadCursor, BadNumber,
        BadInstant, or NotOne.
        """
        from projector.queries.members import find_members

        return find_members(
            self.database,
            segment_id=segment_id,
            tier_id=tier_id,
            project_id=project_id,
            as_of=as_of,
            after=after,
            limit=limit,
        )

    def search(
        self, text: str, *, project_id: str | None = None, limit: int = 20
    ) -> list[SearchResult]:
        """Return at most 20 customers by an id, or by the beginning of a name or an address.

        Exact ids and addresses come first, then beginnings, then words within names. Raises
        BadNumber for a `limit` out of range.
        """
        from projector.queries.search import search_customers

        return search_customers(self.database, text, project_id=project_id, limit=limit)

    def segment_sizes(
        self,
        segment_id: str,
        *,
        project_id: str | None = None,
        to_day: date | None = None,
        days: int = 90,
    ) -> SegmentSizes:
        """Return the number of members of a segment at the end of each day, in UTC.

        These are as many `days` up to one, today unless given. Raises GroupNotFound, or BadNumber
        for more than 3,660 days.
        """
        from projector.queries.sizes import segment_sizes

        return segment_sizes(
            self.database, segment_id, project_id=project_id, to_day=to_day, days=days
        )

    def tier_sizes(
        self,
        campaign_id: str,
        *,
        project_id: str | None = None,
        to_day: date | None = None,
        days: int = 90,
    ) -> TierSizes:
        """Return the numbers of members of a campaign's tiers, as `segment_sizes` does."""
        from projector.queries.sizes import tier_sizes

        return tier_sizes(
            self.database, campaign_id, project_id=project_id, to_day=to_day, days=days
        )

    def segments(self, *, project_id: str | None = None) -> list[SegmentCount]:
        """List the segments, each with its name and number of members."""
        from projector.queries.members import list_segments

        return list_segments(self.database, project_id=project_id)

    def tiers(self, *, project_id: str | None = None) -> list[TierCount]:
        """List the tiers, each with its name and number of members."""
        from projector.queries.members import list_tiers

        return list_tiers(self.database, project_id=project_id)

    def export_customers(self, *, at_position: int | None = None) -> Generator[CustomerState]:
        """Yield every customer's state by project and id, now or as it was known at a position.

        Memory is constant; the database's snapshot is held until the generator ends or is closed.
        """
        from projector.queries.export import export_customers

        return export_customers(self.database, at_position=at_position)

    def status(self) -> Status:
        """Return the log's head, the position and lag per projection, and the quarantine counts."""
        from projector.queries.status import read_status

        return read_status(self.database, discover())

    def feeds(self) -> Feeds:
        """Return what arrives, by sender and type, and whether it has gone silent."""
        from projector.queries.feeds import read_feeds

        return read_feeds(self.database)
