"""Says what a backfill asks for: whose activity, which events, how fast. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import frozen

from projector.envelope import id_problem
from projector.errors import BadIdentifier, BadInstant, BadNumber, NotOne
from projector.text import instants

#: A customer whose activity was read to its end within this time is left out.
FRESH = timedelta(days=1)

WORKERS_MAX = 64


@frozen
class SuspiciousCustomers:
    """The customers with a gap, an uncertain tier or a dead letter."""


@frozen
class KnownCustomers:
    """All customers of the log."""


@frozen
class ListedCustomers:
    """The customers whom the API lists: all, or the members of a segment."""

    segment_id: str | None = None


@frozen
class NamedCustomers:
    """Customers by Voucherify's ids or the shop's own; also those who are fresh."""

    identifiers: tuple[str, ...]


@frozen
class CustomersInFile:
    """The customers whom a file names; `-` is standard input."""

    path: str


#: Whose activity is read.
CustomerChoice = (
    SuspiciousCustomers | KnownCustomers | ListedCustomers | NamedCustomers | CustomersInFile
)


@frozen(kw_only=True)
class Scope:
    """The events that a reading asks for."""

    type: str | None = None
    since: datetime | None = None

    @property
    def text(self) -> str:
        """The scope as it is stored; empty for all events.

        Readings of different scopes go on separately: one of few events must not let another
        believe that all were read. `store.activity` looks for `since=` in it.
        """
        parts = [] if self.type is None else [f"type={self.type}"]
        parts += [] if self.since is None else [f"since={instants.to_text(self.since)}"]
        return " ".join(parts)


@frozen(kw_only=True)
class BackfillOptions:
    """The limits of a backfill, and which events it asks for."""

    #: The events from this time on; None for all.
    since: datetime | None = None
    #: The types of events; empty for all.
    types: tuple[str, ...] = ()
    #: The most requests a minute.
    per_minute: float = 60.0
    #: The share of the plan's requests that is left to others.
    reserve_percent: float = 30.0
    requests_max: int = 10_000
    workers: int = 4
    #: Whether to read from the beginning, also what was read before.
    again: bool = False
    #: Leave out customers whose activity was read to its end at this time or later; None for FRESH.
    unread_since: datetime | None = None

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The readings of a customer: one for all types, or one for each of some."""
        types: Sequence[str | None] = self.types or (None,)
        return tuple(Scope(type=each, since=self.since) for each in types)

    def fresh_since(self, now: datetime) -> datetime | None:
        """Return the time since when a customer who was read is fresh; None if no customer is."""
        if self.again:
            return None
        return self.unread_since or now - FRESH


def check_choice(given: Sequence[CustomerChoice]) -> CustomerChoice:
    """Return the only one of some, or the default; raises NotOne, or BadIdentifier for an id."""
    if len(given) > 1:
        raise NotOne(options="IDs, --customers, --known, --all, --suspicious and --segment")
    choice: CustomerChoice = given[0] if given else SuspiciousCustomers()
    named = choice.identifiers if isinstance(choice, NamedCustomers) else ()
    segments = (
        [choice.segment_id]
        if isinstance(choice, ListedCustomers) and choice.segment_id is not None
        else []
    )
    for name, identifier in [
        *(("customer", each) for each in named),
        *(("--segment", each) for each in segments),
    ]:
        if problem := id_problem(identifier):
            raise BadIdentifier(name=name, text=identifier, reason=problem)
    return choice


def check(options: BackfillOptions, *, now: datetime) -> None:
    """Raise BadNumber, BadInstant or BadIdentifier for an option that makes no sense."""
    for name, value, low, high in (
        ("--rate", options.per_minute, 1, 100_000),
        ("--reserve", options.reserve_percent, 0, 99),
        ("--requests-max", options.requests_max, 1, 1_000_000_000),
        ("--workers", options.workers, 1, WORKERS_MAX),
    ):
        if not low <= value <= high:
            raise BadNumber(name=name, value=value, range=f"{low:,} to {high:,}")
    for instant in (options.since, options.unread_since):
        instants.check_instant(instant)
        if instant is not None and instant > now:
            text = instants.to_text(instant)
            raise BadInstant(text=text, reason="it lies in the future")
    for type_ in options.types:
        if problem := id_problem(type_):
            raise BadIdentifier(name="--types", text=type_, reason=problem)
