"""The swap: a shadow takes the place of the live table.

The tables swap names, which takes no time. Where something of the users' depends on the live table
(a view, an index, a trigger), it would go with it: there the rows are copied instead.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from projector.projections.rebuilding import REPLACED, SHADOW, Rebuilding
from projector.store import dead_letters
from projector.store.rebuild import shadow
from projector.store.tables import dead_letter, table_of

_DEPENDENTS_SQLITE = text(
    "SELECT type || ' ' || name FROM sqlite_schema"
    " WHERE tbl_name = :live AND name <> :live AND sql IS NOT NULL ORDER BY 1"
)

#: Everything that depends on a table or its row type (views, functions), except its constraints,
#: its row and array types and its TOAST table. Column privileges are not in pg_depend, so they are
#: queried separately.
_DEPENDENTS_POSTGRES = text(
    """
    SELECT DISTINCT pg_describe_object(classid, objid, 0) FROM pg_depend
    WHERE (refclassid = 'pg_class'::regclass AND refobjid = CAST(:live AS regclass)
        OR refclassid = 'pg_type'::regclass AND refobjid IN (
          SELECT unnest(ARRAY[oid, typarray]) FROM pg_type
          WHERE typrelid = CAST(:live AS regclass)))
      AND NOT (classid = 'pg_type'::regclass AND deptype = 'i')
      AND NOT (classid = 'pg_constraint'::regclass AND objid IN (
        SELECT oid FROM pg_constraint
        WHERE conrelid = CAST(:live AS regclass) AND (contype = 'n' OR conname IN :names)))
      AND NOT (classid = 'pg_class'::regclass AND objid IN (
        SELECT oid FROM pg_class WHERE relkind = 't'))
    UNION ALL
    SELECT 'privileges on column ' || attname FROM pg_attribute
    WHERE attrelid = CAST(:live AS regclass) AND attacl IS NOT NULL
    ORDER BY 1
    """
).bindparams(bindparam("names", expanding=True))

_PRIVILEGES = text(
    """
    SELECT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
      privilege_type, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    FROM pg_class, aclexplode(relacl)
    WHERE oid = CAST(:live AS regclass) AND grantee <> relowner
    """
)

_OWNER = text(
    "SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class"
    " WHERE oid = CAST(:name AS regclass)"
)

#: Of a table that may be of another layout than today's projection.
_CONSTRAINTS = text(
    "SELECT quote_ident(conname) FROM pg_constraint"
    " WHERE conrelid = CAST(:name AS regclass) AND contype IN ('p', 'u') ORDER BY contype, conname"
)


def dependents(
    connection: Connection, pair: Rebuilding, *, has_new_layout: bool = False
) -> list[str]:
    """List what depends on a live table and no migration made, in the database's own words.

    Where the shadow has a new layout, all constraints of the live table count as its own.
    """
    names = {"live": pair.live.name}
    if connection.dialect.name == "sqlite":
        return list(connection.execute(_DEPENDENTS_SQLITE, names).scalars())
    expected = shadow.constraints(pair.shadow)
    if has_new_layout:
        expected = _constraints_of(connection, pair.live.name)
    return list(connection.execute(_DEPENDENTS_POSTGRES, {**names, "names": expected}).scalars())


def swap_names(connection: Connection, pair: Rebuilding) -> None:
    """Give the shadow the name of the live table, which is dropped later.

    To drop a table takes a tenth of a second for a million rows, or more: too long for a swap.
    """
    live, filled, replaced = pair.live.name, pair.shadow.name, pair.replaced_name
    if connection.dialect.name == "sqlite":
        # Without this pragma, users' views would follow the old table.
        connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")
        try:
            connection.exec_driver_sql(f"ALTER TABLE {live} RENAME TO {replaced}")
            connection.exec_driver_sql(f"ALTER TABLE {filled} RENAME TO {live}")
        except Exception:
            # Not in a `finally`: after Ctrl-C the connection is unusable.
            connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")
            raise
        connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")
        return
    _copy_privileges(connection, live, filled)
    connection.exec_driver_sql(f"ALTER TABLE {live} RENAME TO {replaced}")
    for each in _constraints_of(connection, replaced):
        connection.exec_driver_sql(
            f"ALTER TABLE {replaced} RENAME CONSTRAINT {each} TO {each}{REPLACED}"
        )
    connection.exec_driver_sql(f"ALTER TABLE {filled} RENAME TO {live}")
    for each in shadow.constraints(pair.shadow):
        connection.exec_driver_sql(f"ALTER TABLE {live} RENAME CONSTRAINT {each}{SHADOW} TO {each}")


def copy_rows(connection: Connection, pair: Rebuilding) -> None:
    """Replace the live rows by the shadow's."""
    live, filled = table_of(pair.live), table_of(pair.shadow)
    connection.execute(delete(live))
    names = [column.name for column in live.columns]
    connection.execute(insert(live).from_select(names, select(filled)))
    connection.exec_driver_sql(f"DROP TABLE {filled.name}")


def move_dead_letters(connection: Connection, pair: Rebuilding) -> None:
    """Replace the live dead letters by the shadow's."""
    dead_letters.delete_all(connection, pair.live.name)
    connection.execute(
        update(dead_letter)
        .where(dead_letter.c.projection == pair.shadow.name)
        .values(projection=pair.live.name)
    )


def _constraints_of(connection: Connection, name: str) -> list[str]:
    """The constraints of a table that have an index, by their names."""
    return list(connection.execute(_CONSTRAINTS, {"name": name}).scalars())


def _copy_privileges(connection: Connection, live: str, filled: str) -> None:
    """Grant on the shadow the privileges that the live table has, and give it the same owner."""
    for grantee, privilege, option in connection.execute(_PRIVILEGES, {"live": live}).all():
        connection.exec_driver_sql(f"GRANT {privilege} ON {filled} TO {grantee}{option}")
    owner, mine = (
        connection.execute(_OWNER, {"name": each}).scalar_one() for each in (live, filled)
    )
    if owner != mine:
        connection.exec_driver_sql(f"ALTER TABLE {filled} OWNER TO {owner}")
