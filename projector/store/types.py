"""Defines the column types: one for each kind of value, with the same meaning on both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import to_builtins
from sqlalchemy import BigInteger, DateTime, Integer, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

#: The type of identifiers: ordered by their bytes on both databases, as the canonical order needs.
Key = Text().with_variant(Text(collation="C"), "postgresql")

#: The type of 64-bit keys. On SQLite INTEGER, because only an INTEGER primary key is the rowid.
Long = BigInteger().with_variant(Integer(), "sqlite")

#: The width of an instant as SQLite stores it.
INSTANT_CHARACTERS = len("2024-03-01T10:00:00.000000Z")


class Instant(TypeDecorator[datetime]):
    """The type of instants: UTC with microseconds.

    `timestamptz` on Postgres. On SQLite fixed-width text, `2024-03-01T10:00:00.000000Z`, which
    sorts like the instants and is understood by SQLite's date functions.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return text on SQLite, timestamptz on Postgres."""
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else DateTime(True))

    # These override the processors themselves and not process_bind_param and
    # process_result_value, which cost one more call for every instant in every row.

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return the function that converts a parameter to UTC, and to text on SQLite."""
        return to_sqlite if dialect.name == "sqlite" else _to_postgres

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Return the function that converts a stored value to an aware datetime in UTC.

        None on Postgres, whose driver returns one: the session's time zone is UTC.
        """
        return _from_sqlite if dialect.name == "sqlite" else None


def to_sqlite(value: datetime | None) -> str | None:
    """Convert an instant to the text that SQLite stores."""
    if value is None:
        return None
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return _to_fixed_width(to_builtins(value))


def all_to_sqlite(values: Sequence[datetime | None]) -> list[str | None]:
    """Convert a column of instants to the texts that SQLite stores; at half the cost for each."""
    texts: Sequence[str | None] = to_builtins(values)
    return [
        text
        if text is None or len(text) == INSTANT_CHARACTERS
        else _to_fixed_width(text)
        if text[-1] == "Z"
        else to_sqlite(value)
        for value, text in zip(values, texts, strict=True)
    ]


def _to_fixed_width(text: str) -> str:
    """Add the microseconds to RFC 3339 text of msgspec, which leaves out zero ones.

    msgspec formats an instant in a fifth of the time of datetime.isoformat.
    """
    return text if len(text) == INSTANT_CHARACTERS else f"{text[:-1]}.000000Z"


def _to_postgres(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _from_sqlite(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
