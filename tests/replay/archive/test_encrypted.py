"""What was erased is unreadable in an encrypted archive, and the rest of it stays as it was."""

import zlib
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select, text

from projector.errors import (
    ArchiveForeign,
    ArchiveKeyMissing,
    ArchiveKeysMissing,
    ArchiveKeysUnreadable,
    ArchiveUnencrypted,
    KeyExists,
    KeyExposed,
    NoArchiveKeys,
)
from projector.projections import discover
from projector.store import log_ranges
from projector.store.database import Database
from projector.store.erasure import archive_keys, key_tree
from projector.store.tables import archive_key, erased_stream, erasure
from replay import verify
from replay.archive import check, encryption, keys, read, rows, shelf, write
from replay.archive.encryption import KeyMissing
from replay.archive.keys import DatabaseKeys
from replay.archive.restore import restore
from replay.archive.shelf import Shelf
from tests.replay.archive.conftest import Names, append_ten, log_of
from tests.support.databases import wipe
from tests.support.items import envelope, put, read_log
from tests.support.redaction import erase

#: What is personal about one customer of the log: the id, a name, an event's id, a word of a body.
PERSONAL = ("cust_secret", "Ada Lovelace", "event-of-ada", "x-type")


@pytest.fixture
def log(log: Database) -> Database:
    """A log of twelve events, with one customer more."""
    put(log, envelope("event-of-ada", customer_id="cust_secret", name="Ada Lovelace", minute=50))
    put(log, envelope("e-ada-2", customer_id="cust_secret", name="Ada Lovelace", type="x-type"))
    return log


@pytest.fixture
def encrypted(log: Database, stored: Shelf) -> Shelf:
    """An encrypted archive of the log, in files of five."""
    done = write.write(log, stored, until="head", range_events=5, encrypt=True)
    assert (done.encrypted, done.files, done.last) == (True, 3, 12)
    return stored


def _decrypted(database: Database, stored: Shelf) -> dict[int, tuple[Any, ...] | None]:
    """The rows of an archive by position, with the keys of a database; None without a key."""
    found: dict[int, tuple[Any, ...] | None] = {}
    for file in read.read(stored).files:
        nodes = DatabaseKeys(database).read(file.first, file.last)
        with stored.reader(file.name) as opened:
            for block in rows.blocks(opened, rows.ENCRYPTED):
                for row in zip(*block, strict=True):
                    one = tuple([each] for each in row)
                    try:
                        got = encryption.decrypt(one, key_tree.keys(nodes, row[0], row[0]), {})
                        found[row[0]] = tuple(column[0] for column in got)
                    except KeyMissing:
                        found[row[0]] = None
    return found


def _log_rows(database: Database) -> dict[int, tuple[Any, ...]]:
    with database.reading() as connection:
        return {
            row[0]: row
            for block in log_ranges.read(connection, after=0, until=2**40)
            for row in zip(*block, strict=True)
        }


def _texts(folder: Path) -> str:
    """All that can be read in an archive without keys: names, bytes, and values of columns."""
    found = [each.relative_to(folder).as_posix() for each in folder.rglob("*")]
    found += [each.read_bytes().decode("latin-1") for each in folder.rglob("*") if each.is_file()]
    for each in folder.glob("events/*"):
        for row in duckdb.sql(f"SELECT * FROM '{each}'").fetchall():
            found += [v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in row]
    return "\n".join(found)


def test_an_encrypted_archive_has_in_the_clear_what_an_erasure_leaves(
    log: Database, encrypted: Shelf, folder: Path
) -> None:
    readable = _texts(folder)
    for event in read_log(log):
        for each in (event.event_id, event.customer_id, event.type, event.body):
            # Short ids may be in random bytes.
            assert each is None or len(each) < 6 or each not in readable
    for each in (*PERSONAL, "2024-01-01", "customer.", "minimal"):
        assert each not in readable
    assert "2025-01-01" in readable, "when the events were received"
    assert _decrypted(log, encrypted) == _log_rows(log)
    assert check.check(encrypted, log, contents=True).faults == ()


