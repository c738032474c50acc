"""The tasks of Spark's executors give the rows of the live projector; here without Spark."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.errors import ArchiveBroken, ArchiveKeyMissing, EventsMissing, WorkerUnfit
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store import group_sizes
from projector.store.append import append
from projector.store.database import Database
from projector.store.erasure import archive_keys
from replay import rebuild
from replay.archive import rows, shelf
from replay.archive.write import write
from replay.engines import Engine, SparkOptions
from replay.engines import engine as engines
from replay.engines.spark import archive_fold, install, session, tasks
from replay.engines.spark import engine as spark
from replay.engines.spark.archive_fold import ArchiveWork, FactRow, FoldResult
from replay.engines.spark.file_parts import FilePart
from tests.support.databases import dead_letters, positions, stored, wipe
from tests.support.given import RECEIVED_AT, append_and_project, entered
from tests.support.histories import Arrival, arrivals, histories
from tests.support.logs import MONDAY, sql
from tests.support.redaction import erase

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@frozen
class _Here:
    """A session that runs the tasks in this process; the sorted rows in `lost` do not arrive."""

    lost: slice = slice(0)
    #: The number of attempts at each task; the last one counts.
    attempts: int = 1
    ran: list[ArchiveWork] = field(factory=list)

    def fold(
        self, work: ArchiveWork, parts: Sequence[FilePart], partitions: int
    ) -> list[FoldResult]:
        self.ran.append(work)
        facts = [row for part in parts for row in _read(work, part)]
        kept = sorted(facts, key=lambda row: row[:3])
        del kept[self.lost]
        by_partition = [
            [row for row in kept if row.stream % partitions == each] for each in range(partitions)
        ]
        for attempt in range(self.attempts):
            results = [
                archive_fold.fold_facts(work, f"{number}-{attempt}", iter(some))
                for number, some in enumerate(by_partition)
            ]
        return results


def _read(work: ArchiveWork, part: FilePart) -> Iterator[FactRow]:
    """The facts of a part, as they come out of Arrow's batches."""
    for some in archive_fold.read_facts(work, part):
        yield from tasks.to_rows(tasks.to_batch(some))


@contextmanager
def _engine(archive: str, here: _Here, partitions: int | None = None) -> Iterator[Engine]:
    """The engine on such a session."""

    @contextmanager
    def opened(*_given: object) -> Iterator[_Here]:
        yield here

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(session, "opened", opened)
        patched.setattr(install, "require_java", lambda: None)
        yield spark.engine(SparkOptions(archive_url=archive, partitions=partitions))


@settings(max_examples=8, suppress_health_check=_SHARED)
@given(
    arriving=histories().flatmap(arrivals),
    range_events=st.sampled_from([1, 2, 3, 7]),
    row_group=st.sampled_from([1, 2, 2000]),
    part_events=st.sampled_from([1, 2, 50_000]),
    part_streams=st.sampled_from([1, 2, engines.PART_STREAMS]),
    partitions=st.sampled_from([None, 1, 3]),
    encrypt=st.booleans(),
)
def test_an_archive_however_it_is_cut_folds_to_the_same_bytes(
    database: Database,
    arriving: list[Arrival],
    range_events: int,
    row_group: int,
    part_events: int,
    part_streams: int,
    partitions: int | None,
    encrypt: bool,
) -> None:
    wipe(database)
    for arrival in arriving:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
    catch_up(database, discover(), batch_events_max=3)
    live = _found(database)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(rows, "ROW_GROUP_ROWS", row_group)
        patched.setattr(spark, "PARTITION_EVENTS", part_events)
        patched.setattr(engines, "PART_STREAMS", part_streams)
        done = write(database, shelf.opened(folder), range_events=range_events, encrypt=encrypt)
        if not done.last:
            return
        with _engine(folder, _Here(attempts=2), partitions) as engine:
            report = rebuild(database, discover(), engine)
        assert [*Path(folder, "work").glob("**/*.rows")] == []
    assert report.engine_position == done.last
    assert [each.matched for each in report.rebuilt] == [True] * len(report.rebuilt)
    assert _found(database) == live


@pytest.mark.parametrize("encrypt", [False, True], ids=["plain", "encrypted"])
def test_an_erased_customer_does_not_come_back_from_an_archive(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypt: bool
) -> None:
    monkeypatch.setattr(rows, "ROW_GROUP_ROWS", 3)
    events = [entered(f"cust_{n % 3}", f"seg_{n}", at=MONDAY) for n in range(10)]
    append_and_project(database, *events)
    write(database, shelf.opened(str(tmp_path)), range_events=5, encrypt=encrypt)
    assert erase(database, "cust_1") == [2, 5, 8]
    here = _Here()
    with _engine(str(tmp_path), here) as engine:
        report = rebuild(database, discover(), engine)
    assert report.engine_position == 10
    by_engine = _found(database)
    assert "cust_1" not in repr(by_engine)
    assert "cust_2" in repr(by_engine)
    rebuild(database, discover())
    assert _found(database) == by_engine
    # Keys are no part of what may be printed, nor of the archive.
    if encrypt:
        with database.writing() as connection:
            archive_keys.destroy(connection, [3])
        with (
            _engine(str(tmp_path), here) as engine,
            pytest.raises(ArchiveKeyMissing, match="ion 3 "),
        ):
            rebuild(database, discover(), engine)
        assert _found(database) == by_engine


