"""Every statement that the program sends, and what the database would do for it at that moment.

Drivers' cursors note who in the program sent a statement, and ask for its plan right before it
runs: on the same connection, with its parameters, amid temporary tables and shadows.
"""

import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
from attrs import field, frozen, mutable
from psycopg.rows import tuple_row
from sqlalchemy import event

from projector.store.database import Database

ROOT = Path(__file__).parent.parent.parent
_OURS = (f"{ROOT}/projector/", f"{ROOT}/replay/")

#: How often a statement is looked at: with other values it may have another plan.
TIMES_MAX = 3

#: What sends statements for others, and the files to pass by to find these.
_ON_BEHALF = "kept_connections.KeptConnections.select"
_ON_BEHALF_FILES = ("/kept_connections.py", "/database.py")

_HAS_A_PLAN = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?[sb]")


@frozen
class Site:
    """A place in the program from which a statement is sent."""

    path: str
    line: int
    #: As in `log.find`.
    function: str


NOWHERE = Site("", 0, "")


@frozen
class Plan:
    """What a database would do for a statement."""

    site: Site
    statement: str
    #: On SQLite the text of its steps, on Postgres its tree.
    steps: Any


@mutable
class Record:
    """What was sent while it was on."""

    is_on: bool = False
    sites: set[Site] = field(factory=set)
    plans: list[Plan] = field(factory=list)
    _times: Counter[tuple[str, str]] = field(factory=Counter)

    def new(self, statement: str) -> Site | None:
        """Note a statement; returns who sends it, if its plan is to be looked at."""
        site = _sender(sys._getframe(2)) if self.is_on else None
        if site is None:
            return None
        self.sites.add(site)
        if site.function == _ON_BEHALF:
            site = _sender(sys._getframe(2), but=_ON_BEHALF_FILES) or site
        self._times[site.function, statement] += 1
        is_asked = self._times[site.function, statement] <= TIMES_MAX
        return site if is_asked and _HAS_A_PLAN.match(statement) else None


def _sender(frame: FrameType | None, *, but: tuple[str, ...] = ()) -> Site | None:
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(_OURS) and not path.endswith(but or ("\0",)):
            function = f"{Path(path).stem}.{frame.f_code.co_qualname}".replace(".<locals>", "")
            return Site(path.removeprefix(f"{ROOT}/"), frame.f_lineno, function)
        frame = frame.f_back
    return None


@contextmanager
def recorded(url: str) -> Iterator[tuple[Database, Record]]:
    """A database and the record of what is sent to it."""
    record, database = Record(), Database(url)
    (_record_sqlite if database.is_sqlite else _record_postgres)(database, record)
    yield database, record
    database.close()


def _record_sqlite(database: Database, record: Record) -> None:
    class Cursor(sqlite3.Cursor):
        def execute(self, statement: str, parameters: Any = ()) -> Any:
            self._note(statement, parameters)
            return super().execute(statement, parameters)

        def executemany(self, statement: str, parameters: Any) -> Any:
            several = list(parameters)
            self._note(statement, several[0])
            return super().executemany(statement, several)

        def _note(self, statement: str, parameters: Any) -> None:
            if site := record.new(statement):
                steps = _steps(self.connection, statement, parameters)
                record.plans.append(Plan(site, statement, steps))

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
            found: sqlite3.Cursor = self.cursor().execute(statement, parameters)
            return found

        def executemany(self, statement: str, parameters: Any) -> sqlite3.Cursor:
            found: sqlite3.Cursor = self.cursor().executemany(statement, parameters)
            return found

    @event.listens_for(database.engine, "do_connect")
    def connect(_dialect: Any, _pooled: Any, _arguments: Any, named: dict[str, Any]) -> None:
        named["factory"] = Connection


def _record_postgres(database: Database, record: Record) -> None:
    class Cursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            if site := record.new(query):
                self._note(site, query, params)
            return super().execute(query, params, **more)

        def executemany(self, query: Any, params_seq: Any, **more: Any) -> Any:
            several = list(params_seq)
            if site := record.new(query):
                self._note(site, query, several[0])
            return super().executemany(query, several, **more)

        def _note(self, site: Site, query: str, params: Any) -> None:
            record.plans.append(Plan(site, query, _tree(self.connection, query, params)))
            # Where it was prepared and is run often, the plan may be one for any parameters, which
            # the server does not tell amid a pipeline.
            if params and not self.connection.pgconn.pipeline_status:
                tree = _tree_for_any(self.connection, query)
                record.plans.append(Plan(site, f"{query} [for any parameters]", tree))

        def copy(self, statement: Any, *parameters: Any, **more: Any) -> Any:
            record.new(statement)
            return super().copy(statement, *parameters, **more)

    class ServerCursor(psycopg.ServerCursor[Any]):
        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            if site := record.new(query):
                # The server makes haste with the first rows of a cursor: another plan, maybe.
                tree = _tree(self.connection, f"DECLARE c CURSOR FOR {query}", params)
                record.plans.append(Plan(site, query, tree))
            return super().execute(query, params, **more)

    @event.listens_for(database.engine, "do_connect")
    def connect(_dialect: Any, _pooled: Any, _arguments: Any, named: dict[str, Any]) -> None:
        named["cursor_factory"] = Cursor

    @event.listens_for(database.engine, "connect")
    def connected(connection: Any, _pooled: Any) -> None:
        connection.server_cursor_factory = ServerCursor


def explained(database: Database, statement: str) -> Plan:
    """The plan of a statement of somebody else's."""
    with database.reading() as connection:
        driver: Any = connection.connection.driver_connection
        return Plan(
            NOWHERE, statement, (_steps if database.is_sqlite else _tree)(driver, statement)
        )


def _steps(connection: Any, statement: str, parameters: Any = ()) -> list[str]:
    plain = sqlite3.Cursor(connection)
    # Otherwise it plans with the schema that the connection saw last.
    plain.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    found = plain.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    return [row[3] for row in found.fetchall()]


def _tree(connection: Any, statement: str, parameters: Any = None) -> Any:
    asked: Any = f"EXPLAIN (FORMAT JSON) {statement}"
    with psycopg.Cursor(connection, row_factory=tuple_row) as plain:
        [[[found]]] = plain.execute(asked, parameters, prepare=False).fetchall()
    return found["Plan"]


def _tree_for_any(connection: Any, statement: str) -> Any:
    """The plan of a statement whose parameters are not known."""
    numbers: dict[str, str] = {}

    def numbered(found: re.Match[str]) -> str:
        return numbers.setdefault(found[1] or f"{len(numbers)}", f"${len(numbers) + 1}")

    asked: Any = _PLACEHOLDER.sub(numbered, statement).replace("%%", "%")
    with psycopg.Cursor(connection, row_factory=tuple_row) as plain:
        [[[found]]] = plain.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {asked}").fetchall()
    return found["Plan"]
