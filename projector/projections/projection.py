"""Defines projections, and folds facts with them. PURE.

State is a pure function of the set of events: `fold` reads no clock, no log and no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Generic, NamedTuple

from attrs import field, frozen
from attrs.validators import matches_re
from msgspec import Meta, Struct
from typing_extensions import TypeVar

from projector.envelope import CanonicalKey
from projector.facts.events import CustomerFact, DecodedFact, UndecodableFact
from projector.facts.observations import Observation

S = TypeVar("S", default=Any)
R = TypeVar("R", bound=Struct, default=Any)

#: A projection's state of one customer; the projection's module defines its shape.
State = Any
#: A row of a projection's table, without the columns of the customer: a frozen Struct.
Row = Any
#: A function from a state, a fact and its canonical key to the next state.
Evolver = Callable[[S, Any, CanonicalKey], S]
#: The type of a row's field that holds an identifier: sorted by its bytes, on every database.
Identifier = Annotated[str, Meta(extra={"identifier": True})]
#: A row as the tuple of its table's columns, those of the customer first.
Values = tuple[Any, ...]


#: A fact with its canonical key and the position of its event in the log. A plain tuple, because
#: one is created for every event.
KeyedFact = tuple[CanonicalKey, DecodedFact, int]


#: The names of the program's other tables, which no projection may have.
RESERVED_NAMES = frozenset(
    {
        "checkpoint",
        "dead_letter",
        "dead_letter_reason",
        "duplicate",
        "event",
        "group_size",
        "lease",
        "log_head",
        "projector_schema",
        "quarantine",
        "snapshot",
        "stream",
        "token",
    }
)


def _is_not_reserved(_projection: object, _attribute: object, name: str) -> None:
    if name in RESERVED_NAMES:
        raise ValueError(
            f"A projection cannot be named {name!r}: the program has another table of that name."
        )


@frozen(kw_only=True)
class Memberships:
    """Says how the rows of a projection are memberships of groups, such as segments.

    The program then keeps the sizes of the groups: see `projector.store.group_sizes`. The values
    are names of fields of the row.
    """

    #: The field with the id of the group; a row in which it is null is no membership.
    group_id: str
    #: The field with the campaign that the group belongs to, if groups belong to campaigns.
    campaign_id: str | None = None
    #: The fields with names of the group. Each size is kept by these names, too.
    names: tuple[str, ...] = ()
    #: The fields with the instants at which the membership began, null if that is unknown, and
    #: ended, null while it lasts. Without the latter, every row is a membership that lasts.
    since: str
    until: str | None = None
    #: The boolean field that says whether the membership lasts. Without it, one lasts as long as
    #: the field `until` is null.
    lasts: str | None = None
    #: The field with the instant at which the source was asked if its answer, and no event, shows
    #: that the membership lasts.
    seen: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """All the fields of the row that it names."""
        instants = (self.since, self.until, self.lasts, self.seen)
        ids = (self.campaign_id, self.group_id, *self.names, *instants)
        return tuple(name for name in ids if name is not None)


def _has_fields(
    projection: Projection, _attribute: object, memberships: Memberships | None
) -> None:
    if memberships is None:
        return
    missing = [name for name in memberships.fields if name not in projection.fields]
    if missing:
        raise ValueError(f"The row has no fields {', '.join(missing)}, which its memberships name.")


@frozen(kw_only=True, eq=False)
class Projection(Generic[S, R]):
    """A fold and the table that it is written to.

    The columns of the table are `project_id`, `customer_id` and the fields of `row`, with the types
    of their annotations. Its primary key is `project_id`, `customer_id` and the fields of `key`.
    """

    #: The name of the projection and of its table. SQL statements contain it unquoted.
    name: str = field(validator=[matches_re(r"[a-z][a-z0-9_]{0,47}"), _is_not_reserved])
    #: The version of the fold's meaning, to be raised with each change of it: rows of another
    #: version must be rebuilt.
    version: int
    #: A frozen msgspec Struct whose fields are the columns.
    row: type[R]
    #: The fields of `row` that identify one of a customer's rows.
    key: tuple[str, ...]
    #: Whether rows with an equal `key`, its last field apart, are a series (such as the periods in
    #: one segment) that this field numbers. An event that is not late may then change only the last
    #: row of a series, or add rows after it; earlier rows are loaded for late events only.
    is_history: bool = False
    #: The columns of each index of the table.
    indexes: tuple[tuple[str, ...], ...] = ()
    #: How its rows are memberships of groups; None if they are none.
    memberships: Memberships | None = field(default=None, validator=_has_fields)
    #: The state of a customer without events.
    initial: S
    #: The evolver for each class of fact that the projection reads. That of CustomerFact reads the
    #: events of all other types, too, and the customer of those whose own fact is unreadable; but
    #: no observations.
    evolvers: Mapping[type[CustomerFact], Evolver[S]]
    #: The function from a state to a customer's rows.
    to_rows: Callable[[S], list[R]]
    #: The inverse of `to_rows`, for rows in any order: from_rows(to_rows(state)) == state.
    from_rows: Callable[[list[R]], S]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the row's fields, in the order of the columns."""
        return self.row.__struct_fields__

    def evolver_of(self, fact_type: type[CustomerFact]) -> Evolver[S] | None:
        """Return the evolver that reads a class of facts; None if the projection does not."""
        found = self.evolvers.get(fact_type)
        if found is not None or issubclass(fact_type, Observation):
            return found
        return self.evolvers.get(CustomerFact)


