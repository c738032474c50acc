"""The disk that is played loses what was not synced, and nothing else."""

from collections.abc import Iterable
from random import Random

from tests.faults.disk import (
    SECTOR_BYTES,
    Create,
    Delete,
    Disk,
    Image,
    Operation,
    Sync,
    SyncFolder,
    Truncate,
    Write,
)

_OLD, _NEW = b"o" * (3 * SECTOR_BYTES), b"n" * (3 * SECTOR_BYTES)
_SAFE: list[Operation] = [Create("a", 1), Write(1, 0, _OLD), Sync(1), SyncFolder()]


def _after(*operations: Operation) -> Disk:
    disk = Disk()
    for each in operations:
        disk.do(each)
    return disk


def _torn(disk: Disk) -> list[Image]:
    chance = Random(1)
    return [disk.torn(chance) for _ in range(300)]


def _sectors(contents: Iterable[bytes]) -> set[str]:
    """Of each content: which sectors are old, new, or neither."""
    kinds = {_OLD[:SECTOR_BYTES]: "o", _NEW[:SECTOR_BYTES]: "n"}
    begins = range(0, len(_OLD), SECTOR_BYTES)
    return {
        "".join(kinds.get(each[begin : begin + SECTOR_BYTES], "?") for begin in begins)
        for each in contents
    }


def test_what_was_synced_stays() -> None:
    disk = _after(*_SAFE)
    assert disk.least() == disk.most() == {"a": _OLD}
    assert all(each == {"a": _OLD} for each in _torn(disk))


def test_what_was_not_synced_may_stay_go_be_torn_or_be_spoilt_sector_by_sector() -> None:
    disk = _after(*_SAFE, Write(1, 0, _NEW))
    assert (disk.least(), disk.most()) == ({"a": _OLD}, {"a": _NEW})
    found = _sectors(each["a"] for each in _torn(disk))
    assert found > {"ooo", "nnn", "onn", "non", "nno"}
    assert any("?" in each for each in found)


def test_a_later_write_may_be_there_without_the_one_before() -> None:
    disk = _after(*_SAFE, Write(1, 0, _NEW[:SECTOR_BYTES]), Write(1, 1024, _NEW[:SECTOR_BYTES]))
    assert _sectors(each["a"] for each in _torn(disk)) > {"oon", "noo", "non"}


def test_a_write_beside_does_not_touch_what_was_there() -> None:
    """Powersafe overwrite."""
    disk = _after(*_SAFE, Write(1, 700, b"new"))
    for each in _torn(disk):
        assert (each["a"][:700], each["a"][703:]) == (_OLD[:700], _OLD[703:])


def test_a_size_is_kept_only_once_it_is_synced() -> None:
    disk = _after(*_SAFE, Truncate(1, 5))
    assert {len(each["a"]) for each in (disk.least(), *_torn(disk))} == {5, len(_OLD)}
    disk.do(Sync(1))
    assert disk.least() == {"a": _OLD[:5]}
    disk.do(Write(1, 8, b"x"))
    assert disk.most() == {"a": b"ooooo\0\0\0x"}


def test_a_file_that_was_synced_may_be_nowhere_in_its_folder() -> None:
    disk = _after(Create("a", 1), Write(1, 0, _OLD), Sync(1))
    assert (disk.least(), disk.most()) == ({}, {"a": _OLD})
    assert {len(each) for each in _torn(disk)} == {0, 1}
    disk.do(SyncFolder())
    assert disk.least() == {"a": _OLD}


def test_what_was_deleted_may_come_back() -> None:
    disk = _after(*_SAFE, Delete("a"), Create("a", 2))
    assert (disk.least(), disk.most()) == ({"a": _OLD}, {"a": b""})
    assert {each.get("a") for each in _torn(disk)} == {_OLD, None, b""}
    disk.do(SyncFolder())
    assert disk.least() == {"a": b""}
