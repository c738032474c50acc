"""What all have to arrive at: who is in which segment and on which tier, and since when."""

import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import psycopg
from attrs import frozen

#: Asks a database for rows.
Ask = Callable[[str], Iterable[tuple[Any, ...]]]

#: The tables of those who do it without this program.
TABLES = (
    "CREATE TABLE IF NOT EXISTS membership (customer_id text NOT NULL, segment_id text NOT NULL, "
    "segment_name text, is_member boolean NOT NULL, since {instant} NOT NULL, "
    "PRIMARY KEY (customer_id, segment_id))",
    "CREATE TABLE IF NOT EXISTS tier (customer_id text NOT NULL, campaign_id text NOT NULL, "
    "tier_id text NOT NULL, tier_name text, since {instant} NOT NULL, "
    "PRIMARY KEY (customer_id, campaign_id))",
)

_THEIRS = (
    "SELECT customer_id, segment_id, segment_name, since FROM membership WHERE is_member",
    "SELECT customer_id, campaign_id, tier_id, tier_name, since FROM tier",
)

_OURS = (
    "SELECT customer_id, segment_id, segment_name, entered_at FROM segment_membership "
    "WHERE is_member",
    "SELECT customer_id, campaign_id, tier_id, tier_name, joined_at FROM loyalty_tier "
    "WHERE tier_id IS NOT NULL",
)


@frozen
class State:
    """Memberships and tiers of all customers."""

    memberships: set[tuple[Any, ...]]
    tiers: set[tuple[Any, ...]]

    def must_be(self, expected: "State", whose: str) -> None:
        """Raise unless another way has come to the same."""
        for mine, other in (
            (self.memberships, expected.memberships),
            (self.tiers, expected.tiers),
        ):
            if mine != other or not mine:
                example = next(iter(mine ^ other), None)
                raise AssertionError(
                    f"{whose} has {len(mine)} rows for {len(other)}; one that differs: {example}"
                )


def theirs(ask: Ask) -> State:
    """The state in a peer's own tables."""
    return State(*(set(map(_alike, ask(statement))) for statement in _THEIRS))


def ours(ask: Ask) -> State:
    """The state in this program's tables."""
    return State(*(set(map(_alike, ask(statement))) for statement in _OURS))


def asking(url: str) -> Ask:
    """Ask the database at a URL."""
    if url.startswith("sqlite"):
        return lambda statement: _from_sqlite(url.removeprefix("sqlite:///"), statement)
    return lambda statement: _from_postgres(url.replace("+psycopg", ""), statement)


def _from_sqlite(path: str, statement: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def _from_postgres(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def _alike(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row with its instant, which is the last column, in UTC."""
    *rest, since = row
    instant = since if isinstance(since, datetime) else datetime.fromisoformat(since)
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return (*rest, instant.astimezone(UTC))