class Failure(NamedTuple):
    """A fact that a projection could not fold: its evolver raised, or it was undecodable."""

    projection: str
    position: int
    reason: str


def fold(
    projections: Sequence[Projection], states: Sequence[State], facts: Iterable[KeyedFact]
) -> tuple[list[State], list[Failure]]:
    """Fold one customer's facts, in canonical order, into the states of projections.

    `states` and the result are in the order of `projections`. A fact for which an evolver raises,
    or which is undecodable, leaves the state unchanged and is returned as a failure; it stops
    neither the facts after it nor the other projections. `facts` is iterated once, and may be a
    generator.
    """
    new_states = list(states)
    failures: list[Failure] = []
    readers = readers_by_class(tuple(projections))
    for key, fact, position in facts:
        for index, evolver in readers[class_of(fact)]:
            new_states[index], reason = apply_fact(
                projections[index], evolver, new_states[index], fact, key
            )
            if reason is not None:
                failures.append(Failure(projections[index].name, position, reason))
    return new_states, failures


def apply_fact(
    projection: Projection, evolver: Evolver, state: State, fact: DecodedFact, key: CanonicalKey
) -> tuple[State, str | None]:
    """Apply a fact; return the next state and None, or the same state and why it cannot be applied.

    Of an undecodable fact, the evolver of CustomerFact gets the part that is readable.
    """
    if isinstance(fact, UndecodableFact):
        if fact.readable is None or fact.fact_type in projection.evolvers:
            return state, fact.reason
        fact = fact.readable
    try:
        return evolver(state, fact, key), None
    except Exception as error:  # whatever an evolver raises makes a dead letter, and no more
        return state, failure_reason(error)


def failure_reason(error: Exception) -> str:
    """Return an error as text that every database can store: no NUL, no lone surrogates."""
    text = f"{type(error).__name__}: {error}".replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode(errors="replace").decode()


def class_of(fact: DecodedFact) -> type[CustomerFact]:
    """Return the class of a fact; of an undecodable one, that which its event's type promises."""
    return fact.fact_type if isinstance(fact, UndecodableFact) else type(fact)


class Readers(dict[type[CustomerFact], list[tuple[int, Evolver]]]):
    """The evolvers that read each class of facts, with the indexes of their projections."""

    def __init__(self, projections: tuple[Projection, ...]) -> None:
        super().__init__()
        self._projections = projections

    def __missing__(self, fact_type: type[CustomerFact]) -> list[tuple[int, Evolver]]:
        """Find the evolvers for a class of facts."""
        evolvers = [each.evolver_of(fact_type) for each in self._projections]
        found = self[fact_type] = [
            (index, evolver) for index, evolver in enumerate(evolvers) if evolver is not None
        ]
        return found


#: The readers of each class of facts among some projections.
readers_by_class = cache(Readers)
