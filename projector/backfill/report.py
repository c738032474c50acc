"""The result of a backfill, and how far it is. PURE."""

from __future__ import annotations

from attrs import frozen

from projector.voucherify.manners import StopReason


@frozen(kw_only=True)
class BackfillReport:
    """The result of a backfill: the customers by how their reading ended, and the entries."""

    #: customers = fresh + erased + done + absent + failed, unless the backfill stopped earlier.
    customers: int
    #: Those who were left out because they were read lately, or were erased from this database.
    fresh: int
    erased: int
    done: int
    #: Those whom Voucherify does not know.
    absent: int
    failed: int
    requests: int
    #: read = appended + duplicates + conflicts + quarantined + suppressed.
    read: int
    appended: int
    duplicates: int
    conflicts: int
    quarantined: int
    #: Those of which nothing was kept, because their customer or they themselves were erased.
    suppressed: int
    #: The head of the log afterwards.
    head: int
    #: Why it ended before all customers were read; None if it did not.
    stopped: StopReason | None


@frozen(kw_only=True)
class BackfillProgress:
    """The progress of a backfill."""

    #: The customers that are finished, and all of them if known.
    customers: int
    total: int | None
    requests: int
    per_minute: float
    appended: int
    #: For how long no request is sent, because the API asks for it.
    held_seconds: float