def test_after_an_erasure_no_key_opens_what_was_erased_and_every_key_the_rest(
    log: Database, encrypted: Shelf, names: Names, folder: Path
) -> None:
    before, files = _log_rows(log), {each: (folder / each).read_bytes() for each in names()}
    # A customer; and an event without one, of which other events stay.
    erased = erase(log, "cust_secret", positions=[4])
    assert erased == [4, 11, 12]
    after = _decrypted(log, encrypted)
    assert [position for position, row in after.items() if row is None] == erased
    assert all(row == before[position] for position, row in after.items() if row)
    assert not any(word in str([*after.values()]) for word in PERSONAL)
    found = check.check(encrypted, log, contents=True)
    assert (found.faults, found.erased, found.encrypted) == ((), 3, True)
    # The archive goes on, with the event that tells of the erasure; what was there stays as it was.
    assert write.write(log, encrypted, until="head").last == 13
    assert {each: (folder / each).read_bytes() for each in files} == files
    # Nor does another archive of the log bring a key back.
    write.write(log, shelf.opened(f"{folder}-2"), until="head", encrypt=True)
    assert [each for each, row in _decrypted(log, encrypted).items() if row is None] == erased
    assert check.check(encrypted, log, contents=True).faults == ()


def test_markers_are_archived_readable(log: Database, stored: Shelf, folder: Path) -> None:
    archive_keys.create(log)
    erased = erase(log, "cust_secret")
    write.write(log, stored, until="head", encrypt=True)
    assert _decrypted(log, stored) == _log_rows(log)
    assert '{"erased":1}' in _texts(folder)
    found = check.check(stored, log, contents=True)
    assert (found.faults, found.erased) == ((), 0)
    assert erased == [11, 12]


def test_an_erasure_while_an_encrypted_archive_is_written_makes_it_unreadable(
    log: Database, stored: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_ranges, "BLOCK_ROWS", 2)
    erased: list[int] = []

    def erase_once(_done: int, _total: int) -> None:
        if not erased:
            erased.extend(erase(log, "cust_secret", "cust_1"))

    done = write.write(
        log, stored, until="head", range_events=100, encrypt=True, on_progress=erase_once
    )
    assert (done.files, done.events, done.erased) == (1, 12, 0)
    after = _decrypted(log, stored)
    assert [position for position, row in after.items() if row is None] == erased
    assert check.check(stored, log, contents=True).faults == ()
    write.write(log, stored, until="head")
    assert _decrypted(log, stored)[11] is None
    with log.reading() as connection:
        assert not key_tree.covered(archive_keys.read(connection, 0, 100), erased)