def test_a_fact_that_did_not_arrive_ends_the_rebuild(database: Database, tmp_path: Path) -> None:
    append_and_project(database, *(entered(f"cust_{n}", "seg_1", at=MONDAY) for n in range(20)))
    write(database, shelf.opened(str(tmp_path)), range_events=20)
    live = _found(database)
    # The first of the sorted rows is the tally, which counts what was read; the last is a fact.
    for lost, said in ((slice(1), "has 0 events of 20"), (slice(-1, None), "has 19 events of 20")):
        with (
            _engine(str(tmp_path), _Here(lost=lost)) as engine,
            pytest.raises(EventsMissing, match=said),
        ):
            rebuild(database, discover(), engine)
        assert _found(database) == live
        assert [*tmp_path.glob("work/**/*.rows")] == []


def test_a_rebuild_removes_what_one_that_was_killed_left_in_the_archive(
    database: Database, tmp_path: Path
) -> None:
    append_and_project(database, entered("cust_1", "seg_1", at=MONDAY))
    stored_in = shelf.opened(str(tmp_path))
    write(database, stored_in, range_events=1)
    here = _Here()
    with _engine(str(tmp_path), here) as engine:
        assert not rebuild(database, discover(), engine).found_leftovers
        folder = here.ran[0].prefix.rpartition("/")[0]
        stored_in.put_bytes(f"{folder}/other-00000-0.rows", b"")
        (tmp_path / folder / ".hidden").touch()
        stored_in.put_bytes("work/another-database/other-00000-0.rows", b"")
        assert rebuild(database, discover(), engine).found_leftovers
    left = [each.name for each in stored_in.names("work/")]
    assert left == ["work/another-database/other-00000-0.rows"]
    assert not (tmp_path / folder).exists()


@pytest.mark.parametrize("suffix", [".rows", ".results"])
def test_results_that_were_changed_in_the_archive_are_refused(
    database: Database, tmp_path: Path, suffix: str
) -> None:
    append_and_project(database, entered("cust_1", "seg_1", at=MONDAY))
    write(database, shelf.opened(str(tmp_path)), range_events=1)
    live = _found(database)

    @frozen
    class Changing(_Here):
        def fold(
            self, work: ArchiveWork, parts: Sequence[FilePart], partitions: int
        ) -> list[FoldResult]:
            found = super().fold(work, parts, partitions)
            [path] = tmp_path.glob(f"work/**/*{suffix}")
            content = bytearray(path.read_bytes())
            content[-1] ^= 1
            path.write_bytes(content)
            return found

    with (
        _engine(str(tmp_path), Changing()) as engine,
        pytest.raises(ArchiveBroken, match="not what an executor has put there"),
    ):
        rebuild(database, discover(), engine)
    assert _found(database) == live


def test_an_event_file_that_was_changed_is_refused(database: Database, tmp_path: Path) -> None:
    append_and_project(database, entered("cust_1", "seg_1", at=MONDAY))
    stored_in = shelf.opened(str(tmp_path))
    write(database, stored_in, range_events=1)
    live = _found(database)
    [path] = tmp_path.glob("events/*")
    with path.open("rb") as source:
        [block] = rows.blocks(source)
    body = rows.PLAIN.schema.names.index("body")
    forged = [*block]
    forged[body] = [each.replace("seg_1", "seg_2") for each in block[body]]
    path.unlink()
    with rows.writer(path) as writer:
        writer.add(rows.as_batch(tuple(forged)))
    with (
        _engine(str(tmp_path), _Here()) as engine,
        pytest.raises(ArchiveBroken, match="SHA-256"),
    ):
        rebuild(database, discover(), engine)
    assert _found(database) == live


def test_a_process_that_folds_otherwise_is_refused() -> None:
    mine = archive_fold.identity(["customer"])
    other = mine | {"msgspec": "0.1", "projection customer_shadow": "version 1"}
    with pytest.raises(WorkerUnfit, match=r"msgspec is '0.1' on node-7, not '\d"):
        archive_fold.require_identity(mine, other, host="node-7")
    archive_fold.require_identity(mine, mine, host="node-7")


def _found(database: Database) -> tuple[object, ...]:
    whole = sorted(sql(database, "SELECT * FROM dead_letter"), key=repr)
    with database.reading() as connection:
        sizes = [group_sizes.read(connection, each.name) for each in discover()]
    return stored(database), dead_letters(database), whole, sizes, positions(database)
