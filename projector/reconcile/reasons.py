"""Finds why our state and the source differ: the first reason that fits."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from projector.projections import discover
from projector.reconcile import comparison
from projector.reconcile.comparison import Difference, Kind, LostEvent
from projector.reconcile.frame import Frame
from projector.store import dead_letters, quarantine, reconciliations
from projector.store.reconciliations import SegmentFeed

#: The newest entries of the quarantine that are looked through for a customer.
_QUARANTINE_ENTRIES_MAX = 100


class Reason(StrEnum):
    """Why our state and the source differ; the first one that fits."""

    #: A delivery that names the customer waits in the quarantine, or as a dead letter.
    QUARANTINED = "quarantined"
    DEAD_LETTER = "dead_letter"
    #: It arrived while the comparison waited: nothing is wrong any more.
    LATE = comparison.LATE
    #: The source sends no events of this segment.
    SILENT_SEGMENT = "silent_segment"
    SEGMENT_DELETED = "segment_deleted"
    TIER_DELETED = "tier_deleted"
    CUSTOMER_DELETED = "customer_deleted"
    #: No event of this kind ever came, of whomever: no distribution sends them.
    NOT_FED = "not_fed"
    #: Entries come, and not one leave ever did.
    LEAVE_NOT_FED = "leave_not_fed"
    #: The customer was there before the first event of the segment came.
    BEFORE_FEED = "before_feed"
    #: The activity has the event that should have come.
    LOST = "lost"
    UNEXPLAINED = "unexplained"


class Reasons:
    """The reasons of differences in one project; what the tables say is read once a run."""

    def __init__(self, project_id: str, frame: Frame) -> None:
        self._project_id = project_id
        self._frame = frame
        self._feeds: dict[str, SegmentFeed] = {}
        self._fed_tiers: dict[str, bool] = {}
        self._waiting: list[bytes] | None = None

    def of(
        self, connection: Connection, difference: Difference, created_at: datetime | None
    ) -> Reason:
        """Return the reason of a difference; `created_at` is the customer's creation."""
        customer_id = difference.customer_id
        if self._is_in_quarantine(connection, customer_id):
            return Reason.QUARANTINED
        names = tuple(each.name for each in discover())
        if dead_letters.has_any(connection, names, self._project_id, customer_id):
            return Reason.DEAD_LETTER
        if difference.kind is Kind.ABSENT:
            return Reason.CUSTOMER_DELETED
        if difference.segment_id is not None:
            return self._of_segment(connection, difference, difference.segment_id, created_at)
        return self._of_tier(connection, difference)

    def with_lost(self, difference: Difference, lost: LostEvent) -> str:
        """Return the reason of a difference whose event the activity has."""
        if difference.reason == Reason.BEFORE_FEED and difference.segment_id is not None:
            feed = self._feeds.get(difference.segment_id)
            begun_at = min(filter(None, feed or ()), default=None)
            is_since = begun_at is not None and lost.occurred_at >= begun_at
            return Reason.LOST if is_since else Reason.BEFORE_FEED
        return Reason.LOST if difference.reason in ("", Reason.UNEXPLAINED) else difference.reason

    def _of_segment(
        self,
        connection: Connection,
        difference: Difference,
        segment_id: str,
        created_at: datetime | None,
    ) -> Reason:
        if self._frame.is_silent(segment_id):
            return Reason.SILENT_SEGMENT
        if self._frame.is_segment_deleted(segment_id):
            return Reason.SEGMENT_DELETED
        feed = self._feed(connection, segment_id)
        if difference.kind is Kind.MISSING_ENTRY:
            if feed.first_entry_at is None:
                return Reason.NOT_FED
            begun_at = min(filter(None, feed))
            if created_at is not None and created_at < begun_at:
                return Reason.BEFORE_FEED
        if difference.kind is Kind.MISSING_LEAVE and feed.first_leave_at is None:
            return Reason.NOT_FED if feed.first_entry_at is None else Reason.LEAVE_NOT_FED
        return Reason.UNEXPLAINED

    def _of_tier(self, connection: Connection, difference: Difference) -> Reason:
        if difference.kind in (Kind.MISSING_TIER, Kind.WRONG_TIER, Kind.EXTRA_TIER):
            if difference.ours is not None and self._frame.is_tier_deleted(difference.ours):
                return Reason.TIER_DELETED
            tier_id = difference.theirs
            if tier_id is not None and not self._is_tier_fed(connection, tier_id):
                return Reason.NOT_FED
        return Reason.UNEXPLAINED

    def _feed(self, connection: Connection, segment_id: str) -> SegmentFeed:
        if segment_id not in self._feeds:
            self._feeds[segment_id] = reconciliations.segment_feed(
                connection, self._project_id, segment_id
            )
        return self._feeds[segment_id]

    def _is_tier_fed(self, connection: Connection, tier_id: str) -> bool:
        if tier_id not in self._fed_tiers:
            self._fed_tiers[tier_id] = reconciliations.is_tier_fed(
                connection, self._project_id, tier_id
            )
        return self._fed_tiers[tier_id]

    def _is_in_quarantine(self, connection: Connection, customer_id: str) -> bool:
        """Return whether a waiting delivery names a customer; an entry has no column for that."""
        if self._waiting is None:
            entries = quarantine.newest(
                connection, reason=None, before=None, limit=_QUARANTINE_ENTRIES_MAX
            )
            ids = [each.quarantine_id for each in entries]
            self._waiting = [body for body, _ in quarantine.bodies(connection, ids).values()]
        name = f'"{customer_id}"'.encode()
        return any(name in body for body in self._waiting)
