"""What people would write instead of a rebuild: the last event wins.

No gaps, no certainty, no history, no digest, no dead letters, and nothing beside live tables.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_LAST = """
SELECT * FROM (
  SELECT project_id, type, occurred_at, {columns}, row_number() OVER (
    PARTITION BY project_id, {keys} ORDER BY occurred_at DESC, event_id DESC) AS place
  FROM {source} WHERE type LIKE '{types}') AS ranked
WHERE place = 1
"""


def statements(source: str, part: Callable[..., str]) -> Iterator[str]:
    """The last event of each customer, segment and campaign; `part` is a path in the data."""
    customer = part("customer", "id")
    for types, keys, columns in (
        (
            "customer.%",
            [customer],
            [part("customer", each) for each in ("source_id", "name", "email", "metadata")],
        ),
        (
            "customer.segment.%",
            [customer, part("segment", "id")],
            [part("segment", "id"), part("segment", "name")],
        ),
        (
            "customer.loyalty.tier.%",
            [customer, part("campaign", "id")],
            [
                part("campaign", "id"),
                part("campaign", "name"),
                f"coalesce({part('loyalty_tier_to', 'id')}, {part('loyalty_tier', 'id')})",
                f"coalesce({part('loyalty_tier_to', 'name')}, {part('loyalty_tier', 'name')})",
            ],
        ),
    ):
        named = [f"{column} AS c{number}" for number, column in enumerate([customer, *columns])]
        yield _LAST.format(
            columns=", ".join(named), keys=", ".join(keys), source=source, types=types
        )


def by_duckdb(bodies: Iterable[str], folder: Path) -> None:
    """Write the bodies as NDJSON, and let DuckDB read and rank them, on two threads."""
    import duckdb

    exported = folder / "exported.ndjson"
    with exported.open("w") as stream:
        for body in bodies:
            stream.write(body)
            stream.write("\n")
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(
            "CREATE VIEW event AS SELECT project_id, event.id AS event_id, event.type AS type,"
            " event.created_at AS occurred_at, data FROM read_ndjson(?, columns={"
            "'project_id': 'VARCHAR',"
            " 'event': 'STRUCT(id VARCHAR, type VARCHAR, created_at TIMESTAMP)',"
            " 'data': 'STRUCT(customer STRUCT(id VARCHAR, source_id VARCHAR, name VARCHAR,"
            " email VARCHAR, metadata VARCHAR), segment STRUCT(id VARCHAR, name VARCHAR),"
            " campaign STRUCT(id VARCHAR, name VARCHAR),"
            " loyalty_tier STRUCT(id VARCHAR, name VARCHAR),"
            " loyalty_tier_to STRUCT(id VARCHAR, name VARCHAR))'})".replace("?", f"'{exported}'")
        )
        for number, statement in enumerate(
            statements("event", lambda *path: f"data.{'.'.join(path)}")
        ):
            connection.execute(f"CREATE TABLE mine_{number} AS {statement}")
    exported.unlink()