@pytest.mark.parametrize("when", ["reading", "putting"])
def test_an_erasure_while_another_archive_is_written_is_noticed(
    log: Database, stored: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    erased: list[int] = []

    def erase_once(*_: object) -> None:
        if not erased:
            erased.extend(erase(log, "cust_secret"))

    put_file = stored.put

    def put_after_it(name: str, path: Path) -> None:
        erase_once()
        put_file(name, path)

    if when == "putting":
        monkeypatch.setattr(stored, "put", put_after_it)
    progress = erase_once if when == "reading" else lambda *_: None
    done = write.write(log, stored, until=12, on_progress=progress)
    found = check.check(stored, log, contents=True)
    assert (found.faults, found.erased, done.erased, len(found.unnamed)) == (
        (), 0, 0, when == "putting",
    )  # fmt: skip
    check.prune(stored, kept_seconds=0)
    assert not any(word in _texts(folder) for word in PERSONAL)


def test_keys_are_stored_before_anything_is_encrypted(
    log: Database, stored: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file, seen = stored.put, []

    def after_a_look(name: str, path: Path) -> None:
        with log.reading() as connection:
            seen.append(archive_keys.read(connection, 1, 12))
        put_file(name, path)

    monkeypatch.setattr(stored, "put", after_a_look)
    write.write(log, stored, until="head", range_events=5, encrypt=True)
    assert len(seen) == 3
    assert seen[0] == seen[2] != []


def test_an_archive_that_is_not_encrypted_is_told_to_have_what_was_erased(
    log: Database, stored: Shelf
) -> None:
    write.write(log, stored, until="head", range_events=5)
    erase(log, "cust_secret", positions=[4])
    found = check.check(stored, log, contents=True)
    archived = read.read(stored).files
    assert {each.name: each.problem for each in found.faults} == {
        archived[0].name: "it has 1 events of erased customers, and all can read them",
        archived[2].name: "it has 2 events of erased customers, and all can read them",
    }
    done = write.write(log, stored, until="head", range_events=5)
    # It goes on all the same: the last event of the file before was erased, and is passed over.
    assert (done.files, done.erased) == (1, 3)
    with pytest.raises(ArchiveUnencrypted):
        write.write(log, stored, encrypt=True)


def test_a_row_that_was_changed_where_something_was_erased_is_found(
    log: Database, stored: Shelf, encrypted: Shelf, tmp_path: Path
) -> None:
    from tests.support.databases import unguarded

    erase(log, "cust_secret", positions=[4])
    for column, value in (("body", "'{}'"), ("project_id", "'proj_2'"), ("source", "'webhook'")):
        with log.writing() as connection, unguarded(connection):
            [(before,)] = connection.execute(text(f"SELECT {column} FROM event WHERE position = 5"))
            connection.execute(text(f"UPDATE event SET {column} = {value} WHERE position = 5"))
        [fault] = check.check(encrypted, log).faults
        assert fault.problem.startswith("the log's rows from position 1 to 5 are not those")
        with log.writing() as connection, unguarded(connection):
            connection.execute(
                text(f"UPDATE event SET {column} = :before WHERE position = 5"), {"before": before}
            )
    assert check.check(encrypted, log).faults == ()


def test_what_is_in_the_clear_cannot_be_changed_unnoticed(log: Database, encrypted: Shelf) -> None:
    file = read.read(encrypted).files[0]
    nodes = DatabaseKeys(log).read(file.first, file.last)
    with encrypted.reader(file.name) as opened:
        [block] = rows.blocks(opened, rows.ENCRYPTED)
    others = {0: [1, 2, 3, 5, 4], 1: ["proj_2"] * 5, 2: ["2025-01-01T12:30:15.123457Z"] * 5}
    swapped = [*block[4][:3], block[4][4], block[4][3]]
    for column, values in (*others.items(), (4, swapped)):
        changed: Any = (*block[:column], values, *block[column + 1 :])
        with pytest.raises(ValueError, match=r"position \d was changed, or encrypted with another"):
            encryption.decrypt(changed, key_tree.keys(nodes, 1, 5), {})


def test_a_row_is_encrypted_as_the_page_about_archives_says() -> None:
    """By an implementation of the page, which other programs rely on."""
    [key] = key_tree.keys([key_tree.root(b"k" * 32)], 1, 1)
    assert key is not None
    at = (1, "proj_1", "2025-01-01T12:30:15.123456Z")
    hidden = ("e0", "t", 7, "cust_1", "2024-01-01T00:00:00.000000Z", True, "minimal", "{}\0")
    row = (*at[:2], *hidden[:5], at[2], *hidden[5:])
    block = encryption.encrypt(tuple([each] for each in row), [key])
    derived = blake2b(key=key, person=b"archive key tree").digest()
    text_ = b"e0\0t\x007\0cust_1\x002024-01-01T00:00:00.000000Z\x001\0minimal\0{}\0"
    context = "\0".join(("projector/archive/v2", *map(str, at))).encode()
    data = block[4][0]
    packed = AESGCM(derived[:32]).decrypt(data[:12], data[12:], context)
    assert zlib.decompress(packed) == text_
    nonce = blake2b(context + b"\0" + text_, key=derived[32:], digest_size=12).digest()
    assert data[:12] == nonce
    assert encryption.nonces(tuple([each] for each in row), [key]) == [(*at, None, nonce.hex())]


def test_a_key_that_is_missing_is_not_taken_for_an_erasure(
    log: Database, encrypted: Shelf, tmp_path: Path
) -> None:
    with log.writing() as connection:
        archive_keys.destroy(connection, [3])
    [fault] = check.check(encrypted, log).faults
    assert fault.problem == "the key of position 3 is missing, but its event is not erased"
    keys.write_file(log, str(tmp_path / "keys"))
    append_ten(log, 20)
    with log.writing() as connection:
        archive_keys.destroy(connection, [12])
    with pytest.raises(ArchiveKeyMissing, match="position 12 "):
        write.write(log, encrypted, until="head")
    wipe(log)
    with pytest.raises(ArchiveKeyMissing, match="position 3 "):
        restore(log, read.read(encrypted), keys.read_file(str(tmp_path / "keys")))
    assert read_log(log) == []


def test_a_key_that_an_erasure_left_is_a_fault(log: Database, encrypted: Shelf) -> None:
    with log.reading() as connection:
        nodes = list(archive_keys.read_all(connection))
    erase(log, "cust_secret")
    with log.writing() as connection:
        connection.execute(archive_key.delete())
        archive_keys.insert(connection, nodes)
    [fault] = check.check(encrypted, log).faults
    assert fault.problem == "the keys of 2 erased events of it are still there"


def test_without_keys_nothing_is_written_or_restored(
    log: Database, encrypted: Shelf, names: Names
) -> None:
    before = names()
    with log.writing() as connection:
        connection.execute(archive_key.delete())
    with pytest.raises(ArchiveKeysMissing):
        write.write(log, encrypted, until="head")
    wipe(log)
    with pytest.raises(ArchiveKeysMissing):
        restore(log, read.read(encrypted))
    assert (names(), read_log(log)) == (before, [])
    # Those of another log do not open it.
    append_ten(log, 30)
    archive_keys.create(log)
    with pytest.raises(ArchiveForeign):
        write.write(log, encrypted, until="head")


@pytest.mark.parametrize("encrypt", [True, False], ids=["encrypted", "plain"])
@pytest.mark.parametrize("end", [12, 13, 15])
def test_a_restore_repeats_the_erasures_that_it_knows(
    log: Database, stored: Shelf, tmp_path: Path, encrypt: bool, end: int
) -> None:
    """Those of which the archive tells, whose end is before or behind them, or the file of keys."""
    write.write(log, stored, until=12 if end == 12 else 10, encrypt=encrypt)
    erased = {*erase(log, "cust_2"), *erase(log, "cust_secret", positions=[4])}
    put(log, envelope("later", customer_id="cust_3"))
    write.write(log, stored, until=end)
    expected, tables = log_of(log), _erasures(log)
    faults = verify(log, discover(), sample=None).log
    known = None
    if encrypt:
        keys.write_file(log, str(tmp_path / "keys"))
        known = keys.read_file(str(tmp_path / "keys"))
    wipe(log)
    done = restore(log, read.read(stored), known)
    told = min(end - 12, 2)
    assert [row[0] for row in _erasures(log)[0]] == ([1, 2] if encrypt else [1, 2][:told])
    if end == 15:
        assert (log_of(log), _erasures(log)) == (expected, tables)
        assert verify(log, discover(), sample=None).log == faults
    if encrypt:
        # The erasures behind the end of the archive are told anew.
        assert done.head == end + 2 - told
        assert {each.position for each in read_log(log) if each.source == "erased"} == erased
        assert not any(word in str(read_log(log)) for word in PERSONAL)
        assert check.check(stored, log, contents=True).faults == ()
    assert restore(log, read.read(stored), known).events == 0


def _erasures(database: Database) -> list[list[tuple[Any, ...]]]:
    with database.reading() as connection:
        return [
            sorted(tuple(row) for row in connection.execute(select(*columns)))
            for columns in (
                (erasure.c.erasure_id, erasure.c.project_id, erasure.c.position, erasure.c.events),
                (erased_stream.c.stream_id,),
            )
        ]


def test_a_log_from_before_an_erasure_gets_the_rest_and_is_told(
    log: Database, stored: Shelf
) -> None:
    from projector.store import log_restore

    write.write(log, stored, until=10, encrypt=True)
    with log.reading() as connection:
        nodes = list(archive_keys.read_all(connection))
    events = read_log(log)
    erase(log, "cust_2", "cust_secret")
    write.write(log, stored, until="head")
    wipe(log)
    log_restore.append_recorded(log, events[:7])
    with log.writing() as connection:
        archive_keys.insert(connection, nodes)
    done = restore(log, read.read(stored))
    assert (done.events, done.head, done.erased, done.unerased) == (6, 13, 3, 2)
    with log.reading() as connection:
        assert not key_tree.covered(archive_keys.read(connection, 0, 100), [3, 6, 9, 11, 12])


_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "half": lambda content: content[: len(content) // 2],
    "other": lambda content: b'{"format": "other"}',
    "a key is missing": lambda content: content.replace(b'"keys"', b'"others"'),
    "a short key": lambda content: content.replace(b'"key": "', b'"key": "AAAA'),
    "no node": lambda content: content.replace(b'"first": 0', b'"first": 1'),
    "empty": lambda content: b"",
}


def test_a_file_of_keys_is_for_its_owner_and_refused_when_damaged(
    log: Database, encrypted: Shelf, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    assert keys.write_file(log, str(path)) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyExists):
        keys.write_file(log, str(path))
    content = path.read_bytes()
    with log.reading() as connection:
        [node] = archive_keys.read_all(connection)
    assert keys.read_file(str(path)).nodes == [node]
    for damage in _DAMAGES.values():
        path.write_bytes(damage(content))
        with pytest.raises(ArchiveKeysUnreadable):
            keys.read_file(str(path))
    path.write_bytes(content)
    path.chmod(0o640)
    with pytest.raises(KeyExposed):
        keys.read_file(str(path))
    with pytest.raises(ArchiveKeysUnreadable):
        keys.read_file(str(tmp_path / "none"))
    wipe(log)
    with pytest.raises(NoArchiveKeys):
        keys.write_file(log, str(tmp_path / "more"))
    assert not (tmp_path / "more").exists()
