"""The handler that people write by hand: a delivery is one transaction, and there is no log."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from tests.benchmarks.peers import state
from tests.benchmarks.peers.change import Change, change_of, upserts
from tests.benchmarks.peers.places import Place
from tests.benchmarks.peers.race import Work
from tests.benchmarks.peers.state import TABLES, State

_ONE = (
    "SELECT segment_id, segment_name, since FROM membership WHERE customer_id = {} AND is_member",
    "SELECT campaign_id, tier_id, tier_name, since FROM tier WHERE customer_id = {}",
)

#: The rows of both tables, by their keys.
Folded = tuple[dict[tuple[str, str], tuple[Any, ...]], dict[tuple[str, str], tuple[Any, ...]]]


@contextmanager
def handle(place: Place, bodies: Sequence[bytes], expected: State) -> Iterator[Work]:
    """Write deliveries over what is there, one after the other."""
    with place.new() as url:
        with closing(_connected(url)) as connection:
            _make_tables(connection)
            statements = upserts(_mark(connection))

            def work() -> None:
                for body in bodies:
                    change = change_of(body)
                    if change is not None:
                        connection.execute(statements[change.what], change.values)

            yield work
        state.theirs(state.asking(url)).must_be(expected, "The handler")


def write_folded(url: str, bodies: Iterable[str]) -> None:
    """Fold deliveries in memory; write the rows in one go."""
    memberships, tiers = fold(filter(None, map(change_of, bodies)))
    with closing(_connected(url)) as connection:
        _make_tables(connection)
        connection.execute("BEGIN")
        _insert(connection, "membership", 5, [(*key, *row) for key, row in memberships.items()])
        _insert(connection, "tier", 5, [(*key, *row) for key, row in tiers.items()])
        connection.execute("COMMIT")


def fold(changes: Iterable[Change]) -> Folded:
    """What the upserts come to."""
    memberships: dict[tuple[str, str], tuple[Any, ...]] = {}
    tiers: dict[tuple[str, str], tuple[Any, ...]] = {}
    for what, (customer_id, group_id, *rest) in changes:
        key = customer_id, group_id
        if what == "tier":
            if key not in tiers or tiers[key][0] != rest[0]:
                tiers[key] = tuple(rest)
            continue
        name, since = rest
        is_member = what == "entered"
        if key not in memberships or memberships[key][1] != is_member:
            memberships[key] = name, is_member, since
    return memberships, tiers


@contextmanager
def read(url: str, customers: Sequence[str]) -> Iterator[Work]:
    """Select a customer's segments and tiers, without anything around it."""
    with closing(_connected(url)) as connection:
        segments, tiers = (each.format(_mark(connection)) for each in _ONE)

        def work() -> None:
            for customer_id in customers:
                connection.execute(segments, (customer_id,)).fetchall()
                connection.execute(tiers, (customer_id,)).fetchall()

        yield work


def _connected(url: str) -> Any:
    """Connect with the durable settings, each statement a transaction of its own."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def _make_tables(connection: Any) -> None:
    instant = "text" if isinstance(connection, sqlite3.Connection) else "timestamptz"
    for each in TABLES:
        connection.execute(each.format(instant=instant))


def _insert(connection: Any, table: str, columns: int, rows: list[tuple[Any, ...]]) -> None:
    if isinstance(connection, sqlite3.Connection):
        marks = ", ".join("?" * columns)
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        return
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _mark(connection: Any) -> str:
    return "?" if isinstance(connection, sqlite3.Connection) else "%s"
