"""The state by window functions over the events: in DuckDB, SQLite and Postgres."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.peers import state
from tests.benchmarks.peers.race import Work
from tests.benchmarks.peers.state import State

#: The last event that differs from the one before it tells since when.
_LAST_CHANGE = """
CREATE TABLE {table} AS
WITH told AS (
  SELECT {columns}, occurred_at, event_id, {what} AS what,
    lag({what}) OVER (PARTITION BY {keys} ORDER BY occurred_at, event_id) AS what_before
  FROM {source} WHERE type IN ({types})
), changed AS (
  SELECT told.*, row_number() OVER (
    PARTITION BY {keys} ORDER BY occurred_at DESC, event_id DESC) AS place
  FROM told WHERE what_before IS NULL OR what_before <> what
)
SELECT {result}, occurred_at AS since FROM changed WHERE place = 1
"""

_MEMBERSHIP = {
    "table": "membership",
    "columns": "customer_id, segment_id, segment_name",
    "what": "type",
    "keys": "customer_id, segment_id",
    "types": "'customer.segment.entered', 'customer.segment.left'",
    "result": "customer_id, segment_id, segment_name, "
    "what = 'customer.segment.entered' AS is_member",
}
_TIER = {
    "table": "tier",
    "columns": "customer_id, campaign_id, tier_name",
    "what": "tier_id",
    "keys": "customer_id, campaign_id",
    "types": "'customer.loyalty.tier.joined', 'customer.loyalty.tier.upgraded'",
    "result": "customer_id, campaign_id, what AS tier_id, tier_name",
}

_BODY = """
SELECT type, occurred_at, event_id, {customer} AS customer_id, {segment_id} AS segment_id,
  {segment_name} AS segment_name, {campaign} AS campaign_id,
  coalesce({to_id}, {tier_id}) AS tier_id, coalesce({to_name}, {tier_name}) AS tier_name
FROM {source}
"""

_PATHS = {
    "customer": ("customer", "id"),
    "segment_id": ("segment", "id"),
    "segment_name": ("segment", "name"),
    "campaign": ("campaign", "id"),
    "to_id": ("loyalty_tier_to", "id"),
    "to_name": ("loyalty_tier_to", "name"),
    "tier_id": ("loyalty_tier", "id"),
    "tier_name": ("loyalty_tier", "name"),
}

_NDJSON = """(
  SELECT event.type AS type, event.created_at AS occurred_at, event.id AS event_id, data
  FROM read_json('{file}', format = 'newline_delimited', columns = {{
    event: 'STRUCT(id VARCHAR, type VARCHAR, created_at TIMESTAMP)',
    data: 'STRUCT(customer STRUCT(id VARCHAR), segment STRUCT(id VARCHAR, name VARCHAR),
      campaign STRUCT(id VARCHAR), loyalty_tier STRUCT(id VARCHAR, name VARCHAR),
      loyalty_tier_to STRUCT(id VARCHAR, name VARCHAR))'
  }})
)"""


@contextmanager
def duckdb(folder: Path, file: Path, threads: int, expected: State) -> Iterator[Work]:
    """Let DuckDB read NDJSON, and write the tables into a file of its own."""
    import duckdb

    path = folder / "state.duckdb"

    def work() -> None:
        with duckdb.connect(str(path), config={"threads": threads}) as connection:
            for statement in duckdb_statements(file):
                connection.execute(statement)

    yield work
    with duckdb.connect(str(path)) as connection:
        found = state.theirs(lambda statement: connection.execute(statement).fetchall())
    path.unlink()
    found.must_be(expected, "DuckDB")


def duckdb_statements(file: Path) -> Iterator[str]:
    """Read the file once, then rank."""
    events = _events(_NDJSON.format(file=file), lambda *path: f"data.{'.'.join(path)}")
    yield f"CREATE TEMPORARY TABLE told_event AS {events}"
    yield from _rankings("told_event")


@contextmanager
def in_place(url: str, expected: State) -> Iterator[Work]:
    """Rank in the database that has the log, with its JSON functions."""
    is_sqlite = url.startswith("sqlite")
    if is_sqlite:
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        events = _events("event", lambda *path: f"json_extract(body, '$.data.{'.'.join(path)}')")
    else:
        connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        events = _events(
            "event", lambda *path: f"CAST(body AS json) #>> '{{data,{','.join(path)}}}'"
        )
    with closing(connection):

        def work() -> None:
            connection.execute(f"CREATE TEMPORARY TABLE told_event AS {events}")
            for statement in _rankings("told_event"):
                connection.execute(statement)

        yield work
        found = state.theirs(lambda statement: connection.execute(statement).fetchall())
        for table in ("told_event", "membership", "tier"):
            connection.execute(f"DROP TABLE {table}")
    found.must_be(expected, "SQL")


def _events(source: str, part: Any) -> str:
    return _BODY.format(source=source, **{name: part(*path) for name, path in _PATHS.items()})


def _rankings(source: str) -> Iterable[str]:
    return [_LAST_CHANGE.format(source=source, **each) for each in (_MEMBERSHIP, _TIER)]
