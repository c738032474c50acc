"""After a full purge, no file of a Postgres cluster has a text of an erased customer."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from projector.erasure import forget
from projector.store.database import Database
from projector.store.erasure import purge_postgres
from projector.store.erasure.purge import purge_files, unpurged
from tests.forensic.persons import GONE, erased_ids, fill, found_in, text_of
from tests.support.databases import migrated
from tests.support.postgres import Server, running_server

pytestmark = pytest.mark.external

#: Segments of the write-ahead log are removed and not written over in their time.
_SETTINGS = {"wal_recycle": "off", "autovacuum": "off"}

#: All that Postgres tells of values in columns.
_STATISTICS = "SELECT pg_stats::text FROM pg_stats"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A cluster of its own, for all its files are read."""
    with running_server(own=True, settings=_SETTINGS) as server:
        yield server


@pytest.fixture
def filled(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database of customers, with statistics; a purge of it does not wait for readers."""
    monkeypatch.setattr(purge_postgres, "READERS_SECONDS_MAX", 0)
    with server.database() as url, migrated(url) as database:
        fill(database)
        with database.outside_of_transactions() as connection:
            connection.execute("VACUUM ANALYZE")
        yield database


def _files(server: Server, *, but: str = "") -> list[Path]:
    """The files of the cluster as they are after a checkpoint; without those of one folder."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        [folder] = connection.execute("SHOW data_directory").fetchone() or ()
    return [each for each in Path(folder).rglob("*") if but not in each.parts]


def _dump(database: Database) -> str:
    """Every row of every table as SQL gives it, and the planner's statistics."""
    tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
    with database.outside_of_transactions() as connection:
        selects = [f"SELECT t::text FROM {name} t" for (name,) in connection.execute(tables)]
        return "\n".join(
            row[0] for each in (*selects, _STATISTICS) for row in connection.execute(each)
        )


def test_a_full_purge_leaves_no_text_of_an_erased_customer_in_any_file(
    server: Server, filled: Database
) -> None:
    """Stage by stage: a reader of old rows, an online purge, a full one, and the WAL's own end."""
    with filled.outside_of_transactions() as connection:
        told = "\n".join(row[0] for row in connection.execute(_STATISTICS))
    assert GONE in told
    with filled.reading() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM event")
        report = forget(filled, erased_ids())
        assert "is older than the erasure" in str(report.purge_problem)
    with filled.reading() as connection:
        assert unpurged(connection) == [report.erasure_id]
    online = purge_files(filled)
    assert online.erasures == (report.erasure_id,)
    assert GONE not in _dump(filled)
    assert text_of(1) in _dump(filled)
    # As it says.
    assert found_in(_files(server, but="pg_wal")) != {}
    assert "`projector purge --full` rewrites the tables" in " ".join(online.left)
    assert purge_files(filled, full=True).full
    assert found_in(_files(server, but="pg_wal")) == {}
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        for _ in range(2):
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")
    assert found_in(_files(server)) == {}
