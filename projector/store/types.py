"""The column types: one for each kind of value, the same meaning on both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import to_builtins
from sqlalchemy import BigInteger, DateTime, Integer, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

#: Identifiers: ordered by their bytes on both databases, as the canonical order needs it.
Key = Text().with_variant(Text(collation="C"), "postgresql")

#: 64 bits. SQLite makes only an INTEGER primary key the row's own id.
Long = BigInteger().with_variant(Integer(), "sqlite")

_WIDTH = len("2024-03-01T10:00:00.000000Z")


class Instant(TypeDecorator[datetime]):
    """An instant in UTC with microseconds.

    `timestamptz` on Postgres. On SQLite text of one width, `2024-03-01T10:00:00.000000Z`, which
    sorts as the instants do and is read by SQLite's date functions.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite."""
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else DateTime(True))

    # The processors themselves, and not the process_… methods for a value each: those cost a call
    # more for every instant in every row.

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """To UTC, and to text on SQLite."""
        return to_sqlite if dialect.name == "sqlite" else _to_postgres

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """To an aware datetime; Postgres gives one in UTC, the session's time zone."""
        return _from_sqlite if dialect.name == "sqlite" else None


def to_sqlite(value: datetime | None) -> str | None:
    """An instant as SQLite keeps it."""
    if value is None:
        return None
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return _of_one_width(to_builtins(value))


def all_to_sqlite(values: Sequence[datetime | None]) -> list[str | None]:
    """Instants as SQLite keeps them: a column in one go, at half the cost."""
    texts: Sequence[str | None] = to_builtins(values)
    return [
        text
        if text is None or len(text) == _WIDTH
        else _of_one_width(text)
        if text[-1] == "Z"
        else to_sqlite(value)
        for value, text in zip(values, texts, strict=True)
    ]


def _of_one_width(text: str) -> str:
    """RFC 3339 as msgspec writes it, in a fifth of isoformat's time, leaves out zeros."""
    return text if len(text) == _WIDTH else f"{text[:-1]}.000000Z"


def _to_postgres(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _from_sqlite(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
