"""Adds up the results of a verification, piece by piece, to its report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from attrs import define, field, frozen

from projector.envelope import CustomerKey
from projector.store import digest, group_sizes
from projector.store.checkpoints import Checkpoint
from projector.store.group_sizes import GroupDay, Size, Sizes
from replay.comparison import Difference

#: The most customers, and the most problems of the log, that a report names.
NAMED_MAX = 1_000


@frozen(kw_only=True)
class DifferingCustomer:
    """A customer whose rows or dead letters differ."""

    project_id: str
    customer_id: str
    differences: tuple[Difference, ...]


@frozen(kw_only=True)
class ProjectionCheck:
    """A projection that was compared."""

    name: str
    position: int
    #: The digest stored with the checkpoint.
    digest: str
    #: The digest computed from the log; None if only a sample was compared.
    recomputed: str | None


@frozen(kw_only=True)
class VerifyReport:
    """The result of a verification."""

    #: The number of customers who were compared.
    checked: int
    #: The number of those with differences.
    differing: int
    #: The first NAMED_MAX of them.
    customers: tuple[DifferingCustomer, ...]
    projections: tuple[ProjectionCheck, ...]
    #: The sizes of groups that differ from the fold of the log, a sentence each; the first
    #: NAMED_MAX of them.
    sizes: tuple[str, ...]
    #: The problems of the log itself, a sentence each; the first NAMED_MAX of them.
    log: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether tables, sizes and digests equal the fold of the log, which has no problems."""
        stale = any(each.recomputed not in (None, each.digest) for each in self.projections)
        return not (self.differing or self.sizes or self.log or stale)


@define
class PieceResult:
    """The differences found in some streams."""

    #: The number of customers who were compared.
    checked: int = 0
    differences: dict[CustomerKey, list[Difference]] = field(factory=dict)
    #: By projection: the amount by which the expected rows change its digest.
    digests: dict[str, int] = field(factory=dict)
    #: By projection: the amounts by which they change the sizes of groups.
    sizes: dict[str, Sizes] = field(factory=dict)
    #: The problems of the log, a sentence each.
    problems: list[str] = field(factory=list)

    def add_difference(self, customer: CustomerKey, difference: Difference) -> None:
        """Add a difference of a customer."""
        self.differences.setdefault(customer, []).append(difference)


@define
class Tally:
    """The sum of the results of all pieces."""

    checked: int = 0
    differing: int = 0
    customers: list[DifferingCustomer] = field(factory=list)
    digests: dict[str, str] = field(factory=dict)
    sizes: dict[str, dict[GroupDay, Size]] = field(factory=dict)
    differing_sizes: list[str] = field(factory=list)
    problems: list[str] = field(factory=list)

    def add(self, result: PieceResult) -> None:
        """Add the result of a piece."""
        self.checked += result.checked
        self.differing += len(result.differences)
        nameable = islice(result.differences.items(), NAMED_MAX - len(self.customers))
        self.customers += (
            DifferingCustomer(
                project_id=customer.project_id,
                customer_id=customer.customer_id,
                differences=tuple(differences),
            )
            for customer, differences in nameable
        )
        for name, change in result.digests.items():
            self.digests[name] = digest.apply(self.digests.get(name, digest.EMPTY), change)
        for name, sizes in result.sizes.items():
            group_sizes.merge(self.sizes.setdefault(name, {}), sizes)
        self.add_problems(result.problems)

    def add_sizes(self, name: str, stored: Sizes) -> None:
        """Compare the stored sizes of a projection's groups, up to NAMED_MAX in total."""
        sentences = group_sizes.differences(name, self.sizes.get(name, {}), stored)
        self.differing_sizes += islice(sentences, NAMED_MAX - len(self.differing_sizes))

    def add_problems(self, sentences: Iterable[str]) -> None:
        """Add problems of the log, up to NAMED_MAX in total."""
        self.problems += islice(sentences, NAMED_MAX - len(self.problems))

    def to_report(self, by_projection: Sequence[Checkpoint], *, whole: bool) -> VerifyReport:
        """Return the report; digests are compared only if the `whole` log was folded."""
        return VerifyReport(
            checked=self.checked,
            differing=self.differing,
            customers=tuple(self.customers),
            projections=tuple(
                ProjectionCheck(
                    name=checkpoint.projection,
                    position=checkpoint.position,
                    digest=checkpoint.digest,
                    recomputed=self.digests.get(checkpoint.projection, digest.EMPTY)
                    if whole
                    else None,
                )
                for checkpoint in by_projection
            ),
            sizes=tuple(self.differing_sizes),
            log=tuple(self.problems),
        )
