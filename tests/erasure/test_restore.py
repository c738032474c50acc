"""After a restore the list of what was erased erases it again, once."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from projector.erasure import forget, restore
from projector.erasure.forgotten import list_erasures
from projector.errors import ErasedListForeign, ErasedListUnreadable
from projector.store.database import Database
from projector.store.erasure import digest_list, keys
from tests.support.forgetting import (
    MONDAY,
    NEEDLES,
    arrive,
    arrive_broken,
    everything,
    is_right,
    others,
    rebuilds_to_the_same,
    seven,
    tables_with,
)
from tests.support.given import created, delivery


def _export(database: Database) -> list[bytes]:
    with database.reading() as connection:
        return list(restore.export(connection))


def _fill(database: Database) -> None:
    arrive(database, *seven(), *others(), created("cust_8", at=MONDAY, project_id="proj_2"))
    arrive(database, delivery("voucher.created", None, at=MONDAY, id="evt_seven_voucher"))
    # It names nobody by a text that the events have.
    arrive_broken(database, [b'{"tel": "170 7"', b'{"tel": "170 8"'])


@pytest.fixture
def lines(sqlite_template: Path, tmp_path: Path) -> list[bytes]:
    """The list of a database that has forgotten cust_7, a voucher, and who came only later."""
    path = shutil.copy(sqlite_template, tmp_path / "erased.db")
    with closing(Database(f"sqlite:///{path}")) as database:
        _fill(database)
        arrive(database, created("cust_later", at=MONDAY))
        voucher = len(seven()) + len(others()) + 2
        forget(database, ["cust_7"], also=["170 7"], positions=[voucher])
        forget(database, ["cust_8"], project_id="proj_2")
        forget(database, ["cust_later"])
        lines = _export(database)
    assert not any(each.encode() in line for line in lines for each in (*NEEDLES, "cust_"))
    return lines


def test_a_restored_database_forgets_again(database: Database, lines: list[bytes]) -> None:
    _fill(database)
    listed = restore.read(lines, path="list")
    before = everything(database)
    trial = restore.forget_listed(database, listed, dry_run=True)
    assert everything(database) == before
    done = restore.forget_listed(database, listed)
    for each in (trial, done):
        assert [(found.customers, found.quarantined) for found in each] == [(1, 1), (1, 0)]
    assert done[0].events == len(seven()) + 1
    assert tables_with(database, *NEEDLES, "170 7", "cust_8") == {}
    assert "170 8" in everything(database)["quarantine"]
    is_right(database)
    rebuilds_to_the_same(database)
    # Also who was not in the backup, and may be delivered again.
    with database.reading() as connection:
        assert keys.read(connection) == listed.key
        wanted = sorted(set().union(*listed.digests.values()))
        assert len(digest_list.find(connection, wanted)) == len(wanted)
    before = everything(database)
    assert restore.forget_listed(database, listed) == []
    assert everything(database) == before
    assert len(list_erasures(database).erasures) == 2


def test_the_list_of_a_database_changes_nothing_there(database: Database) -> None:
    arrive(database, *seven(), *others())
    forget(database, ["cust_7"])
    before = everything(database)
    listed = restore.read(_export(database), path="list")
    assert restore.forget_listed(database, listed) == []
    assert everything(database) == before


def test_nothing_was_erased_so_far(database: Database) -> None:
    lines = _export(database)
    assert len(lines) == 1
    assert restore.forget_listed(database, restore.read(lines, path="list")) == []


def test_a_list_that_was_cut_off_is_refused(lines: list[bytes]) -> None:
    assert restore.read(lines, path="list").key is not None
    for number in range(len(lines)):
        with pytest.raises(ErasedListUnreadable, match="lines are missing"):
            restore.read(lines[:number], path="list")
    for missing in range(len(lines) - 1):
        with pytest.raises(ErasedListUnreadable):
            restore.read([*lines[:missing], *lines[missing + 1 :]], path="list")


def test_a_list_with_another_key_is_refused(database: Database, lines: list[bytes]) -> None:
    arrive(database, *seven(), *others())
    forget(database, ["cust_1"])
    before = everything(database)
    with pytest.raises(ErasedListForeign):
        restore.forget_listed(database, restore.read(lines, path="list"))
    assert everything(database) == before


@pytest.mark.parametrize(
    ("number", "line", "reason"),
    [
        (1, b"{", "Input data was truncated"),
        (1, b'{"type":"key","key":"AAAA"}', "the key is not one of 32 bytes"),
        (1, b'{"type":"key","key":"\xff"}', ""),
        (2, b'{"type":"digest","digest":"00","erasure_id":99}', "erasure 99 is not in the list"),
        (1, b'{"type":"other"}', "Invalid value 'other'"),
        (1, b'{"type":"erasure","erasure_id":1,"project_id":"p"}', "lines are missing"),
        (2, b'{"type":"end","erasures":1,"digests":0}', "it has no key"),
    ],
)
def test_a_line_that_is_not_of_a_list_is_named(number: int, line: bytes, reason: str) -> None:
    first = [b'{"type":"erasure","erasure_id":1,"project_id":"p"}'] * (number - 1)
    with pytest.raises(ErasedListUnreadable, match=f"Line {number} of list .*{reason}"):
        restore.read([*first, line], path="list")
