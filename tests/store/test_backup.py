"""A backup is one file: complete, consistent and private, also during writes."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from projector import Projector, open_projector
from projector.errors import BackupExists, BackupUnsupported, OutputUnwritable
from projector.projections import discover
from projector.store import backup
from projector.store.backup import back_up
from projector.store.database import Database
from replay import verify
from tests.support.command import environment
from tests.support.databases import rows
from tests.support.given import append_and_project, created, entered
from tests.support.items import envelope, put, read_log


@pytest.fixture
def told(sqlite_database: Database) -> Database:
    """A database with a few events, which are in its write-ahead log."""
    append_and_project(
        sqlite_database,
        created("cust_1", at="2024-01-01T00:00:00Z"),
        entered("cust_1", "seg_1", at="2024-01-02T00:00:00Z"),
    )
    return sqlite_database


def _copy(path: Path) -> Database:
    return Database(f"sqlite:///{path}")


def test_a_backup_has_what_the_database_has(told: Database, tmp_path: Path) -> None:
    target = tmp_path / "copies" / "copy.db"
    target.parent.mkdir()
    done = back_up(told, str(target))
    assert (done.path, done.head) == (str(target), 2)
    assert [each.name for each in target.parent.iterdir()] == ["copy.db"]
    assert target.stat().st_size == done.bytes
    with closing(_copy(target)) as copy:
        assert read_log(copy) == read_log(told)
        assert rows(copy) == rows(told)
        assert verify(copy, discover()).is_right
        assert put(copy, envelope("more"))[0].position == 3


@pytest.mark.parametrize("mask", [0, 0o022, 0o077], ids=oct)
def test_a_backup_is_private(told: Database, tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        back_up(told, str(tmp_path / "copy.db"))
    finally:
        os.umask(before)
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_a_backup_replaces_nothing(
    told: Database, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "copy.db")
    before = os.lstat(tmp_path / "copy.db")
    with pytest.raises(BackupExists) as caught:
        back_up(told, str(tmp_path / "copy.db"))
    assert caught.value.exit_code == 2
    assert os.lstat(tmp_path / "copy.db").st_ino == before.st_ino
    with pytest.raises(BackupExists):
        back_up(told, str(told.file.path))
    assert len(read_log(told)) == 2


def test_a_name_that_is_taken_meanwhile_is_not_replaced(told: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"

    def take(_done: int, _total: int) -> None:
        target.write_text("mine")

    with pytest.raises(BackupExists):
        back_up(told, str(target), on_progress=take)
    assert target.read_text() == "mine"
    assert not list(tmp_path.glob(".copy.db-*"))


def test_a_file_system_without_links_will_do(
    told: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path, _target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert back_up(told, str(tmp_path / "copy.db")).head == 2
    assert (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("path", ["none/copy.db", "/proc/copy.db"])
def test_a_place_that_cannot_be_written_to_is_reported(
    told: Database, tmp_path: Path, path: str
) -> None:
    with pytest.raises(OutputUnwritable, match=r"copy\.db"):
        back_up(told, str(tmp_path / path))


def test_a_backup_that_is_interrupted_leaves_nothing(told: Database, tmp_path: Path) -> None:
    before = {each.name for each in tmp_path.iterdir()}

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(told, str(tmp_path / "copy.db"), on_progress=interrupt)
    assert {each.name for each in tmp_path.iterdir()} == before


def test_writers_go_on_during_a_backup_which_is_of_one_moment(
    told: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write would make a copy without a snapshot begin again, and so never end."""
    monkeypatch.setattr(backup, "STEP_PAGES", 2)
    stop, appended = Event(), list[int]()
    url = f"sqlite:///{told.file.path}"

    def write() -> None:
        with open_projector(url) as projector:
            while not stop.is_set():
                put(projector.database, envelope(f"e{len(appended)}"))
                projector.catch_up()
                appended.append(1)

    writer = Thread(target=write)
    writer.start()
    seen: list[int] = []

    def wait(_done: int, _total: int) -> None:
        seen.append(len(appended))
        time.sleep(0.02)

    try:
        while not appended:
            time.sleep(0.01)
        done = back_up(told, str(tmp_path / "copy.db"), on_progress=wait)
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 5
    assert seen[-1] > seen[0] + 3, "writers were not kept waiting"
    with closing(_copy(tmp_path / "copy.db")) as copy:
        assert len(read_log(copy)) == done.head
        assert verify(copy, discover()).is_right


def test_a_backup_of_a_database_in_use_by_another_process(told: Database, tmp_path: Path) -> None:
    """Its contents are in the -wal file, which a copy of the file alone lacks."""
    script = (
        "import sys; from projector import open_projector\n"
        "with open_projector(sys.argv[1]) as projector:\n"
        "    projector.status(); print('open', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, f"sqlite:///{told.file.path}"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        put(told, envelope("more"))
        assert back_up(told, str(tmp_path / "copy.db")).head == 3
        shutil.copy(told.file.path, tmp_path / "cp.db")
        process.communicate(b"")
    with closing(_copy(tmp_path / "copy.db")) as copy:
        assert len(read_log(copy)) == 3


def test_a_full_disk_is_reported_and_nothing_is_left(
    told: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = sqlite3.connect

    def connect(path: Path) -> sqlite3.Connection:
        connection = original(path)
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("PRAGMA max_page_count = 3")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    before = {each.name for each in tmp_path.iterdir()}
    with pytest.raises(OutputUnwritable, match="full"):
        back_up(told, str(tmp_path / "copy.db"))
    assert {each.name for each in tmp_path.iterdir()} == before


def test_postgres_has_its_own_backups(postgres_database: Database, tmp_path: Path) -> None:
    with pytest.raises(BackupUnsupported) as caught:
        Projector(postgres_database).backup(str(tmp_path / "copy.db"))
    assert caught.value.exit_code == 2
    assert "pg_dump" in caught.value.hint
