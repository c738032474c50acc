"""The floors: what the bare driver needs to insert the same ready rows, with the same indexes."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

_COLUMNS = (
    "position, project_id, event_id, type, stream_id, occurred_at, received_at, late, source, body"
)
_INSTANTS = ["timestamptz", "timestamptz"]
_POSTGRES_TYPES = ["int8", "text", "text", "text", "int8", *_INSTANTS, "bool", "text", "text"]


def read_rows(path: Path) -> list[tuple[Any, ...]]:
    """The rows of a log that the program wrote, as SQLite has them."""
    with sqlite3.connect(path) as connection:
        return connection.execute(f"SELECT {_COLUMNS} FROM event ORDER BY position").fetchall()


def for_postgres(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row as Postgres's driver takes it."""
    *ids, occurred_at, received_at, late, source, body = row
    instants = map(datetime.fromisoformat, (occurred_at, received_at))
    return (*ids, *instants, bool(late), source, body)


def insert_sqlite(path: Path, rows: Sequence[tuple[Any, ...]], *, batch: int) -> None:
    """Insert rows with executemany: the program's pragmas and indexes, and nothing else."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA page_size = 8192")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA cache_size = -16384")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE event (position INTEGER PRIMARY KEY, project_id TEXT NOT NULL, "
        "event_id TEXT NOT NULL, type TEXT NOT NULL, stream_id INTEGER, "
        "occurred_at TEXT NOT NULL, received_at TEXT NOT NULL, late INTEGER NOT NULL, "
        "source TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (project_id, event_id))"
    )
    connection.execute("CREATE INDEX event_stream_id ON event (stream_id)")
    statement = f"INSERT INTO event ({_COLUMNS}) VALUES ({', '.join('?' * 10)})"
    for start in range(0, len(rows), batch):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, rows[start : start + batch])
        connection.execute("COMMIT")
    connection.close()


def insert_postgres(url: str, rows: Sequence[tuple[Any, ...]], *, batch: int) -> None:
    """Insert rows with binary COPY: the program's columns and indexes, and nothing else."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(
            'CREATE TABLE event (position bigint PRIMARY KEY, project_id text COLLATE "C" NOT NULL,'
            ' event_id text COLLATE "C" NOT NULL, type text NOT NULL, stream_id bigint, '
            "occurred_at timestamptz NOT NULL, received_at timestamptz NOT NULL, "
            "late boolean NOT NULL, source text NOT NULL, body text NOT NULL, "
            "UNIQUE (project_id, event_id))"
        )
        connection.execute("CREATE INDEX event_stream_id ON event (stream_id)")
        connection.commit()
        for start in range(0, len(rows), batch):
            with (
                connection.cursor() as cursor,
                cursor.copy(f"COPY event ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
            ):
                copy.set_types(_POSTGRES_TYPES)
                for row in rows[start : start + batch]:
                    copy.write_row(row)
            connection.commit()
