"""The folder of a rebuild: one at a time, empty at the start, gone in the end, and its own."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from projector.errors import RebuildRunning, SpillUnwritable
from projector.store.database import Database
from replay import workspace


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "WORKERS_END_SECONDS_MAX", 0.1)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def path(database: Database) -> Path:
    return workspace.path_for(database)


def _fail(path: Path) -> None:
    (path / "bucket-1").touch()
    path.read_bytes()


def _opens(database: Database) -> bool:
    with workspace.opened(database) as space:
        return space.path.is_dir()


def test_the_workspace_is_private_and_removed_at_the_end(database: Database, path: Path) -> None:
    with workspace.opened(database) as space:
        assert space.path == path
        assert not space.had_leftovers
        assert path.stat().st_mode & 0o777 == 0o700
        (path / "bucket-1").touch()
    assert not path.exists()


def test_the_workspace_is_removed_after_an_error(database: Database, path: Path) -> None:
    with pytest.raises(IsADirectoryError), workspace.opened(database):
        _fail(path)
    assert not path.exists()
    assert _opens(database)


def test_leftovers_in_the_workspace_are_removed_and_reported(
    database: Database, path: Path
) -> None:
    path.mkdir()
    assert _opens(database), "a folder that is empty is nothing"
    path.mkdir()
    (path / "bucket-1").write_bytes(b"half")
    with workspace.opened(database) as space:
        assert space.had_leftovers
        assert list(path.iterdir()) == []


def test_a_second_rebuild_cannot_open_the_workspace(database: Database, path: Path) -> None:
    with workspace.opened(database):
        (path / "bucket-1").touch()
        with pytest.raises(RebuildRunning), workspace.opened(database):
            pass
        assert [each.name for each in path.iterdir()] == ["bucket-1"]
    assert _opens(database)


def test_workers_of_a_rebuild_that_was_killed_are_waited_for(
    database: Database, path: Path
) -> None:
    path.mkdir()
    worker = os.open(path, os.O_RDONLY)
    fcntl.flock(worker, fcntl.LOCK_SH)
    with pytest.raises(RebuildRunning), workspace.opened(database):
        pass
    os.close(worker)
    assert _opens(database)


def test_a_folder_that_its_owner_removes_at_that_moment_is_not_the_one_that_is_locked(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, removed = fcntl.flock, list[str]()

    def removing(file: int, how: int) -> None:
        if not removed:
            removed.append(path.name)
            path.rmdir()
            (path.parent / "takes the inode").mkdir()
            path.mkdir(mode=0o700)
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", removing)
    with workspace.opened(database):
        other = os.open(path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            real(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
    assert removed


def test_workers_hold_it_beside_the_one_who_made_it(database: Database, path: Path) -> None:
    with workspace.opened(database):
        workspace.join(path)


def test_a_link_is_refused_and_what_it_leads_to_stays(
    database: Database, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").touch()
    path.symlink_to(tmp_path / "mine")
    with pytest.raises(SpillUnwritable, match=r"projector\.db-rebuild"), workspace.opened(database):
        pass
    assert (tmp_path / "mine" / "precious").exists()


def test_a_folder_that_others_can_write_to_is_refused(database: Database, path: Path) -> None:
    path.mkdir()
    (path / "theirs").touch()
    for mode in (0o770, 0o707):
        path.chmod(mode)
        with pytest.raises(SpillUnwritable, match="belongs to another user"):
            _opens(database)
    assert (path / "theirs").exists()
    path.chmod(0o755)
    assert _opens(database)


def test_the_folder_of_another_user_is_refused(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.mkdir()
    (path / "theirs").touch()
    with monkeypatch.context() as patched:
        patched.setattr(os, "getuid", lambda: 12345)
        with pytest.raises(SpillUnwritable, match="belongs to another user"):
            _opens(database)
    assert (path / "theirs").exists()
    assert _opens(database)


def test_a_workspace_that_cannot_be_emptied_is_unlocked(database: Database, path: Path) -> None:
    (path / "folder").mkdir(parents=True)
    path.chmod(0o700)
    with pytest.raises(SpillUnwritable, match=r"projector\.db-rebuild"):
        _opens(database)
    (path / "folder").rmdir()
    assert _opens(database)


def test_a_database_has_one_workspace_under_any_name(database: Database, path: Path) -> None:
    assert path.name == "projector.db-rebuild"
    link = path.with_name("link.db")
    link.symlink_to(path.with_name("projector.db"))
    path.with_name("projector.db").touch()
    other = Database(f"sqlite:///{link}")
    assert workspace.path_for(other) == path
    other.close()


def test_the_workspace_for_postgres_is_in_the_temporary_folder_and_its_name_reveals_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    urls = ("postgresql://me:secret@host/one", "postgresql://me:secret@host/two")
    paths = [workspace.path_for(Database(url)) for url in urls]
    assert {each.parent for each in paths} == {tmp_path}
    assert len({*paths}) == 2
    assert paths[0] == workspace.path_for(Database(urls[0]))
    assert not any(word in paths[0].name for word in ("secret", "host", "one"))


def test_a_folder_that_its_holder_removes_at_this_moment_is_tried_again(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look whether it is there and the look whether it is a folder."""
    mkdir = Path.mkdir
    made: list[Path] = []

    def late(path: Path, *arguments: Any, **more: Any) -> None:
        made.append(path)
        if len(made) == 1:
            raise FileExistsError(17, "File exists")
        mkdir(path, *arguments, **more)

    monkeypatch.setattr(Path, "mkdir", late)
    with workspace.opened(sqlite_database) as space:
        assert space.path.is_dir()
    assert len(made) == 2
