"""Compares expected rows and dead letters with those found in the tables. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attrs import frozen

from projector.envelope import CustomerKey
from projector.projections.projection import Projection, Values


@frozen(kw_only=True)
class Difference:
    """A cell, a row or a dead letter that differs from the fold of the log."""

    projection: str
    #: The key columns besides project and customer; for a dead letter, its position.
    key: dict[str, Any]
    #: The column that differs; None for a whole row that is missing or unexpected.
    column: str | None
    expected: Any
    found: Any


def compare_rows(
    projection: Projection, expected: Sequence[Values], found: Sequence[Values]
) -> Iterator[tuple[CustomerKey, Difference]]:
    """Compare rows; yield each difference with the customer whose row it is in."""
    # Equal rows, which are nearly all of them, are not compared cell by cell.
    missing, unexpected = set(expected).difference(found), set(found).difference(expected)
    names = ["project_id", "customer_id", *projection.fields]
    key_indexes = [0, 1, *(names.index(name) for name in projection.key)]
    expected_rows = {tuple(row[index] for index in key_indexes): row for row in missing}
    found_rows = {tuple(row[index] for index in key_indexes): row for row in unexpected}
    for key in sorted({*expected_rows, *found_rows}, key=repr):
        customer = CustomerKey(*key[:2])
        row_key = dict(zip(projection.key, key[2:], strict=True))
        for column, right, wrong in _cells(names, expected_rows.get(key), found_rows.get(key)):
            yield (
                customer,
                Difference(
                    projection=projection.name,
                    key=row_key,
                    column=column,
                    expected=right,
                    found=wrong,
                ),
            )


def compare_letters(
    projection: Projection, expected: Iterable[int], found: Iterable[int]
) -> Iterator[tuple[int, Difference]]:
    """Compare dead letters by their positions; yield each difference with its position."""
    expected_positions, found_positions = set(expected), set(found)
    for position in sorted(expected_positions ^ found_positions):
        yield (
            position,
            Difference(
                projection=projection.name,
                key={"position": position},
                column="dead_letter",
                expected=position in expected_positions,
                found=position in found_positions,
            ),
        )


def _cells(
    names: Sequence[str], expected: Values | None, found: Values | None
) -> Iterator[tuple[str | None, Any, Any]]:
    """Yield (column, expected, found) for each cell that differs, or once for a whole row."""
    if expected is None or found is None:
        yield None, _object(names, expected), _object(names, found)
        return
    for name, right, wrong in zip(names, expected, found, strict=True):
        if right != wrong:
            yield name, right, wrong


def _object(names: Sequence[str], values: Values | None) -> dict[str, Any] | None:
    return None if values is None else dict(zip(names, values, strict=True))
