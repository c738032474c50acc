"""Chooses of which customers the state is compared exactly: named ones, or suspects of lists.

Lists only make suspects: they take minutes, and customers of one import share their cursor.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime

from projector.backfill.customers import CustomerListing
from projector.backfill.log_customers import CHUNK_CUSTOMERS, in_doubt, in_log
from projector.backfill.options import KnownCustomers, NamedCustomers, SuspiciousCustomers
from projector.projections import customer, loyalty_tier
from projector.projections.groups import SEGMENT
from projector.reconcile.frame import Frame
from projector.reconcile.options import Choice, SampledCustomers, SegmentMembers
from projector.store import members, table_rows
from projector.store.database import Database
from projector.voucherify.client import Client
from projector.voucherify.listing import ListedCustomer


class Choosing:
    """The customers of a project who are compared."""

    def __init__(self, database: Database, project_id: str, choice: Choice) -> None:
        self._database = database
        self._project_id = project_id
        self._choice = choice

    @property
    def uses_lists(self) -> bool:
        """Whether lists of the source make the suspects."""
        return isinstance(self._choice, KnownCustomers | SegmentMembers)

    @property
    def is_of_segment(self) -> bool:
        """Whether the members of one segment are compared."""
        return isinstance(self._choice, SegmentMembers)

    def count_compared(self, named: int) -> int:
        """Return of how many customers the differing ones are a share.

        The suspicious ones are those whom a look at the tables of all has left.
        """
        if isinstance(self._choice, SuspiciousCustomers):
            return self.count_known()
        return named

    def count(self) -> int:
        """Return how many customers are compared, as far as the tables know."""
        match self._choice:
            case NamedCustomers(identifiers):
                return len({*identifiers})
            case SegmentMembers(segment_id):
                return sum(map(len, self.members(segment_id)))
            case SuspiciousCustomers():
                return sum(map(len, in_doubt(self._database, self._project_id)))
            case SampledCustomers(number):
                return min(number, self.count_known())
        return self.count_known()

    def count_known(self) -> int:
        """Return how many customers of the project are in the log."""
        return sum(map(len, in_log(self._database, self._project_id)))

    def named(self) -> list[str]:
        """Return those who are chosen without a list of the source."""
        match self._choice:
            case NamedCustomers(identifiers):
                return list(dict.fromkeys(identifiers))
            case SampledCustomers(number):
                return self._sample(number)
        return [each for page in in_doubt(self._database, self._project_id) for each in page]

    def members(self, segment_id: str, as_of: datetime | None = None) -> Iterator[list[str]]:
        """Yield the members of a segment, as the tables have them."""
        after: tuple[str, ...] | None = None
        while True:
            with self._database.reading_tables() as connection:
                page = members.page(
                    connection,
                    SEGMENT,
                    segment_id,
                    project_id=self._project_id,
                    as_of=as_of,
                    after=after,
                    limit=CHUNK_CUSTOMERS,
                )
            if not page:
                return
            after = tuple(page[-1][: len(SEGMENT.member_key)])
            yield [each.customer_id for each in page]

    def _sample(self, number: int) -> list[str]:
        """Choose customers of the log at random, each as likely (reservoir sampling)."""
        chosen: list[str] = []
        seen = 0
        for page in in_log(self._database, self._project_id):
            for each in page:
                seen += 1
                if len(chosen) < number:
                    chosen.append(each)
                elif (place := random.randrange(seen)) < number:  # noqa: S311 - no secret
                    chosen[place] = each
        return chosen

    def suspects(
        self, client: Client, frame: Frame, on_listed: Callable[[int], None]
    ) -> tuple[list[str], int]:
        """Return those about whom the source's lists and the tables differ, and all compared.

        Raises RequestFailed and the other errors of `Client.get`.
        """
        found: dict[str, None] = {}
        if isinstance(self._choice, SegmentMembers):
            total = self._compare_members(client, self._choice.segment_id, found, on_listed)
            return list(found), total
        for segment in (frame.segments or {}).values():
            if segment.is_announced:
                self._compare_members(client, segment.segment_id, found, on_listed)
        self._compare_list(client, frame, found, on_listed)
        return list(found), self.count_known()

    def _compare_members(
        self,
        client: Client,
        segment_id: str,
        found: dict[str, None],
        on_listed: Callable[[int], None],
    ) -> int:
        """Add those who are in a segment by one side only; return the number of all members."""
        theirs: set[str] = set()
        for chunk in CustomerListing(client, segment_id).chunks():
            theirs.update(chunk)
            on_listed(len(chunk))
        total = len(theirs)
        for page in self.members(segment_id):
            for each in page:
                if each in theirs:
                    theirs.discard(each)
                else:
                    total += 1
                    found[each] = None
        found.update(dict.fromkeys(sorted(theirs)))
        return total

    def _compare_list(
        self,
        client: Client,
        frame: Frame,
        found: dict[str, None],
        on_listed: Callable[[int], None],
    ) -> None:
        """Add those whose tiers differ, and those who are not listed, though not deleted."""
        listed: set[str] = set()
        tiers = _ListedTiers(frame)
        for page in CustomerListing(client, None).pages():
            listed.update(each.customer_id for each in page)
            ids = [each.customer_id for each in page]
            with self._database.reading_tables() as connection:
                rows = table_rows.load_by_ids(connection, loyalty_tier.PROJECTION, ids)
            ours = {
                key.customer_id: {each.campaign_id: each.tier_id for each in own}
                for key, own in rows.items()
                if key.project_id == self._project_id
            }
            for each in page:
                if tiers.differ(each, ours.get(each.customer_id, {})):
                    found[each.customer_id] = None
            on_listed(len(page))
        found.update(dict.fromkeys(tiers.not_shown()))
        for customer_ids in in_log(self._database, self._project_id):
            missing = [each for each in customer_ids if each not in listed]
            with self._database.reading_tables() as connection:
                rows = table_rows.load_by_ids(connection, customer.PROJECTION, missing)
            deleted = {key for key, own in rows.items() if own and own[0].deleted_at is not None}
            gone = {key.customer_id for key in deleted if key.project_id == self._project_id}
            found.update(dict.fromkeys(each for each in missing if each not in gone))


class _ListedTiers:
    """The tiers of the list of customers, which shows them by the names of campaigns, or not.

    Only if it shows any tier at all, a customer of whom it shows none in a campaign may have none
    there. That holds also if it shows none of this campaign: the last one may have left.
    """

    def __init__(self, frame: Frame) -> None:
        self._by_name = frame.campaigns_by_name
        self._named = {*self._by_name.values()}
        self._shows_tiers = False
        self._hidden: list[str] = []

    def differ(self, listed: ListedCustomer, ours: dict[str, str | None]) -> bool:
        """Return whether a tier that is shown is not ours."""
        theirs = {
            campaign_id: tier_id
            for name, tier_id in listed.tiers.items()
            if (campaign_id := self._by_name.get(name)) is not None and tier_id is not None
        }
        self._shows_tiers = self._shows_tiers or bool(theirs)
        held = {campaign_id for campaign_id, tier_id in ours.items() if tier_id is not None}
        if held & self._named - theirs.keys():
            self._hidden.append(listed.customer_id)
        return any(ours.get(campaign_id) != tier_id for campaign_id, tier_id in theirs.items())

    def not_shown(self) -> list[str]:
        """Return those on a tier by the tables, of whom the list shows none in that campaign."""
        return self._hidden if self._shows_tiers else []
