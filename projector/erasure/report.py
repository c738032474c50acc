"""The result of an erasure. PURE."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen


@frozen(kw_only=True)
class ErasureReport:
    """The result of an erasure, or of the trial of one. It names no customer."""

    #: None if nothing was erased: a trial, or all were erased already.
    erasure_id: int | None = None
    #: The position of the event that tells of it.
    position: int | None = None
    erased_at: datetime | None = None
    reference: str | None = None
    #: How many customers, and how many events became markers.
    customers: int = 0
    events: int = 0
    #: By projection: the rows that were deleted.
    rows: dict[str, int]
    dead_letters: int = 0
    #: The events whose counts of repetitions were deleted.
    duplicates: int = 0
    #: The entries of the quarantine that were emptied.
    quarantined: int = 0
    #: The digests of what is not let in again.
    suppressed: int = 0
    #: The positions of other events that name the person; None if they were not searched.
    mentions: tuple[int, ...] | None = None
    #: Whether the erased bytes are out of the files of the database; if not, why, as a sentence.
    purged: bool = False
    purge_problem: str | None = None
    #: The erasure in which a customer was erased already; None if none was.
    already: int | None = None

    @property
    def is_right(self) -> bool:
        """Whether nothing is left to do."""
        return self.purge_problem is None and not self.mentions


@frozen(kw_only=True)
class ErasureReports:
    """The results of several erasures, one for each project."""

    erasures: tuple[ErasureReport, ...]
