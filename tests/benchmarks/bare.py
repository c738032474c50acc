"""The floor of a rebuild: the bare driver reads the columns and inserts the same result rows."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from projector.projections import discover
from tests.benchmarks.others import statements
from tests.support.databases import projection_tables
from tests.support.postgres import Server

_SCAN = (
    "SELECT position, stream_id, occurred_at, event_id, type, source, body FROM event"
    " ORDER BY position"
)
_NAMES = [each.name for each in discover()]
_ROWS_AT_ONCE = 50_000
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Sqlite:
    """With executemany, into tables with their indexes, in the order of the primary key."""

    def __init__(self, url: str, folder: Path) -> None:
        self._folder = folder
        self._source = sqlite3.connect(url.removeprefix("sqlite:///"))
        found = self._source.execute("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL")
        self._definitions = [definition for name, definition in found if name in _NAMES]
        self._rows = {
            name: self._source.execute(
                f"SELECT * FROM {name} ORDER BY project_id, customer_id"
            ).fetchall()
            for name in _NAMES
        }

    def floor(self) -> None:
        path = self._folder / "floor.db"
        for ending in ("", "-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        target = sqlite3.connect(path, isolation_level=None)
        for pragma in ("page_size = 8192", "journal_mode = WAL", "cache_size = -16384"):
            target.execute(f"PRAGMA {pragma}")
        for definition in self._definitions:
            target.execute(definition)
        for _row in self._source.execute(_SCAN):
            pass
        for name, rows in self._rows.items():
            statement = f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})"
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                target.execute("BEGIN IMMEDIATE")
                target.executemany(statement, rows[start : start + _ROWS_AT_ONCE])
                target.execute("COMMIT")
        target.close()

    def by_sql(self) -> None:
        for number, statement in enumerate(
            statements("event", lambda *path: f"json_extract(body, '$.data.{'.'.join(path)}')")
        ):
            self._source.execute(f"CREATE TEMPORARY TABLE mine_{number} AS {statement}")
            self._source.execute(f"DROP TABLE mine_{number}")
        self._source.rollback()

    def bodies(self) -> Iterator[str]:
        for (body,) in self._source.execute("SELECT body FROM event ORDER BY position"):
            yield body


class Postgres:
    """With COPY, into tables without indexes; then those."""

    def __init__(self, url: str, server: Server) -> None:
        self._source = psycopg.connect(url.replace("+psycopg", ""))
        self._target = psycopg.connect(server.create_database().replace("+psycopg", ""))
        self._rows, self._types = {}, {}
        for name in _NAMES:
            cursor = self._source.execute(
                sql.SQL("SELECT * FROM {} ORDER BY project_id, customer_id").format(
                    sql.Identifier(name)
                )
            )
            self._rows[name] = cursor.fetchall()
            self._types[name] = [each.type_code for each in cursor.description or ()]
        self._source.rollback()

    def floor(self) -> None:
        with self._source.cursor("scan") as scan:
            scan.itersize = 1000
            for _row in scan.execute(_SCAN):
                pass
        self._source.rollback()
        for name, rows in self._rows.items():
            table = projection_tables[name]
            columns = ", ".join(
                f"{each.name} {each.type.compile(_DIALECT)}" for each in table.columns
            )
            self._execute(f"CREATE TABLE {name} ({columns})")
            with (
                self._target.cursor() as cursor,
                cursor.copy(f"COPY {name} FROM STDIN (FORMAT BINARY)".encode()) as copy,
            ):
                copy.set_types(self._types[name])
                for row in rows:
                    copy.write_row(row)
            for each in (table.primary_key, *_unique(table)):
                keys = ", ".join(column.name for column in each.columns)
                self._execute(f"CREATE UNIQUE INDEX ON {name} ({keys})")
        self._target.commit()
        for name in self._rows:
            self._execute(f"DROP TABLE {name}")
        self._target.commit()

    def by_sql(self) -> None:
        for number, statement in enumerate(
            statements("event", lambda *path: f"CAST(body AS json) #>> '{{data,{','.join(path)}}}'")
        ):
            self._source.execute(f"CREATE TEMPORARY TABLE mine_{number} AS {statement}".encode())
        self._source.rollback()

    def bodies(self) -> Iterator[str]:
        with self._source.cursor("bodies") as cursor:
            cursor.itersize = 1000
            for (body,) in cursor.execute("SELECT body FROM event ORDER BY position"):
                yield body
        self._source.rollback()

    def _execute(self, statement: str) -> None:
        self._target.execute(statement.encode())


def _unique(table: Table) -> list[UniqueConstraint]:
    return [each for each in table.constraints if isinstance(each, UniqueConstraint)]
