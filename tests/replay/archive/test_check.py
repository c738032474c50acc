"""Whatever is changed in an archive, or in the log behind it, is named; what is unnamed is not."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from attrs import evolve
from sqlalchemy import text

from projector.errors import ArchiveBroken, ArchiveSchemaUnknown, NotArchived
from projector.store.database import Database
from replay.archive import check, manifest, read, rows, write
from replay.archive.shelf import Shelf
from tests.replay.archive.conftest import Names, append_ten
from tests.support.databases import unguarded, wipe

_DAY = 24 * 60 * 60


@pytest.fixture
def archived(log: Database, stored: Shelf, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """An archive of five files, in pages of two."""
    monkeypatch.setattr(manifest, "PAGE_FILES_MAX", 2)
    write.write(log, stored, range_events=2)
    return stored


def _faults(
    stored: Shelf, database: Database | None = None, contents: bool = False
) -> dict[str, str]:
    return {
        each.name: each.problem for each in check.check(stored, database, contents=contents).faults
    }


def test_an_archive_that_is_whole_has_no_faults(log: Database, archived: Shelf) -> None:
    found = check.check(archived, log, contents=True)
    assert (found.files, found.events, found.last) == (5, 10, 10)
    assert (found.faults, found.unnamed, found.is_right) == ((), (), True)
    assert found.bytes == sum(each.size for each in archived.names("events/"))


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


_TAMPERINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit": (_flip, "its SHA-256 is not the manifest's"),
    "no file": (Path.unlink, "it is missing"),
    "half a file": (lambda path: os.truncate(path, 100), "it has 100 bytes, not"),
    "garbage": (lambda path: path.write_bytes(b"?" * path.stat().st_size), "its SHA-256"),
}


@pytest.mark.parametrize(("tamper", "problem"), list(_TAMPERINGS.values()), ids=list(_TAMPERINGS))
def test_a_file_that_was_changed_is_named(
    archived: Shelf, folder: Path, tamper: Callable[[Path], object], problem: str
) -> None:
    changed = read.read(archived).files[2].name
    tamper(folder / changed)
    for contents in (False, True):
        [(name, found)] = _faults(archived, contents=contents).items()
        assert name == changed
        assert found.startswith(problem)


def test_every_manifest_that_was_rewritten_or_removed_is_named(
    archived: Shelf, folder: Path
) -> None:
    names = [each.name for each in archived.names("manifests/")]
    assert len(names) == 5
    newest = read.read(archived).files[-1].name
    for number, name in enumerate(names):
        path = folder / name
        content = path.read_bytes()
        for changed in (content.replace(b'"late": ', b'"late": 7', 1), b"{}", None):
            assert changed != content
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
            found = _faults(archived, contents=True)
            is_named = any(name in f"{each} {problem}" for each, problem in found.items())
            if number < len(names) - 1:
                assert is_named, (name, found)
            elif changed is None:
                # Nothing follows the newest one: without it, the archive is a shorter one.
                assert found == {}
                assert len(check.check(archived).unnamed) == 1
            else:
                assert is_named or found.keys() == {newest}
        path.write_bytes(content)
    assert _faults(archived) == {}


def test_a_word_that_was_changed_in_a_manifest_is_named_by_the_next_one(
    archived: Shelf, folder: Path
) -> None:
    """In a key that no other check looks at; readers follow those that end a page."""
    for after, ends_page in ((0, False), (2, True), (4, False), (6, True)):
        path = folder / manifest.manifest_name(after)
        content = path.read_bytes()
        path.write_bytes(content.replace(b'"made_by": "', b'"made_by": "other '))
        problem = f"{manifest.manifest_name(after)} has changed since this was written"
        assert _faults(archived) == {manifest.manifest_name(after + 2): problem}
        if ends_page:
            with pytest.raises(ArchiveBroken, match="it has changed since"):
                read.read(archived)
        path.write_bytes(content)
    assert read.read(archived).last == 10


def test_rows_that_are_not_those_of_the_manifest_are_named(
    log: Database, archived: Shelf, folder: Path
) -> None:
    """A file may be replaced with its hashes, and the manifest with it; the digest stays."""
    first, second, *_ = read.read(archived).files
    blocks = [*rows.blocks(folder / first.name)]
    with rows.writer(folder / "forged") as writer:
        for block in blocks:
            changed = (*block[:-1], ["{}"] * len(block[-1]))
            writer.add(rows.as_batch(changed))
    forged = (folder / "forged").read_bytes()
    entry = msgspec.json.decode((folder / manifest.manifest_name(0)).read_bytes())["files"][0]
    it = evolve(
        first,
        bytes=len(forged),
        body_bytes=2 * entry["types"]["customer.updated"],
    )
    assert [*check.check_contents(it, folder / "forged")] == [
        "its rows are not those that the manifest counts and digests"
    ]
    assert [*check.check_contents(second, folder / first.name)] == [
        f"position {second.first} is missing or out of order",
        "its rows are not those that the manifest counts and digests",
    ]


@pytest.mark.parametrize("column", ["body", "late", "event_id", "occurred_at", "stream_id"])
def test_a_row_of_the_log_that_was_changed_is_named_by_its_range(
    log: Database, archived: Shelf, column: str
) -> None:
    other = {"late": "NOT late", "body": "'{}'", "event_id": "'x'", "stream_id": "1"}
    with log.writing() as connection, unguarded(connection):
        connection.execute(
            text(
                f"UPDATE event SET {column} = {other.get(column, 'received_at')} WHERE position = 6"
            )
        )
    assert _faults(archived) == {}
    [(name, problem)] = _faults(archived, log).items()
    assert name == read.read(archived).files[2].name
    assert problem == "the log's rows from position 5 to 6 are not those that were archived"


def test_a_customer_whose_stream_was_given_to_another_is_found(
    log: Database, archived: Shelf
) -> None:
    with log.writing() as connection:
        connection.execute(text("UPDATE stream SET customer_id = 'cust_9' WHERE stream_id = 2"))
    assert len(_faults(archived, log)) > 1


def test_a_log_that_ends_before_its_archive_is_named_once_a_file(
    log: Database, archived: Shelf
) -> None:
    wipe(log)
    assert set(_faults(archived, log).values()) == {"the log ends at position 0, before it"}


def test_what_no_manifest_names_is_reported_and_removed_when_it_is_old(
    archived: Shelf, folder: Path, names: Names
) -> None:
    before = names()
    orphans = [
        "events/0000000000000000011-0000000000000000012-0123456789abcdef.parquet",
        "events/.0123456789abcdef",
        "work/run-1/00000-0-customer.parquet",
    ]
    for name in orphans:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"12345")
    found = check.check(archived)
    assert (found.is_right, found.unnamed) == (True, (orphans[0],))
    done = check.prune(archived)
    assert (done.removed, sorted(done.kept)) == ((), sorted(orphans))
    for name in orphans[:2]:
        os.utime(folder / name, (time.time() - _DAY - 1,) * 2)
    done = check.prune(archived)
    assert (sorted(done.removed), done.bytes) == (sorted(orphans[:2]), 10)
    assert names() == sorted([*before, orphans[2]])
    check.prune(archived, kept_seconds=0)
    assert names() == before
    assert not (folder / "work" / "run-1").exists()


def test_nothing_is_removed_while_a_manifest_cannot_be_read(
    archived: Shelf, folder: Path, names: Names
) -> None:
    newest = max(each.name for each in archived.names("manifests/"))
    for content, error in (
        (b"", ArchiveBroken),
        (b'{"format": "customer-state-projector/archive", "schema": 3}', ArchiveSchemaUnknown),
    ):
        (folder / newest).write_bytes(content)
        before = names()
        with pytest.raises(error):
            check.prune(archived, kept_seconds=0)
        assert names() == before


def test_where_there_is_no_archive_nothing_is_checked_or_removed(
    stored: Shelf, folder: Path
) -> None:
    for call in (check.check, check.prune):
        with pytest.raises(NotArchived):
            call(stored)
    assert not folder.exists()
    (folder / "events").mkdir(parents=True)
    (folder / "events" / "mine").write_text("of another program")
    with pytest.raises(NotArchived):
        check.prune(stored, kept_seconds=0)
    assert (folder / "events" / "mine").exists()


def test_another_schema_is_an_error_of_the_check(archived: Shelf, folder: Path) -> None:
    (folder / manifest.manifest_name(8)).write_bytes(
        b'{"format": "customer-state-projector/archive", "schema": 3}'
    )
    with pytest.raises(ArchiveSchemaUnknown):
        check.check(archived)


def test_garbage_in_the_place_of_a_file_is_a_sentence(archived: Shelf, folder: Path) -> None:
    file = read.read(archived).files[0]
    content = (folder / file.name).read_bytes()
    other = folder / "other.parquet"
    for changed in (
        b"",
        b"PAR1",
        b"?" * 1000,
        content[:-20],
        content[:4] + b"\0" * 400 + content[404:],
    ):
        other.write_bytes(changed)
        [problem] = check.check_contents(file, other)
        assert problem.startswith("its rows cannot be read: ")
        assert "\n" not in problem


@pytest.fixture
def unlike(log: Database) -> Database:
    """A log whose first ten events are those of the archive, and more."""
    append_ten(log, 10)
    return log


def test_events_behind_the_archive_are_no_fault(unlike: Database, stored: Shelf) -> None:
    write.write(unlike, stored, until=12)
    assert check.check(stored, unlike, contents=True).is_right
