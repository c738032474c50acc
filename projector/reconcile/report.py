"""The result of a comparison, and how far it is. PURE."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from projector.reconcile.comparison import Difference
from projector.reconcile.sightings import Problem
from projector.voucherify.manners import StopReason


@frozen(kw_only=True)
class ReconcileReport:
    """The result of a comparison."""

    run: str
    #: Customers: compared = agree + those of whom something differed + unsettled (and nothing
    #: differed).
    compared: int
    agree: int
    #: Customers who kept changing while they were asked for; nothing of the change was filed.
    unsettled: int
    #: Those whom the source does not know.
    absent: int
    #: Those who could not be read.
    failed: int
    differences: tuple[Difference, ...]
    by_reason: Mapping[str, int]
    #: What could not be compared.
    problems: tuple[Problem, ...]
    #: The differences that were repaired, and those that remain; `late` ones are neither.
    repaired: int
    remaining: int
    #: Observations that were filed, those that agree too.
    recorded: int
    #: Whether more differed than may be repaired, so that nothing was.
    refused: bool
    requests: int
    #: Why it ended early; None if it did not.
    stopped: StopReason | None


@frozen(kw_only=True)
class ReconcileProgress:
    """The progress of a comparison."""

    #: `lists`, `settling`, `customers`, `activity`, `recording`.
    phase: str
    done: int
    total: int | None
    requests: int
    #: For how long no request is sent, in seconds, since the API asks for it or it is settling.
    held_seconds: float
