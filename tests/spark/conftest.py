"""A cluster, and archived logs, that all tests of the folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.spark import deliveries
from tests.spark.archived import Archived
from tests.support.databases import Contents, copy_file
from tests.support.postgres import Server
from tests.support.spark import Cluster, running_cluster

#: The number of events, of which the archive has the complete ranges.
EVENTS = 205_000
RANGE_EVENTS = 25_000
ARCHIVED_EVENTS = EVENTS // RANGE_EVENTS * RANGE_EVENTS


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """A cluster of two workers."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The shared cluster; a test ends only when nothing of its drivers and executors is left."""
    yield shared_cluster
    shared_cluster.until_idle()
    left = shared_cluster.take_temporary_files()
    assert left == []


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deliveries of the large logs."""
    path = tmp_path_factory.mktemp("deliveries") / "deliveries.ndjson"
    with path.open("wb") as file:
        file.writelines(deliveries.lines(EVENTS))
    return path


@pytest.fixture(scope="session")
def sqlite_archived(
    sqlite_template: Path, file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Archived:
    """A large log in SQLite."""
    folder = tmp_path_factory.mktemp("sqlite")
    return _filled(Archived(copy_file(sqlite_template, folder), str(folder / "archive")), file)


@pytest.fixture(scope="session")
def postgres_archived(
    postgres_server: Server,
    postgres_template: str,
    file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Archived]:
    """A large log in Postgres."""
    with postgres_server.database(postgres_template) as url:
        folder = tmp_path_factory.mktemp("postgres")
        yield _filled(Archived(url, str(folder / "archive")), file)


def _filled(archived: Archived, file: Path) -> Archived:
    """Append a file, fold it in one process, and archive the complete ranges."""
    done = archived.command("ingest", "--no-catch-up", "--json", str(file)).json
    assert done["appended"] == EVENTS
    assert done["duplicates"] > 0
    assert done["conflicts"] > 0
    archived.rebuild_in_one_process()
    archived.archive_ranges(RANGE_EVENTS)
    return archived


@pytest.fixture(scope="session")
def expected(sqlite_archived: Archived) -> Contents:
    """The tables of the large log, folded in one process; no test may change them for another."""
    contents = sqlite_archived.contents()
    assert all(contents.values()), "each table has rows"
    return contents


@pytest.fixture
def archived(request: pytest.FixtureRequest, engine: str) -> Archived:
    """The large log, on each engine; its tables are as in `expected`."""
    found: Archived = request.getfixturevalue(f"{engine}_archived")
    return found


@pytest.fixture
def small(sqlite_template: Path, tmp_path: Path) -> Archived:
    """A small log in SQLite; a row is marked."""
    return small_log(sqlite_template, tmp_path / "small", seed=1)


def small_log(template: Path, folder: Path, *, seed: int) -> Archived:
    """A log of 450 events, of which 400 are archived, in a copy of a database; a row is marked."""
    folder.mkdir()
    archived = Archived(copy_file(template, folder), str(folder / "archive"))
    (folder / "file").write_bytes(b"".join(deliveries.lines(450, seed=seed)))
    assert archived.command("ingest", str(folder / "file")).code == 0
    archived.archive_ranges(100)
    archived.mark()
    return archived
