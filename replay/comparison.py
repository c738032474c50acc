"""What differs between the rows that should be there and those that are. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attrs import frozen

from projector.envelope import CustomerKey
from projector.projections.projection import Projection, Values


@frozen(kw_only=True)
class Difference:
    """A cell, a row or a dead letter that is not what the log folds to."""

    projection: str
    #: What tells the row apart among its customer's; of a dead letter its position.
    key: dict[str, Any]
    #: None for a whole row that is missing or should not be there.
    column: str | None
    expected: Any
    found: Any


def compare_rows(
    projection: Projection, expected: Sequence[Values], found: Sequence[Values]
) -> Iterator[tuple[CustomerKey, Difference]]:
    """The differences of rows, and whose they are."""
    # Nearly always there are none.
    right, wrong = set(expected).difference(found), set(found).difference(expected)
    names = ["project_id", "customer_id", *projection.fields]
    places = [0, 1, *(names.index(name) for name in projection.key)]
    should_be = {tuple(row[place] for place in places): row for row in right}
    is_there = {tuple(row[place] for place in places): row for row in wrong}
    for key in sorted({*should_be, *is_there}, key=repr):
        customer = CustomerKey(*key[:2])
        told = dict(zip(projection.key, key[2:], strict=True))
        for column, one, other in _cells(names, should_be.get(key), is_there.get(key)):
            yield (
                customer,
                Difference(
                    projection=projection.name, key=told, column=column, expected=one, found=other
                ),
            )


def compare_letters(
    projection: Projection, expected: Iterable[int], found: Iterable[int]
) -> Iterator[tuple[int, Difference]]:
    """The differences of dead letters, given as positions, and the position of each."""
    should_be, are_there = set(expected), set(found)
    for position in sorted(should_be ^ are_there):
        yield (
            position,
            Difference(
                projection=projection.name,
                key={"position": position},
                column="dead_letter",
                expected=position in should_be,
                found=position in are_there,
            ),
        )


def _cells(
    names: Sequence[str], expected: Values | None, found: Values | None
) -> Iterator[tuple[str | None, Any, Any]]:
    if expected is None or found is None:
        yield None, _object(names, expected), _object(names, found)
        return
    for name, one, other in zip(names, expected, found, strict=True):
        if one != other:
            yield name, one, other


def _object(names: Sequence[str], values: Values | None) -> dict[str, Any] | None:
    return None if values is None else dict(zip(names, values, strict=True))
