"""Says what a comparison asks for: whom, which segments and tiers, what it may repair. PURE."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from attrs import frozen

from projector.backfill.options import (
    WORKERS_MAX,
    KnownCustomers,
    NamedCustomers,
    SuspiciousCustomers,
)
from projector.envelope import id_problem
from projector.errors import (
    BadDuration,
    BadIdentifier,
    BadInstant,
    BadNumber,
    BadShare,
    NotOne,
    RecordNeedsRepair,
)
from projector.reconcile.observation import FILE_MARGIN, MARGIN, WINDOW_MAX
from projector.text import instants

#: How long what is on its way may take to arrive.
SETTLE = timedelta(minutes=10)

#: How often a customer is asked for again who changes while being asked for.
TRIES_AGAIN = 3

#: The customers who may always be repaired, whatever their share: a share of few says nothing.
REPAIRED_ALWAYS = 10

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|min|h)?")
_SECONDS = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")


@frozen
class SegmentMembers:
    """The members of a segment, by the source or by the tables."""

    segment_id: str


@frozen
class SampledCustomers:
    """Some customers of the log, chosen at random."""

    number: int


#: Of whom the state is compared.
Choice = SuspiciousCustomers | KnownCustomers | NamedCustomers | SegmentMembers | SampledCustomers


class Segments(StrEnum):
    """Which segments are compared, unless they are named."""

    #: Those whose entries and leaves are announced.
    ACTIVE = "active"
    #: Passive and static ones, too.
    ALL = "all"


class Record(StrEnum):
    """Which observations are filed."""

    DIFFERENCES = "differences"
    ALL = "all"


@frozen(kw_only=True)
class ReconcileOptions:
    """The limits of a comparison, and what it compares and repairs."""

    #: Which segments are compared: a kind, or the ids of some.
    segments: Segments | tuple[str, ...] = Segments.ACTIVE
    #: Whether tiers are compared.
    tiers: bool = True
    #: How long to wait for what is on its way.
    settle: timedelta = SETTLE
    #: The time that the source may take from an event to its lists; None for the usual one.
    margin: timedelta | None = None
    record: Record = Record.DIFFERENCES
    #: Whether what differs is repaired.
    repair: bool = False
    #: Whether the activity is read before observations are filed.
    activity: bool = True
    #: The greatest percentage of customers that is repaired; more is likely to be a mistake.
    repair_percent_max: float = 1.0
    #: When a file was written, if its lines do not say so.
    observed_at: datetime | None = None
    #: The most requests a minute.
    per_minute: float = 60.0
    #: The percentage of the plan's requests that is left to others.
    reserve_percent: float = 30.0
    requests_max: int = 10_000
    workers: int = 4

    def margin_of(self, *, is_file: bool) -> timedelta:
        """Return the time that the source may take from an event to its lists."""
        return self.margin if self.margin is not None else FILE_MARGIN if is_file else MARGIN


def check_choice(given: Sequence[Choice]) -> Choice:
    """Return the only one of some, or the default; raises NotOne, BadIdentifier or BadNumber."""
    if len(given) > 1:
        raise NotOne(options="IDs, --known, --suspicious, --segment and --sample")
    choice = given[0] if given else SuspiciousCustomers()
    match choice:
        case NamedCustomers(identifiers):
            _check_ids("customer", identifiers)
        case SegmentMembers(segment_id):
            _check_ids("--segment", [segment_id])
        case SampledCustomers(number) if not 1 <= number <= 1_000_000:
            raise BadNumber(name="--sample", value=number, range="1 to 1,000,000")
    return choice


def check(options: ReconcileOptions, *, now: datetime) -> None:
    """Raise BadNumber, BadInstant, BadIdentifier or RecordNeedsRepair for a senseless option."""
    for name, value, low, high in (
        ("--rate", options.per_minute, 1, 100_000),
        ("--reserve", options.reserve_percent, 0, 99),
        ("--requests-max", options.requests_max, 1, 1_000_000_000),
        ("--workers", options.workers, 1, WORKERS_MAX),
        ("--repair-max", options.repair_percent_max, 0, 100),
        ("--settle (in seconds)", options.settle.total_seconds(), 0, 86_400),
        ("--margin (in seconds)", (options.margin or MARGIN).total_seconds(), 0, _MARGIN_MAX),
    ):
        if not low <= value <= high:
            raise BadNumber(name=name, value=f"{value:g}", range=f"{low:,} to {high:,}")
    instants.check_instant(options.observed_at)
    check_past(options.observed_at, now=now)
    if not isinstance(options.segments, Segments):
        _check_ids("--segments", options.segments)
    if options.record is Record.ALL and not options.repair:
        raise RecordNeedsRepair


_FIRST = datetime(1970, 1, 1, tzinfo=UTC)

#: The longest margin, in seconds; a window has the answer's own time, too.
_MARGIN_MAX = int(WINDOW_MAX.total_seconds()) - 60


def check_past(instant: datetime | None, *, now: datetime) -> None:
    """Raise BadInstant for an instant in the future, or before there was any event."""
    if instant is None:
        return
    if instant > now:
        raise BadInstant(text=instants.to_text(instant), reason="it lies in the future")
    if instant < _FIRST:
        raise BadInstant(text=instants.to_text(instant), reason="it lies before 1970")


def parse_duration(text: str) -> timedelta:
    """Parse a duration such as `10m`, `90s` or `0`; raises BadDuration."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise BadDuration(text=text)
    return timedelta(seconds=min(float(found[1]) * _SECONDS[found[2]], 1e9))


def parse_share(text: str) -> float:
    """Parse a percentage such as `1%`; raises BadShare."""
    found = _SHARE.fullmatch(text.strip())
    if found is None:
        raise BadShare(text=text)
    return float(found[1])


def parse_segments(text: str) -> Segments | tuple[str, ...]:
    """Parse `all`, `active` or ids that are separated by commas."""
    if text in tuple(Segments):
        return Segments(text)
    return tuple(filter(None, map(str.strip, text.split(","))))


def _check_ids(name: str, identifiers: Sequence[str]) -> None:
    for identifier in identifiers:
        if problem := id_problem(identifier):
            raise BadIdentifier(name=name, text=identifier, reason=problem)
