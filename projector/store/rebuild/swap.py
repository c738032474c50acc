"""Swaps a shadow with the live table.

The tables swap their names, which takes no time. If an object of a user's (a view, an index, a
trigger) depends on the live table, it would be dropped with it: then the rows are copied instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, text, update

from projector.projections.rebuilding import REPLACED, SHADOW, Rebuilding
from projector.store import dead_letters
from projector.store.rebuild import shadow
from projector.store.row_tables import table_of
from projector.store.tables import dead_letter

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

#: Constraints with an index, from the catalog: the table's layout may differ from that of today's
#: projection.
_CONSTRAINTS = text(
    "SELECT conname, quote_ident(conname), quote_ident(conname || :suffix) FROM pg_constraint"
    " WHERE conrelid = CAST(:name AS regclass) AND contype IN ('p', 'u') ORDER BY contype, conname"
)


def dependents(
    connection: Connection, pair: Rebuilding, *, has_new_layout: bool = False
) -> list[str]:
    """Return the dependents of a live table that no migration created, as the database names them.

    Constraints that the projection defines are not dependents; if the shadow has a new layout, no
    constraint with an index is.
    """
    names = {"live": pair.live.name}
    if connection.dialect.name == "sqlite":
        return list(connection.execute(_DEPENDENTS_SQLITE, names).scalars())
    expected = shadow.constraints(pair.shadow)
    if has_new_layout:
        expected = [name for name, _, _ in _constraints_of(connection, pair.live.name)]
    return list(connection.execute(_DEPENDENTS_POSTGRES, {**names, "names": expected}).scalars())


def swap_names(connection: Connection, pair: Rebuilding) -> None:
    """Swap names: rename the live table, which is dropped later, and the shadow to its name.

    Dropping a table of a million rows takes a tenth of a second or more: too long for a swap.
    """
    live, shadow_name, replaced = pair.live.name, pair.shadow.name, pair.replaced_name
    if connection.dialect.name == "sqlite":
        # Without this pragma, SQLite would rewrite users' views to refer to the renamed old table.
        connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")
        try:
            connection.exec_driver_sql(f"ALTER TABLE {live} RENAME TO {replaced}")
            connection.exec_driver_sql(f"ALTER TABLE {shadow_name} RENAME TO {live}")
        except Exception:
            # Not a `finally`: after a Ctrl-C the connection is unusable.
            connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")
            raise
        connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")
        return
    _copy_privileges(connection, live, shadow_name)
    connection.exec_driver_sql(f"ALTER TABLE {live} RENAME TO {replaced}")
    for _, old, new in _constraints_of(connection, replaced):
        connection.exec_driver_sql(f"ALTER TABLE {replaced} RENAME CONSTRAINT {old} TO {new}")
    connection.exec_driver_sql(f"ALTER TABLE {shadow_name} RENAME TO {live}")
    for each in shadow.constraints(pair.shadow):
        connection.exec_driver_sql(f"ALTER TABLE {live} RENAME CONSTRAINT {each}{SHADOW} TO {each}")


def copy_rows(connection: Connection, pair: Rebuilding) -> None:
    """Replace the live table's rows by the shadow's, and drop the shadow."""
    live, shadow_table = table_of(pair.live), table_of(pair.shadow)
    connection.execute(delete(live))
    names = [column.name for column in live.columns]
    connection.execute(insert(live).from_select(names, select(shadow_table)))
    connection.exec_driver_sql(f"DROP TABLE {shadow_table.name}")


def move_dead_letters(connection: Connection, pair: Rebuilding) -> None:
    """Replace the live projection's dead letters by the shadow's."""
    dead_letters.delete_all(connection, pair.live.name)
    connection.execute(
        update(dead_letter)
        .where(dead_letter.c.projection == pair.shadow.name)
        .values(projection=pair.live.name)
    )


def _constraints_of(connection: Connection, name: str) -> Sequence[Row[str, str, str]]:
    """Return a table's constraints with an index, the primary key first.

    Each with its name, the quoted name, and the quoted name that it gets when it is replaced.
    """
    return connection.execute(_CONSTRAINTS, {"name": name, "suffix": REPLACED}).all()


def _copy_privileges(connection: Connection, live: str, shadow_name: str) -> None:
    """Grant the live table's privileges on the shadow, and give it the same owner."""
    for grantee, privilege, option in connection.execute(_PRIVILEGES, {"live": live}).all():
        connection.exec_driver_sql(f"GRANT {privilege} ON {shadow_name} TO {grantee}{option}")
    live_owner, shadow_owner = (
        connection.execute(_OWNER, {"name": each}).scalar_one() for each in (live, shadow_name)
    )
    if live_owner != shadow_owner:
        connection.exec_driver_sql(f"ALTER TABLE {shadow_name} OWNER TO {live_owner}")
