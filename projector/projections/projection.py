"""What a projection is, and how facts are folded with it. PURE.

State is a pure function of the set of events: `fold` knows no clock, no log and no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Generic, NamedTuple

from attrs import field, frozen
from attrs.validators import matches_re
from msgspec import Meta, Struct
from typing_extensions import TypeVar

from projector.envelope import CanonicalKey
from projector.facts.events import CustomerFact

S = TypeVar("S", default=Any)
R = TypeVar("R", bound=Struct, default=Any)

#: The knowledge that a projection has of one customer; its own module defines its shape.
State = Any
#: One row of a projection's table, without the customer that it belongs to: a frozen Struct.
Row = Any
#: From a state, a fact and its place in the stream to the next state.
Evolver = Callable[[S, Any, CanonicalKey], S]
#: The type of a row's field that holds an identifier: ordered by its bytes, on every database.
Identifier = Annotated[str, Meta(extra={"identifier": True})]
#: A row as the tuple of its table's columns, those of the customer first.
Values = tuple[Any, ...]


class UndecodableFact(NamedTuple):
    """In the place of a fact: an event that does not state the one that it should."""

    fact_type: type[CustomerFact]
    reason: str


#: Where a fact stands in its stream, the fact, and the position of its event in the log. A plain
#: tuple, for one is made for every event.
KeyedFact = tuple[CanonicalKey, CustomerFact | UndecodableFact, int]


#: The tables of the log and of the bookkeeping; a projection's table cannot be called so.
RESERVED_NAMES = frozenset(
    {
        "alembic_version",
        "checkpoint",
        "dead_letter",
        "duplicate",
        "event",
        "lease",
        "log_head",
        "quarantine",
        "stream",
        "token",
    }
)


def _is_not_reserved(_projection: object, _attribute: object, name: str) -> None:
    if name in RESERVED_NAMES:
        raise ValueError(f"A projection cannot be named {name!r}: a table of the program is.")


@frozen(kw_only=True, eq=False)
class Projection(Generic[S, R]):
    """A fold and the table that it is written to.

    The table's columns are `project_id`, `customer_id` and the fields of `row`, with the types of
    its annotations; its primary key is the customer and `key`.
    """

    #: The name of the projection and of its table. It stands in SQL as it is.
    name: str = field(validator=[matches_re(r"[a-z][a-z0-9_]{0,47}"), _is_not_reserved])
    #: Counts the changes of the fold's meaning; rows of another version must be rebuilt.
    version: int
    #: A frozen msgspec Struct whose fields are the columns.
    row: type[R]
    #: The fields of `row` that tell a customer's rows apart.
    key: tuple[str, ...]
    #: Whether the last field of `key` counts a place's rows, of which an event in its order changes
    #: the last one alone, or adds more: then those before it are loaded for late events only.
    is_history: bool = False
    #: What people look rows up by: the columns of an index each.
    indexes: tuple[tuple[str, ...], ...] = ()
    #: The state of a customer of whom nothing is known.
    initial: S
    #: For each class of fact that it reads, the next state after one.
    evolvers: Mapping[type[CustomerFact], Evolver[S]]
    to_rows: Callable[[S], list[R]]
    #: The inverse: from_rows(to_rows(state)) == state.
    from_rows: Callable[[list[R]], S]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the row's fields, in the order of the columns."""
        return self.row.__struct_fields__


class Failure(NamedTuple):
    """A fact that a fold could not take."""

    projection: str
    position: int
    reason: str


def fold(
    projections: Sequence[Projection], states: Sequence[State], facts: Iterable[KeyedFact]
) -> tuple[list[State], list[Failure]]:
    """Fold one customer's facts, which come in canonical order, into the states of projections.

    `states` and the result are in the order of `projections`. A fact that an evolver refuses, or
    one that could not be read, leaves the state as it was and is told in the failures; it stops
    neither the facts after it nor the other projections. One pass, so that facts may come from a
    generator.
    """
    now = list(states)
    failures: list[Failure] = []
    readers = evolvers_by_fact(tuple(projections))
    for key, fact, position in facts:
        if isinstance(fact, UndecodableFact):
            failures += undecodable_failures(projections, fact, position)
            continue
        for index, evolver in readers.get(type(fact), ()):
            now[index], reason = apply_fact(evolver, now[index], fact, key)
            if reason is not None:
                failures.append(Failure(projections[index].name, position, reason))
    return now, failures


def apply_fact(
    evolver: Evolver, state: State, fact: CustomerFact, key: CanonicalKey
) -> tuple[State, str | None]:
    """Apply a fact to a state: the next state; or the same state, and the reason of the refusal."""
    try:
        return evolver(state, fact, key), None
    except Exception as error:  # any error of a fold makes a dead letter, and nothing else
        return state, failure_reason(error)


def undecodable_failures(
    projections: Sequence[Projection], fact: UndecodableFact, position: int
) -> Iterator[Failure]:
    """What nobody can read is a failure of each projection that would read it."""
    for projection in projections:
        if fact.fact_type in projection.evolvers:
            yield Failure(projection.name, position, fact.reason)


def failure_reason(error: Exception) -> str:
    """What went wrong, as text that every database keeps: no NUL, no half of a character."""
    text = f"{type(error).__name__}: {error}".replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode(errors="replace").decode()


@cache
def evolvers_by_fact(
    projections: tuple[Projection, ...],
) -> dict[type[CustomerFact], list[tuple[int, Evolver]]]:
    """For each class of fact: which of the projections read it, and how."""
    readers: dict[type[CustomerFact], list[tuple[int, Evolver]]] = {}
    for index, projection in enumerate(projections):
        for fact_type, evolver in projection.evolvers.items():
            readers.setdefault(fact_type, []).append((index, evolver))
    return readers
