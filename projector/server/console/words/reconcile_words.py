"""Says in words what came of the comparison of one customer with the source. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from projector.reconcile.comparison import LATE, Kind
from projector.server.console.words.parts import Names

_STOPPED = {
    "budget": "the requests that it may make are used up",
    "cycle_quota": "few or no requests of the plan's billing cycle are left",
    "rate_limit": "Voucherify asks to wait for more than ten minutes",
    "failures": "Voucherify answered too often with an error",
    "interrupted": "the server was stopped",
}

_REASONS = {
    "quarantined": "A delivery about this customer waits in the quarantine.",
    "dead_letter": "An event of this customer could not be folded.",
    LATE: "It came while the comparison waited. Nothing is wrong.",
    "silent_segment": "Voucherify sends no events of this segment.",
    "segment_deleted": "The segment does not exist any more.",
    "tier_deleted": "The tier does not exist any more.",
    "customer_deleted": "The customer does not exist any more.",
    "not_fed": "No event of this kind ever came for it: no distribution sends them.",
    "leave_not_fed": "Entries come and leaves never did: the distribution for leaves is missing.",
    "before_feed": "It is older than the first event that came of it.",
    "lost": "The delivery was lost. The customer's activity has the event.",
    "unexplained": "Why is not known.",
}

_PROBLEMS = {
    "two_tiers": "Two cards of one campaign have two tiers: neither is used.",
    "not_synced": "Voucherify is still computing who is in a segment.",
    "activity_failed": "The activity could not be read, so nothing else was repaired.",
    "erased": "The customer was erased, and is not asked about.",
}

_REPAIRED = {
    "activity": "by the event in the activity",
    "observation": "by an observation",
}


@frozen(kw_only=True)
class DifferenceLine:
    """A difference, in words."""

    what: str
    ours: str
    theirs: str
    reason: str
    #: How it was repaired; None if it was not.
    repaired: str | None
    #: Whether it is still there.
    is_open: bool


def title(asked: Mapping[str, Any]) -> str:
    """Return what a comparison does, as a title."""
    # The arguments of a job that named a customer who was erased are gone.
    return f"Comparison of {asked.get('customer', 'a customer')} with Voucherify"


def outcome(result: Mapping[str, Any]) -> str:
    """Return what came of a comparison."""
    stopped = result["stopped"]
    if stopped is not None:
        reason = _STOPPED.get(stopped, str(stopped))
        return f"Stopped, because {reason}. {_repaired(result)}Ask again later."
    if result["failed"]:
        return "Voucherify gave no answer that can be used. Nothing was changed. Ask again later."
    if result["refused"]:
        return "Too much differs for a repair. Nothing was changed."
    changing = (
        " The customer kept changing meanwhile, and nothing of that was repaired. Ask again later."
        if result["unsettled"]
        else ""
    )
    absent = "Voucherify does not know the customer. " if result["absent"] else "Compared. "
    count = sum(result["by_reason"].values())
    if not count:
        agrees = "" if changing else "All agrees."
        return f"{absent}{agrees}{changing}".strip()
    late = result["by_reason"].get(LATE, 0)
    arrived = f"{late:,} arrived meanwhile. " if late else ""
    remaining = result["remaining"]
    still = f"{remaining:,} still {'differs' if remaining == 1 else 'differ'}."
    if not remaining:
        still = "Nothing differs any more."
    differ = f"{_count(count, 'difference')}. "
    return f"{absent}{differ}{_repaired(result)}{arrived}{still}{changing}"


def lines(result: Mapping[str, Any], names: Names) -> list[DifferenceLine]:
    """Return the differences of a result."""
    return [_line(each, names) for each in result["differences"]]


def problems(result: Mapping[str, Any]) -> list[str]:
    """Return why something could not be compared, a sentence each, none twice."""
    found = [_PROBLEMS.get(each["reason"]) or each["detail"] for each in result["problems"]]
    return list(dict.fromkeys(found))


def _line(found: Mapping[str, Any], names: Names) -> DifferenceLine:
    kind, campaign_id = found["kind"], found["campaign_id"]
    ours, theirs = found["ours"], found["theirs"]
    if found["segment_id"] is not None:
        what = f"Segment {names.segment(found['segment_id'])}"
    elif campaign_id is not None:
        what = f"Tier of {names.campaign(campaign_id) or campaign_id}"
    else:
        what = "The customer"
    if kind in (Kind.EXPIRY, Kind.NAME):
        what = f"{what}, {'last day' if kind == Kind.EXPIRY else 'name'}"
        ours, theirs = ours or "none", theirs or "none"
    elif kind in (Kind.MISSING_TIER, Kind.WRONG_TIER, Kind.EXTRA_TIER):
        ours, theirs = (
            "none" if each is None else names.tier(campaign_id, each) for each in (ours, theirs)
        )
    reason = found["reason"]
    return DifferenceLine(
        what=what,
        ours=str(ours or "none"),
        theirs=str(theirs or "none"),
        reason=_REASONS.get(reason, reason),
        repaired=_REPAIRED.get(found["repaired_by"] or "", found["repaired_by"]),
        is_open=found["repaired_by"] is None and reason != LATE,
    )


def _repaired(result: Mapping[str, Any]) -> str:
    """Return how many differences were repaired, and by what if all of them are listed."""
    repaired = result["repaired"]
    if not repaired:
        return ""
    by = [each["repaired_by"] for each in result["differences"] if each["repaired_by"]]
    counts = {
        "by the activity": by.count("activity"),
        "by an observation" if by.count("observation") == 1 else "by observations": by.count(
            "observation"
        ),
    }
    parts = [f"{count:,} {how}" for how, count in counts.items() if count]
    if len(by) < repaired:
        return f"{repaired:,} repaired. "
    return f"Repaired: {', '.join(parts)}. "


def _count(number: int, one: str) -> str:
    return f"{number:,} {one if number == 1 else one + 's'}"
