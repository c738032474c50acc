"""Checks that the tables of a database are the program's own, before it reads or changes any.

The program's own version table shows that they are, together with the columns of the log's tables:
by their names alone, an `event` or a `customer` may be another application's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, bindparam, text

from projector.errors import (
    FileForeign,
    LogTablesMissing,
    ProjectorError,
    SchemaUnversioned,
    TablesTaken,
)
from projector.projections import own
from projector.store import dialects
from projector.store.tables import VERSION_TABLE, event, log_head, metadata, stream

#: The columns of each relation, by name.
Columns = Mapping[str, set[str]]

#: The columns of the tables that every revision of the schema has.
_LOG: Columns = {
    table.name: {column.name for column in table.columns} for table in (event, log_head, stream)
}

#: The number of tables that an error names.
NAMED_MAX = 5

_ON_SQLITE = text(
    "SELECT lower(sqlite_master.name), lower(pragma_table_info.name)"
    " FROM sqlite_master, pragma_table_info(sqlite_master.name)"
    " WHERE sqlite_master.type IN ('table', 'view')"
    " AND sqlite_master.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
)

# Those that an unqualified name means, and those that would be in the way of a new table, which
# is created in the first schema of the search_path.
_ON_POSTGRES = text(
    "SELECT relation.relname, part.attname,"
    " pg_table_is_visible(relation.oid), space.nspname = current_schema()"
    " FROM pg_class AS relation"
    " JOIN pg_namespace AS space ON space.oid = relation.relnamespace"
    " LEFT JOIN pg_attribute AS part"
    " ON part.attrelid = relation.oid AND part.attnum > 0 AND NOT part.attisdropped"
    " WHERE relation.relname IN :names AND relation.relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'S')"
).bindparams(bindparam("names", expanding=True))


def check(connection: Connection) -> None:
    """Raise an error unless the program's tables are its own, or there are none so far.

    Raises LogTablesMissing, SchemaUnversioned, TablesTaken or FileForeign.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    visible, in_the_way = (_read_sqlite if is_sqlite else _read_postgres)(connection)
    if "version_num" not in visible.get(VERSION_TABLE, set()):
        _check_unversioned(connection, visible, in_the_way)
    elif _has_revision(connection):
        if missing := _missing(visible):
            raise LogTablesMissing(url=_url(connection), tables=_list(missing))
    elif taken := in_the_way.keys() & _names() - {VERSION_TABLE}:
        raise TablesTaken(url=_url(connection), tables=_list(taken))


def is_empty(connection: Connection) -> bool:
    """Return whether a SQLite database has no tables at all."""
    return not _read_sqlite(connection)[0]


def _check_unversioned(connection: Connection, visible: Columns, in_the_way: Columns) -> None:
    """Check a database without the version table: nothing in it may have the name of a table."""
    url = _url(connection)
    error: ProjectorError | None = None
    if not _missing(visible):
        error = SchemaUnversioned(url=url, table=VERSION_TABLE)
    elif taken := in_the_way.keys() & _names():
        error = TablesTaken(url=url, tables=_list(taken))
    elif connection.dialect.name == "sqlite" and visible:
        # A file costs nothing, so it is never shared.
        error = FileForeign(path=connection.engine.url.database, tables=_list(visible))
    if error is not None:
        raise error


def _missing(visible: Columns) -> list[str]:
    """Return the names of the log's tables that are missing, or lack a column."""
    return [name for name, columns in _LOG.items() if not columns <= visible.get(name, set())]


def _has_revision(connection: Connection) -> bool:
    found = connection.execute(text(f"SELECT 1 FROM {VERSION_TABLE} LIMIT 1"))  # noqa: S608
    return found.first() is not None


def _read_sqlite(connection: Connection) -> tuple[Columns, Columns]:
    rows = connection.execute(_ON_SQLITE).all()
    columns = _group((name, part) for name, part in rows)
    return columns, columns


def _read_postgres(connection: Connection) -> tuple[Columns, Columns]:
    rows = connection.execute(_ON_POSTGRES, {"names": sorted(_names())}).all()
    visible = _group((name, part) for name, part, is_visible, _ in rows if is_visible)
    return visible, _group((name, part) for name, part, _, is_first in rows if is_first)


def _group(rows: Iterable[tuple[str, str]]) -> Columns:
    by_name: dict[str, set[str]] = {}
    for name, part in rows:
        by_name.setdefault(name, set()).add(part)
    return by_name


def _names() -> set[str]:
    """Return the names of the tables that migrations create, and of the version table."""
    return {VERSION_TABLE, *metadata.tables, *(each.name for each in own())}


def _url(connection: Connection) -> str:
    return dialects.redact(connection.engine.url)


def _list(names: Iterable[str]) -> str:
    """Return names as text, at most NAMED_MAX of them."""
    listed = sorted(names)
    more = f" and {len(listed) - NAMED_MAX} more" if len(listed) > NAMED_MAX else ""
    return ", ".join(listed[:NAMED_MAX]) + more
