"""One rebuild of a database at a time: another one is refused, here and on other machines."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from projector.errors import DatabaseUnreachable, RebuildRunning
from projector.projections import discover
from projector.store.database import Database
from projector.store.rebuild import shadow
from replay import rebuild, verify
from replay.engines import ENGINES, EnginePiece, Job
from tests.support.databases import stored
from tests.support.engines import as_engine
from tests.support.given import append_and_project, entered, joined
from tests.support.logs import TUESDAY, sql

IN_PROCESS = ENGINES["in-process"]

HISTORY = [entered("cust_1", "seg_1", at=TUESDAY), joined("cust_2", "ltr_1", at=TUESDAY)]


@pytest.fixture
def database(database: Database) -> Database:
    append_and_project(database, *HISTORY)
    return database


@pytest.fixture
def other(database: Database, migrated_url: str) -> Iterator[Database]:
    """Another process, as good as."""
    other = Database(migrated_url)
    yield other
    other.close()


def test_a_rebuild_during_another_one_is_refused_and_changes_nothing(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.workspace.WORKERS_END_SECONDS_MAX", 0.1)
    monkeypatch.setattr("projector.store.rebuild.shadow.LOCK_SECONDS_MAX", 0.1)
    refused = []

    @as_engine
    def engine(job: Job) -> Iterator[EnginePiece]:
        yield from IN_PROCESS.run(job)
        with pytest.raises(RebuildRunning, match="is already running") as told:
            rebuild(other, discover(), IN_PROCESS)
        refused.append(told)

    rebuild(database, discover(), engine)
    assert len(refused) == 1
    assert verify(database, discover()).is_right


def test_on_postgres_a_rebuild_on_another_machine_is_refused(
    migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("projector.store.rebuild.shadow.LOCK_SECONDS_MAX", 0.1)
    with (
        closing(Database(migrated_postgres_url)) as database,
        shadow.lock(database),
        closing(Database(migrated_postgres_url)) as other,
        pytest.raises(RebuildRunning),
    ):
        rebuild(other, discover(), IN_PROCESS)


def test_on_postgres_a_rebuild_that_lost_its_lock_does_not_swap(
    migrated_postgres_url: str,
) -> None:
    """Another one may have been let in meanwhile, and the shadows may be its."""
    with (
        closing(Database(migrated_postgres_url)) as database,
        closing(Database(migrated_postgres_url)) as other,
    ):
        append_and_project(database, *HISTORY)
        found = []

        @as_engine
        def engine(job: Job) -> Iterator[EnginePiece]:
            yield from IN_PROCESS.run(job)
            held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
            ended = sql(other, f"SELECT pg_terminate_backend(pid, 5000) FROM ({held}) AS holder")
            assert ended == [(True,)]
            # What a rebuild would mend shows that there was none.
            sql(other, "UPDATE loyalty_tier SET tier_name = 'Wrong'")
            found.append(stored(other))

        with pytest.raises(DatabaseUnreachable):
            rebuild(database, discover(), engine)
        assert [stored(database)] == found
        assert rebuild(database, discover(), IN_PROCESS).swapped
