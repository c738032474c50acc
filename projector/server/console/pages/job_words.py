"""Says in plain sentences what a job is, how far it is, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from projector.operate.jobs import Job, JobKind, JobState, JobSummary
from projector.server.console.words import reconcile_words
from projector.server.console.words.reasons import quarantine_reason, table_title

#: A limit of change is never suggested below this, in per cent.
_CHANGE_PERCENT_MIN = 0.1

#: The shortest time of a phase from which a rate follows, in seconds.
_RATE_SECONDS_MIN = 2.0


def title(job: JobSummary) -> str:
    """Return what a job does, as a title."""
    asked = job.arguments
    if job.kind is JobKind.QUARANTINE_RETRY:
        return _quarantine_title(asked)
    if job.kind is JobKind.DEAD_LETTER_RETRY:
        return _dead_letter_title(asked)
    if job.kind is JobKind.RECONCILE:
        return reconcile_words.title(asked)
    tables = _tables(asked.get("projections", ()))
    if job.kind is JobKind.REBUILD:
        return f"{'Trial of a rebuild' if asked.get('dry_run') else 'Rebuild'} of {tables}"
    sample = asked.get("sample")
    whom = "all customers" if sample is None else f"{_count(sample, 'customer')} at random"
    return f"Verification of {tables}, {whom}"


def outcome(job: Job) -> str:
    """Return the state of a job, or what came of it, in a sentence or two."""
    if job.state is JobState.WAITING:
        return "Waits for its turn."
    if job.state is JobState.RUNNING:
        return "Is being done."
    if job.problem is not None or job.result is None:
        return job.problem or "Done."
    say = {
        JobKind.QUARANTINE_RETRY: _quarantine_outcome,
        JobKind.DEAD_LETTER_RETRY: _dead_letter_outcome,
        JobKind.REBUILD: _rebuild_outcome,
        JobKind.VERIFY: _verify_outcome,
        JobKind.RECONCILE: reconcile_words.outcome,
    }[job.kind]
    return say(job.result)


def has_bad_result(job: JobSummary) -> bool:
    """Return whether a job failed, or did its work with a bad result."""
    return job.state is JobState.FAILED or job.exit_code not in (None, 0)


@frozen(kw_only=True)
class Pace:
    """How fast a job is."""

    #: Steps a second, and the seconds that are left; None if unknown.
    rate: float | None
    seconds_left: float | None


def pace(job: JobSummary, now: datetime) -> Pace:
    """Return how fast the phase of a job is."""
    if job.phase_began_at is None or not job.done:
        return Pace(rate=None, seconds_left=None)
    seconds = (now - job.phase_began_at).total_seconds()
    if seconds < _RATE_SECONDS_MIN:
        return Pace(rate=None, seconds_left=None)
    rate = job.done / seconds
    left = None if job.total is None else max(job.total - job.done, 0) / rate
    return Pace(rate=rate, seconds_left=left)


def time_left(seconds: float) -> str:
    """Return a duration roughly: `about 40 seconds`."""
    if seconds < 60:
        return f"about {_count(max(round(seconds), 1), 'second')}"
    if seconds < 3600:
        return f"about {_count(round(seconds / 60), 'minute')}"
    return f"about {_count(round(seconds / 3600), 'hour')}"


def suggested_limit(percent: float) -> float:
    """Return the limit of change for a rebuild whose trial would have changed so much, in %.

    A little more, because events may come in meanwhile.
    """
    return max(math.ceil(percent * 1.2 * 100) / 100, _CHANGE_PERCENT_MIN)


def _quarantine_title(asked: Mapping[str, Any]) -> str:
    ids = asked.get("ids")
    if ids is not None:
        which = f"delivery {ids[0]}" if len(ids) == 1 else _many(len(ids), "delivery", "deliveries")
        return f"Try {which} again"
    if "reason" in asked:
        return f"Try again: {quarantine_reason(asked['reason']).title}"
    return "Try all deliveries in the quarantine again"


def _dead_letter_title(asked: Mapping[str, Any]) -> str:
    positions = asked.get("positions")
    if positions is not None:
        which = f"event {positions[0]}" if len(positions) == 1 else _count(len(positions), "event")
        return f"Try {which} again"
    if "projection" in asked:
        return f"Try the dead letters of {_quoted(asked['projection'])} again"
    return "Try all dead letters again"


def _quarantine_outcome(result: Mapping[str, Any]) -> str:
    # Jobs that ended before anything could be erased do not have it.
    suppressed = result.get("suppressed", 0)
    erased = f"{suppressed:,} erased, " if suppressed else ""
    return (
        f"Tried {result['tried']:,}: {result['resolved']:,} filed, {erased}"
        f"{result['waiting']:,} still {_wait(result['waiting'])}."
    )


def _dead_letter_outcome(result: Mapping[str, Any]) -> str:
    return (
        f"Tried {result['tried']:,}: {result['resolved']:,} now in the tables, "
        f"{result['waiting']:,} still {_wait(result['waiting'])}."
    )


def _rebuild_outcome(result: Mapping[str, Any]) -> str:
    impact = result["impact"]
    change = ""
    if impact is not None:
        change = (
            f"Customers who gain or lose: {impact['customers']:,}, {impact['percent']:.2f}\u00a0%. "
        )
    if not result["swapped"]:
        return f"{change}Nothing was changed."
    tables = _count(len(result["rebuilt"]), "table")
    verb = "is" if len(result["rebuilt"]) == 1 else "are"
    return f"{change}{tables} {verb} new, made of {_count(result['events'], 'event')}."


def _verify_outcome(result: Mapping[str, Any]) -> str:
    compared = f"Compared {_count(result['checked'], 'customer')}: "
    if result["differing"]:
        verb = "differs" if result["differing"] == 1 else "differ"
        return f"{compared}{result['differing']:,} {verb} from the log. Rebuild the tables."
    if result["log"]:
        return f"{compared}the log itself has problems. Restore it from a backup."
    if result["sizes"] or any(
        each["recomputed"] not in (None, each["digest"]) for each in result["projections"]
    ):
        return f"{compared}sums over the tables are wrong. Rebuild the tables."
    return f"{compared}all right."


def _tables(names: list[str]) -> str:
    return "all tables" if not names else ", ".join(map(_quoted, names))


def _quoted(projection: str) -> str:
    return f"“{table_title(projection)}”"


def _count(number: int, one: str) -> str:
    return _many(number, one, f"{one}s")


def _many(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _wait(number: int) -> str:
    return "waits" if number == 1 else "wait"
