"""A shadow takes the place of the live table.

The tables trade names, which takes no time. Where users hung something of their own on the live
table (a view, an index, a trigger), that would go with it: there the rows are moved instead.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from projector.projections.projection import Projection
from projector.store import dead_letters, tables
from projector.store.rebuild import shadow
from projector.store.tables import SHADOW, dead_letter

_DEPENDENTS_SQLITE = text(
    "SELECT type || ' ' || name FROM sqlite_schema"
    " WHERE tbl_name = :live AND name <> :live AND sql IS NOT NULL ORDER BY 1"
)

#: All that depends on a table or on its row type, as functions that return rows do, but its own
#: constraints, that type and its array, and its toast table; and rights on single columns, which
#: are no such dependencies.
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
    SELECT 'rights on column ' || attname FROM pg_attribute
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


def dependents(connection: Connection, projection: Projection) -> list[str]:
    """What hangs on a live table that no migration made, in the database's own words."""
    names = {"live": projection.name}
    if connection.dialect.name == "sqlite":
        return list(connection.execute(_DEPENDENTS_SQLITE, names).scalars())
    expected = shadow.constraints(shadow.of(projection))
    return list(connection.execute(_DEPENDENTS_POSTGRES, {**names, "names": expected}).scalars())


def swap_names(connection: Connection, projection: Projection) -> None:
    """Put the shadow in the place of the live table; what that was waits to be dropped.

    To drop a table takes a tenth of a second for a million rows, or more: nobody should wait for
    that.
    """
    live, replaced = projection.name, projection.name + shadow.REPLACED
    name = shadow.of(projection).name
    if connection.dialect.name == "sqlite":
        # Otherwise the users' views would follow the old table.
        connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")
        try:
            connection.exec_driver_sql(f"ALTER TABLE {live} RENAME TO {replaced}")
            connection.exec_driver_sql(f"ALTER TABLE {name} RENAME TO {live}")
        except Exception:
            # After Ctrl-C there is no connection that anybody could use again.
            connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")
            raise
        connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")
        return
    _copy_privileges(connection, live, name)
    constraints = shadow.constraints(shadow.of(projection))
    connection.exec_driver_sql(f"ALTER TABLE {live} RENAME TO {replaced}")
    for each in constraints:
        connection.exec_driver_sql(
            f"ALTER TABLE {replaced} RENAME CONSTRAINT {each} TO {each}{shadow.REPLACED}"
        )
    connection.exec_driver_sql(f"ALTER TABLE {name} RENAME TO {live}")
    for each in constraints:
        connection.exec_driver_sql(f"ALTER TABLE {live} RENAME CONSTRAINT {each}{SHADOW} TO {each}")


def copy_rows(connection: Connection, projection: Projection) -> None:
    """Put the shadow's rows in the place of the live ones, for as long as that takes."""
    live, filled = tables.table_of(projection), tables.table_of(shadow.of(projection))
    connection.execute(delete(live))
    names = [column.name for column in live.columns]
    connection.execute(insert(live).from_select(names, select(filled)))
    connection.exec_driver_sql(f"DROP TABLE {filled.name}")


def move_dead_letters(connection: Connection, projection: Projection) -> None:
    """Put the shadow's dead letters in the place of the live ones."""
    dead_letters.delete_all(connection, projection.name)
    connection.execute(
        update(dead_letter)
        .where(dead_letter.c.projection == shadow.of(projection).name)
        .values(projection=projection.name)
    )


def _copy_privileges(connection: Connection, live: str, name: str) -> None:
    """Who could read the live table can read the one that takes its place."""
    for grantee, privilege, option in connection.execute(_PRIVILEGES, {"live": live}).all():
        connection.exec_driver_sql(f"GRANT {privilege} ON {name} TO {grantee}{option}")
    owner, mine = (connection.execute(_OWNER, {"name": each}).scalar_one() for each in (live, name))
    if owner != mine:
        connection.exec_driver_sql(f"ALTER TABLE {name} OWNER TO {owner}")
