"""Writing an archive: what is in it; kills at any step; several writers; logs that do not fit."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import frozen
from sqlalchemy import text

from projector.errors import (
    ArchiveAhead,
    ArchiveForeign,
    BadNumber,
    LogHole,
    LogUnreadable,
    PositionUnknown,
)
from projector.projections import discover
from projector.store import log_ranges
from projector.store.database import Database
from replay import rebuild
from replay.archive import check, manifest, read, rows, shelf, write
from replay.archive.folder import Folder
from replay.archive.shelf import Shelf, Taken
from replay.archive.write import WriteReport
from tests.replay.archive.conftest import Names, append_ten
from tests.support.databases import unguarded, url_of, wipe
from tests.support.items import envelope, put


def _ends(stored: Shelf) -> list[int]:
    return [file.last for file in read.read(stored).files]


def test_ranges_end_at_multiples_and_only_complete_ones_are_written(
    log: Database, stored: Shelf
) -> None:
    def run(**more: object) -> tuple[int, int]:
        done = write.write(log, stored, range_events=4, **more)  # type: ignore[arg-type]
        return done.files, done.last

    assert run() == (2, 8)
    assert run() == (0, 8)
    assert run(until=9) == (1, 9)
    assert run(until=3) == (0, 9)
    assert run() == (0, 9)
    append_ten(log, 10)
    assert run() == (3, 20)
    assert _ends(stored) == [4, 8, 9, 12, 16, 20]
    assert check.check(stored, log, contents=True).faults == ()


def test_a_manifest_counts_what_is_in_its_files(log: Database, stored: Shelf) -> None:
    put(log, envelope("other", type="some.type", project_id="proj_2", customer_id="cust_9"))
    write.write(log, stored, until="head", range_events=100)
    [file] = read.read(stored).files
    with log.reading() as connection:
        count, late, streamless, streams, size, first, last = connection.execute(
            text(
                "SELECT count(*), sum(CASE WHEN late THEN 1 ELSE 0 END), sum(CASE WHEN stream_id IS"
                " NULL THEN 1 ELSE 0 END), max(stream_id),"
                f" sum({'octet_length' if not log.is_sqlite else 'length'}"
                f"({'body' if not log.is_sqlite else 'CAST(body AS BLOB)'})),"
                " min(occurred_at), max(occurred_at) FROM event"
            )
        ).one()
    assert (file.events, file.late, file.without_customer) == (count, late, streamless)
    assert (file.stream_id_max, file.body_bytes) == (streams, size)
    assert file.types == {"customer.updated": 10, "some.type": 1}
    assert late > 0
    assert file.occurred is not None
    assert file.occurred[0][:19] == str(first)[:19].replace(" ", "T")
    assert file.occurred[1][:19] == str(last)[:19].replace(" ", "T")


def test_both_databases_give_the_same_digests(
    both: tuple[Database, Database], tmp_path: Path
) -> None:
    found = []
    for database in both:
        append_ten(database)
        stored = shelf.opened(str(tmp_path / database.url.get_backend_name()))
        write.write(database, stored, until="head", range_events=3)
        found.append(read.read(stored))
    sqlite, postgres = found
    assert sqlite.log == postgres.log
    assert sqlite.files == postgres.files


@pytest.mark.parametrize(
    ("rows_max", "bytes_max", "expected"),
    [(2000, 2**25, [10]), (4, 2**25, [4, 4, 2]), (3, 2**25, [2, 2, 2, 2, 2]), (2000, 1, [2] * 5)],
    ids=["one", "rows", "a block is not divided", "bytes"],
)
def test_a_row_group_is_bounded_in_rows_and_in_bytes(
    log: Database,
    stored: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    rows_max: int,
    bytes_max: int,
    expected: list[int],
) -> None:
    monkeypatch.setattr(log_ranges, "BLOCK_ROWS", 2)
    monkeypatch.setattr(rows, "ROW_GROUP_ROWS", rows_max)
    monkeypatch.setattr(rows, "ROW_GROUP_BYTES", bytes_max)
    write.write(log, stored, until="head")
    [file] = read.read(stored).files
    with stored.reader(file.name) as opened:
        assert [len(block[0]) for block in rows.blocks(opened)] == expected


@pytest.mark.parametrize("encrypt", [False, True], ids=["plain", "encrypted"])
def test_a_kill_at_any_step_leaves_an_archive_that_is_whole_and_goes_on(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypt: bool
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    append_ten(sqlite_database)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.replay.archive.killed"),
            *(url_of(sqlite_database), tmp_path, str(int(encrypt))),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    steps, code = map(int, done.stdout.split())
    assert code == 0, done.stderr
    assert steps > 20, "each of two files and two manifests has steps of its own"
    ends = set()
    for number in range(1, steps + 1):
        stored = shelf.opened(str(tmp_path / str(number)))
        before = read.read(stored)
        ends.add(before.last)
        if before.files:
            assert check.check(stored, sqlite_database, contents=True).faults == ()
        # An encrypted file is the same again, as one that is not.
        write.write(sqlite_database, stored, range_events=4, encrypt=encrypt)
        found = check.check(stored, sqlite_database, contents=True)
        assert found.encrypted == encrypt
        assert (found.last, found.files, found.faults, found.unnamed) == (8, 2, (), ())
        check.prune(stored, kept_seconds=0)
        assert [*stored.leftovers()] == []
        assert check.check(stored).is_right
    assert ends == {0, 4, 8}


def test_events_are_appended_and_tables_rebuilt_while_an_archive_is_written(
    log: Database, stored: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_ranges, "BLOCK_ROWS", 2)
    heads: list[tuple[int, int]] = []

    def work(done: int, total: int) -> None:
        append_ten(log, 10 * (len(heads) + 1))
        rebuild(log, discover())
        heads.append((done, total))

    done = write.write(log, stored, until="head", range_events=6, on_progress=work)
    assert heads == [(2, 10), (4, 10), (6, 10), (8, 10), (10, 10)]
    assert (done.last, done.head) == (10, 10)
    write.write(log, stored, until="head", range_events=100)
    found = check.check(stored, log, contents=True)
    assert (found.faults, found.last) == ((), 60)


@frozen
class _Interrupted:
    """A shelf on which another archiver writes just before a manifest is put."""

    stored: Shelf
    database: Database
    range_events: int
    reports: list[WriteReport]

    def put_bytes(self, name: str, data: bytes) -> None:
        if not self.reports:
            self.reports.append(
                write.write(self.database, self.stored, range_events=self.range_events)
            )
        self.stored.put_bytes(name, data)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stored, name)


@pytest.mark.parametrize(("other", "unnamed"), [(3, 1), (4, 0)])
def test_of_two_archivers_one_wins_and_the_other_goes_on_behind_it(
    log: Database, stored: Shelf, other: int, unnamed: int
) -> None:
    theirs: list[WriteReport] = []
    interrupted = _Interrupted(stored, log, other, theirs)
    ours = write.write(log, interrupted, until="head", range_events=4)  # type: ignore[arg-type]
    found = check.check(stored, log, contents=True)
    assert (found.faults, found.last) == ((), 10)
    assert len(found.unnamed) == unnamed
    assert theirs[0].files + ours.files - (other == 4) == found.files


def test_a_name_is_given_once_whatever_the_number_of_those_who_want_it(folder: Path) -> None:
    def put_number(number: int) -> bool:
        try:
            Folder(str(folder)).put_bytes("events/one", bytes([number]) * 100_000)
        except Taken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(put_number, range(8)))
    assert won.count(True) == 1
    assert Folder(str(folder)).read("events/one") == bytes([won.index(True)]) * 100_000


def test_a_file_that_a_killed_run_has_put_is_named_by_the_next_one(
    log: Database, stored: Shelf, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Folder, "put_bytes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write.write(log, stored, until="head")
    [orphan] = names()
    write.write(log, stored, until="head")
    assert names() == [orphan, manifest.manifest_name(0)]


def test_a_log_that_was_restored_from_an_older_backup_is_refused(
    log: Database, stored: Shelf
) -> None:
    write.write(log, stored, until="head")
    wipe(log)
    with pytest.raises(ArchiveAhead, match="ends at position 10, the log at 0"):
        write.write(log, stored)
    put(log, envelope("elsewhere"))
    with pytest.raises(ArchiveForeign, match="position 1 "):
        write.write(log, stored)


def test_a_log_that_took_another_course_is_refused(log: Database, stored: Shelf) -> None:
    append_ten(log, 10)
    write.write(log, stored, until="head")
    wipe(log)
    append_ten(log)
    append_ten(log, 50)
    with pytest.raises(ArchiveForeign, match="position 20 "):
        write.write(log, stored)


def test_two_logs_that_begin_one_archive_at_once_do_not_mix(
    both: tuple[Database, Database], stored: Shelf
) -> None:
    sqlite, postgres = both
    append_ten(sqlite)
    append_ten(postgres, 10)
    interrupted = _Interrupted(stored, postgres, 4, [])
    with pytest.raises(ArchiveForeign, match="position 1 "):
        write.write(sqlite, interrupted, range_events=4)  # type: ignore[arg-type]
    assert check.check(stored, postgres, contents=True).faults == ()


def test_a_log_with_a_hole_is_not_archived(log: Database, stored: Shelf, names: Names) -> None:
    with log.writing() as connection, unguarded(connection):
        connection.execute(text("DELETE FROM event WHERE position = 6"))
    with pytest.raises(LogHole, match="no event at position 6"):
        write.write(log, stored, range_events=5)
    assert _ends(stored) == [5]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("body = x'ff'", id="bytes"),
        pytest.param("body = CAST(x'ff' AS TEXT)", id="not UTF-8"),
        pytest.param("occurred_at = 'noon'", id="no instant"),
        pytest.param("occurred_at = '2024-01-01T00:00:00Z'", id="another width"),
        pytest.param("stream_id = 'one'", id="no number"),
        pytest.param("late = 2", id="no flag"),
    ],
)
def test_a_value_that_another_program_has_written_is_named(
    sqlite_database: Database, stored: Shelf, change: str
) -> None:
    append_ten(sqlite_database)
    with sqlite_database.writing() as connection, unguarded(connection):
        connection.execute(text(f"UPDATE event SET {change} WHERE position = 6"))
    with pytest.raises(LogUnreadable):
        write.write(sqlite_database, stored, until="head")
    assert read.read(stored).files == ()


def test_numbers_out_of_range_are_refused(log: Database, stored: Shelf) -> None:
    for number in (0, -1, write.RANGE_EVENTS_MAX + 1):
        with pytest.raises(BadNumber, match="--range"):
            write.write(log, stored, range_events=number)
    with pytest.raises(BadNumber, match="--zstd"):
        write.write(log, stored, zstd_level=20)
    for position in (-1, 11):
        with pytest.raises(PositionUnknown):
            write.write(log, stored, until=position)
    assert read.read(stored).files == ()
