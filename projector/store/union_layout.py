"""Lays out the columns of a UNION ALL whose parts select different things."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, cast, null
from sqlalchemy.types import TypeEngine


class UnionLayout:
    """The columns of the statement: of each type as many as one part needs at the most."""

    def __init__(self, parts: Sequence[Sequence[Column[Any]]], *, is_typed: bool) -> None:
        # The checkpoints need three numbers.
        needed: Counter[type[TypeEngine[Any]]] = Counter({BigInteger: 3})
        for columns in parts:
            needed |= Counter(type(each.type) for each in columns)
        self._types = [*needed.elements()]
        self._is_typed = is_typed

    def slots(self, columns: Sequence[ColumnElement[Any]]) -> list[int]:
        """Return the index in the layout of each of some columns."""
        free = {kind: self._types.index(kind) for kind in self._types}
        slots = []
        for each in columns:
            slots.append(free[type(each.type)])
            free[type(each.type)] += 1
        return slots

    def fill(self, values: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """Return the whole layout: each value in its slot, and null in the others."""
        # On Postgres a null has a type, which must be the same in all parts.
        row: list[ColumnElement[Any]] = [
            cast(null(), kind()) if self._is_typed else null() for kind in self._types
        ]
        for slot, value in zip(self.slots(values), values, strict=True):
            row[slot] = value
        return row
