"""Declares what a job is asked for with: the bodies of requests, and the command that does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Protocol

import msgspec
from msgspec import Meta, Struct

from projector.config import CREDENTIAL_VARIABLES
from projector.envelope import id_problem
from projector.errors import BadIdentifier, NotOne
from projector.intake.defaults import parse_defaults
from projector.operate.jobs import JobKind
from projector.projections import named
from projector.queries.erased import error_of, find_erased
from projector.server import parameters
from projector.server.voucherify_access import check_access
from projector.store.database import Database

#: The most entries that one retry names.
IDS_MAX = 1_000

_Ids = Annotated[tuple[parameters.Position, ...], Meta(min_length=1, max_length=IDS_MAX)]
_Projections = Annotated[
    tuple[parameters.Id, ...],
    Meta(max_length=100, description="The projections, or all of them if it is empty."),
]


class JobRequest(Protocol):
    """The body of a request for a job."""

    kind: ClassVar[JobKind]

    def check(self, database: Database) -> None:
        """Raise an error for what no command could be run with."""

    def command(self) -> list[str]:
        """Return the command's arguments."""


# Structs and no attrs classes: these refuse unknown fields. A misspelt `dry_run` must not rebuild.
class QuarantineRetryRequest(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The entries of the quarantine to read again: exactly one of `ids`, `reason` and `all`.

    The other fields are defaults for deliveries that lack them.
    """

    kind: ClassVar[JobKind] = JobKind.QUARANTINE_RETRY

    ids: _Ids | None = None
    reason: parameters.StorableId | None = None
    all: bool = False
    project: parameters.StorableId | None = None
    type: parameters.StorableId | None = None
    occurred_at: parameters.Instant | None = None
    customer: parameters.StorableId | None = None

    def check(self, _database: Database) -> None:
        """Raise NotOne, BadIdentifier or BadInstant."""
        _check_one(("ids", self.ids), ("reason", self.reason), ("all", self.all))
        problem = None if self.reason is None else id_problem(self.reason)
        if problem:
            raise BadIdentifier(name="the reason", text=self.reason, reason=problem)
        parse_defaults(self.project, self.type, self.occurred_at, self.customer)

    def command(self) -> list[str]:
        """Return the command's arguments."""
        defaults = {
            "--reason": self.reason,
            "--project": self.project,
            "--type": self.type,
            "--occurred-at": self.occurred_at,
            "--customer": self.customer,
        }
        chosen = _chosen(self.ids, self.all)
        return ["quarantine", "retry", *chosen, *_options(defaults), "--json"]


class DeadLetterRetryRequest(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The dead letters to fold again: exactly one of `positions`, `projection` and `all`."""

    kind: ClassVar[JobKind] = JobKind.DEAD_LETTER_RETRY

    positions: _Ids | None = None
    projection: parameters.Id | None = None
    all: bool = False

    def check(self, _database: Database) -> None:
        """Raise NotOne or ProjectionUnknown."""
        _check_one(
            ("positions", self.positions), ("projection", self.projection), ("all", self.all)
        )
        if self.projection is not None:
            named([self.projection])

    def command(self) -> list[str]:
        """Return the command's arguments."""
        chosen = _chosen(self.positions, self.all)
        options = _options({"--projection": self.projection})
        return ["dead-letters", "retry", *chosen, *options, "--json"]


class RebuildRequest(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The projections to rebuild."""

    kind: ClassVar[JobKind] = JobKind.REBUILD

    projections: _Projections = ()
    #: Whether only to report what would change.
    dry_run: bool = False
    max_change: (
        Annotated[
            float,
            Meta(
                ge=0,
                le=100,
                description="Leave the tables as they are if more than this percentage of "
                "customers would gain or lose a segment or tier.",
            ),
        ]
        | None
    ) = None

    def check(self, _database: Database) -> None:
        """Raise ProjectionUnknown."""
        named(list(self.projections))

    def command(self) -> list[str]:
        """Return the command's arguments."""
        limit = None if self.max_change is None else f"{self.max_change:f}"
        flags = ["--dry-run"] if self.dry_run else []
        options = _options({"--max-change": limit})
        return ["rebuild", *self.projections, *flags, *options, "--json"]


class VerifyRequest(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The projections to verify."""

    kind: ClassVar[JobKind] = JobKind.VERIFY

    projections: _Projections = ()
    sample: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=2**63 - 1,
                description="The number of customers to compare, chosen at random; all of them "
                "if it is missing.",
            ),
        ]
        | None
    ) = None

    def check(self, _database: Database) -> None:
        """Raise ProjectionUnknown."""
        named(list(self.projections))

    def command(self) -> list[str]:
        """Return the command's arguments."""
        sample = None if self.sample is None else str(self.sample)
        return ["verify", *self.projections, *_options({"--sample": sample}), "--json"]


class ReconcileRequest(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The customer to compare with Voucherify, and to repair."""

    kind: ClassVar[JobKind] = JobKind.RECONCILE

    customer: parameters.StorableId
    project: parameters.StorableId
    settle_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=600,
            description="How long what is on its way may take to arrive; other jobs wait.",
        ),
    ] = 60

    def check(self, database: Database) -> None:
        """Raise BadIdentifier, CustomerErased, or an error of `check_access`."""
        for name, text in (("the customer", self.customer), ("the project", self.project)):
            if problem := id_problem(text):
                raise BadIdentifier(name=name, text=text, reason=problem)
        # A job keeps what it was asked for with: the id of an erased customer may not come back.
        erased = find_erased(database, [self.customer], self.project)
        if self.customer in erased:
            raise error_of(erased[self.customer])
        check_access(self.project)

    def command(self) -> list[str]:
        """Return the command's arguments.

        All segments are compared, and all that was seen is recorded, also if it agrees: so the
        answers say when the source was asked for everything.
        """
        options = _options({"--project": self.project, "--settle": f"{self.settle_seconds}s"})
        flags = ["--segments=all", "--record=all", "--repair", "--json"]
        return ["reconcile", *options, *flags, "--", self.customer]


_REQUESTS: Mapping[str, type[Any]] = {
    each.kind: each
    for each in (
        QuarantineRetryRequest,
        DeadLetterRetryRequest,
        RebuildRequest,
        VerifyRequest,
        ReconcileRequest,
    )
}


def command_of(kind: str, arguments: str) -> list[str]:
    """Return the arguments of the command that does a stored job; raises ValueError."""
    request: JobRequest = msgspec.json.decode(arguments, type=_REQUESTS[kind])
    return request.command()


def secrets_of(kind: str) -> tuple[str, ...]:
    """Return the names of the secret variables that the command of a kind of job needs."""
    return CREDENTIAL_VARIABLES if kind == JobKind.RECONCILE else ()


def _chosen(ids: tuple[int, ...] | None, is_all: bool) -> list[str]:
    return ["--all"] if is_all else [str(each) for each in ids or ()]


def _options(values: Mapping[str, str | None]) -> list[str]:
    """Return options, each with its value in one argument: it may begin with a hyphen."""
    return [f"{name}={value}" for name, value in values.items() if value is not None]


def _check_one(*choices: tuple[str, object]) -> None:
    if sum(value not in (None, False) for _, value in choices) != 1:
        raise NotOne(options=", ".join(name for name, _ in choices))
