"""The matrix: each fault at each step that it may strike, on each database that has it."""

from attrs import frozen

from tests.faults.kinds import KINDS, Kind
from tests.faults.steps import STEPS, Step

_DATABASES = ("sqlite", "postgres")


@frozen
class Case:
    """One fault, at one step, on one database."""

    kind: Kind
    step: Step
    database: str

    @property
    def operation(self) -> str:
        """What the program is at."""
        return self.step.operation

    @property
    def leaves_tables(self) -> bool:
        """Whether the program must leave the live tables as they were: before the exchange."""
        return self.operation.startswith("rebuild") or self.step.is_of_append

    def __str__(self) -> str:
        return f"{self.operation}: {self.step.name}: {self.kind.name} on {self.database}"


CASES = tuple(
    Case(kind, step, database)
    for step in STEPS
    for kind in KINDS
    for database in _DATABASES
    if step.only in ("", database)
    and kind.strikes(step, database)
    and (kind.kills or kind.is_of_commits or not step.is_for_kills)
)
