"""Who may read a SQLite database: its owner and group, and nobody else unless they say so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.databases import migrated


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _modes(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()}


@pytest.mark.parametrize(("mask", "mode"), [(0, 0o660), (0o022, 0o640), (0o077, 0o600)], ids=oct)
def test_a_new_file_and_those_beside_it_are_for_owner_and_group(
    sqlite_url: str, tmp_path: Path, mask: int, mode: int
) -> None:
    with _umask(mask), migrated(sqlite_url):
        modes = _modes(tmp_path)
    assert modes == {"projector.db": mode, "projector.db-wal": mode, "projector.db-shm": mode}


def test_a_file_that_is_there_keeps_its_mode(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "projector.db"
    path.touch()
    path.chmod(0o644)
    with migrated(sqlite_url):
        assert set(_modes(tmp_path).values()) == {0o644}
