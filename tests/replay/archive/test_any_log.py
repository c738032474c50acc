"""Any log is read back from its archive as it was, and restored from it, on either database."""

import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store.append import append
from projector.store.database import Database
from replay import rebuild
from replay.archive import check, keys, read, rows, shelf, write
from replay.archive.keys import FileKeys
from replay.archive.read import Archive
from replay.archive.restore import restore
from tests.replay.archive.conftest import log_of
from tests.support import databases
from tests.support.databases import wipe
from tests.support.given import RECEIVED_AT, Delivery
from tests.support.histories import arrivals, histories

pytestmark = pytest.mark.timeout(600)


@settings(
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), history=histories(), range_events=st.integers(1, 3), encrypt=st.booleans())
def test_a_log_moves_through_archives_from_one_database_to_the_other(
    both: tuple[Database, Database],
    data: st.DataObject,
    history: list[Delivery],
    range_events: int,
    encrypt: bool,
) -> None:
    sqlite, postgres = both
    for database in both:
        wipe(database)
    with tempfile.TemporaryDirectory() as folder:
        first, second = (shelf.opened(f"{folder}/{name}") for name in ("first", "second"))
        for each in data.draw(arrivals(history)):
            append(sqlite, each.envelopes, received_at=RECEIVED_AT)
            write.write(sqlite, first, range_events=range_events, encrypt=encrypt)
        write.write(sqlite, first, until="head", range_events=range_events, encrypt=encrypt)
        catch_up(sqlite, discover())
        log, tables = log_of(sqlite), databases.rows(sqlite)

        known = _keys(sqlite, f"{folder}/keys") if encrypt and log[0] else None
        restore(postgres, read.read(first), known)
        assert log_of(postgres) == log
        rebuild(postgres, discover())
        assert databases.rows(postgres) == tables
        write.write(postgres, second, until="head", range_events=range_events, encrypt=encrypt)
        archives = [read.read(each) for each in (first, second)]
        # What they have in common: not the bytes, where ranges were cut at other heads.
        assert _rows(archives[0]) == _rows(archives[1])
        assert [row[0] for row in _rows(archives[0])] == [row[0] for row in log[0]]
        assert [each.is_encrypted for each in archives] == [encrypt] * 2
        for database, archived in ((sqlite, second), (postgres, first)):
            assert check.check(archived, database, contents=True).faults == ()

        wipe(sqlite)
        restore(sqlite, read.read(second), known)
        assert log_of(sqlite) == log


def _keys(database: Database, path: str) -> FileKeys:
    keys.write_file(database, path)
    return keys.read_file(path)


def _rows(archive: Archive) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for file in archive.files:
        with archive.shelf.reader(file.name) as opened:
            for block in rows.blocks(opened, rows.layout_of(is_encrypted=archive.is_encrypted)):
                found += zip(*block, strict=True)
    return found
