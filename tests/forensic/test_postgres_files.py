"""After a full purge, no file of a Postgres cluster has a text of an erased customer."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from projector.erasure import forget
from projector.store.erasure.purge import purge_files
from tests.forensic.persons import erased_ids, fill, found_in
from tests.support.databases import migrated
from tests.support.postgres import Server, running_server

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A cluster of its own, whose log of what was written is not reused."""
    with running_server(own=True, settings={"wal_recycle": "off", "autovacuum": "off"}) as server:
        yield server


def test_a_full_purge_leaves_no_text_of_an_erased_customer_in_any_file(server: Server) -> None:
    with (
        server.database() as url,
        migrated(url) as database,
        psycopg.connect(server.conninfo(), autocommit=True) as admin,
        psycopg.connect(server.conninfo(), dbname=database.url.database, autocommit=True) as there,
    ):
        [folder] = admin.execute("SHOW data_directory").fetchone()

        def show(stage):
            admin.execute("CHECKPOINT")
            found = found_in(Path(folder).rglob("*"))
            names = {}
            for name, hits in found.items():
                if name.isdigit() or "." in name or "_" in name:
                    r = (
                        there.execute(
                            "select relname from pg_class where relfilenode=%s or pg_relation_filenode(oid)=%s",
                            (int(name.split(".")[0].split("_")[0]),) * 2,
                        ).fetchone()
                        if name[0].isdigit() and len(name) < 20
                        else None
                    )
                    names[name if not r else r[0]] = sum(hits.values())
                else:
                    names[name] = sum(hits.values())
            print(stage, names)

        fill(database)
        there.execute("VACUUM ANALYZE")
        show("filled")
        print(forget(database, erased_ids()))
        show("erased")
        print(purge_files(database))
        show("purged")
        print(purge_files(database, full=True))
        show("full")
        for _ in range(3):
            admin.execute("SELECT pg_switch_wal()")
            admin.execute("CHECKPOINT")
        show("switched")
