"""Copies of a migrated Postgres database, which are emptied and used again if they are as before.

To empty one takes a quarter of the time of another copy. One whose schema, settings or statistics a
test has changed is dropped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import psycopg
from attrs import define, field
from psycopg import sql

from projector.store.tables import metadata
from tests.support.databases import GUARDED, migrated, projection_tables
from tests.support.postgres import Server

#: Everything of a database that a test may change and `wipe` does not put back, as one text.
_FINGERPRINT = """
SELECT md5(string_agg(each, ';' ORDER BY each)) FROM (
    SELECT concat_ws(' ', 'table', n.nspname, c.relname, c.relkind, c.relowner, c.relacl,
                     c.reloptions, c.relpersistence, c.reltuples < 1) AS each
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid >= 16384
        AND n.nspname NOT LIKE 'pg\\_toast%'
    UNION ALL
    SELECT concat_ws(' ', 'column', attrelid::regclass, attname, atttypid, attnotnull, attnum,
                     attcollation, attisdropped, attacl)
    FROM pg_attribute WHERE attrelid >= 16384 AND attnum > 0
        AND attrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'p'))
    UNION ALL SELECT concat_ws(' ', 'index', pg_get_indexdef(indexrelid), indisvalid)
    FROM pg_index WHERE indrelid >= 16384
        AND indrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')
    UNION ALL SELECT concat_ws(' ', 'constraint', conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'trigger', tgname, tgenabled, pg_get_triggerdef(oid))
    FROM pg_trigger WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'function', proname, prosrc, proacl)
    FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'schema', nspname, nspowner, nspacl)
    FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'
    UNION ALL SELECT concat_ws(' ', 'setting', setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL SELECT concat_ws(' ', 'database', datdba, datacl, datallowconn, datconnlimit,
                               encoding, datcollate, datctype)
    FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT concat_ws(' ', 'revision', version_num) FROM projector_schema
    UNION ALL SELECT concat_ws(' ', 'other', (SELECT count(*) FROM pg_default_acl),
                     (SELECT count(*) FROM pg_extension),
                     (SELECT count(*) FROM pg_type WHERE oid >= 16384 AND typtype <> 'b'
                        AND typrelid = 0),
                     (SELECT count(*) FROM pg_policy), (SELECT count(*) FROM pg_publication),
                     (SELECT count(*) FROM pg_event_trigger), (SELECT count(*) FROM pg_statistic
                        WHERE starelid >= 16384),
                     (SELECT count(*) FROM pg_roles))
) AS all_of_it
"""

_END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


#: What `wipe` does, in one round trip.
_WIPE = sql.SQL(
    "; ".join(
        [
            *(f"ALTER TABLE {name} DISABLE TRIGGER ALL" for name in GUARDED),
            *(
                f"DELETE FROM {table.name}"
                for table in (*metadata.sorted_tables, *projection_tables.values())
            ),
            "INSERT INTO log_head (log_head_id, position, stream_id) VALUES (1, 0, 0)",
            *(
                f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {name}_refuse_{rule}"
                for name in GUARDED
                for rule in ("rewrite", "change")
            ),
        ]
    )
)


@define(eq=False)
class Copies:
    """The copies of one server; those that are free are empty."""

    server: Server
    template: str
    _free: list[str] = field(factory=list)

    @contextmanager
    def copy(self) -> Iterator[str]:
        """The URL of a copy that nobody else uses."""
        url = self._free.pop() if self._free else self.server.create_database(self.template)
        try:
            yield url
        finally:
            if self._empty(url):
                self._free.append(url)
            else:
                self.server.drop_database(url)

    def drop(self) -> None:
        """Drop those that are free."""
        for each in self._free:
            self.server.drop_database(each)

    def _empty(self, url: str) -> bool:
        """Empty a copy, unless it is not as it was made."""
        try:
            with _connected(url) as connection:
                connection.execute(_END_SESSIONS)
                if _fingerprint(connection) != self._as_made:
                    return False
                connection.execute(_WIPE)
        except psycopg.Error:
            # Whatever a test did to it, the next one gets another.
            return False
        return True

    @cached_property
    def _as_made(self) -> str:
        with self.server.database(self.template) as url, _connected(url) as connection:
            connection.execute(_WIPE)
            return _fingerprint(connection)


def _connected(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def _fingerprint(connection: psycopg.Connection) -> str:
    row = connection.execute(_FINGERPRINT).fetchone()
    assert row is not None
    return str(row[0])


@contextmanager
def copies(server: Server) -> Iterator[Copies]:
    """Copies of a migrated database on a server."""
    with server.database() as template:
        with migrated(template):
            pass
        made = Copies(server, template)
        try:
            yield made
        finally:
            made.drop()
