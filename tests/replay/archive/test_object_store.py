"""An archive in an object store: moto, a server of S3's API, in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from projector.errors import ArchiveBroken, ArchiveUnreachable
from projector.store import log_ranges
from projector.store.database import Database
from replay.archive import check, keys, object_store, read, rows, shelf, write
from replay.archive.restore import restore
from replay.archive.shelf import Shelf, Taken
from tests.replay.archive.conftest import append_ten, log_of
from tests.support.command import run_program
from tests.support.databases import url_of, wipe
from tests.support.programs import free_port
from tests.support.redaction import erase

pytestmark = pytest.mark.external

_START_SECONDS_MAX = 60


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running server."""
    port, log = free_port(), tmp_path_factory.mktemp("moto") / "log"
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=out,
            stderr=out,
        )
    try:
        _await(url, server, log)
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS_MAX
    while True:
        try:
            _ask(url, "GET", "/moto-api/")
        except OSError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        else:
            return


def _ask(url: str, method: str, path: str) -> None:
    with closing(HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
        connection.request(method, path)
        assert connection.getresponse().status == 200


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a prefix in an empty bucket, for this process's environment."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    _ask(endpoint, "POST", "/moto-api/reset")
    _ask(endpoint, "PUT", "/archives")
    return "s3://archives/shop one"


@pytest.fixture
def stored(bucket: str) -> Shelf:
    """The shelf there."""
    return shelf.opened(bucket)


def test_a_log_goes_there_and_back(log: Database, stored: Shelf) -> None:
    assert write.write(log, stored, range_events=4).files == 2
    assert write.write(log, stored, until="head", range_events=4).files == 1
    again = shelf.opened(stored.url)
    found = check.check(again, log, contents=True)
    assert (found.files, found.last, found.faults, found.unnamed) == (3, 10, (), ())
    assert [each.name for each in again.names("manifests/")] == [
        f"manifests/{after:019}.json" for after in (0, 4, 8)
    ]
    expected = log_of(log)
    wipe(log)
    restore(log, read.read(again))
    assert log_of(log) == expected
    append_ten(log, 10)
    assert write.write(log, stored, range_events=10).last == 20


def test_an_encrypted_log_goes_there_and_back(log: Database, stored: Shelf, tmp_path: Path) -> None:
    write.write(log, stored, range_events=4, encrypt=True)
    erased = erase(log, "cust_1")
    expected = log_of(log)
    assert write.write(log, stored, until="head", range_events=4).encrypted
    again = shelf.opened(stored.url)
    found = check.check(again, log, contents=True)
    assert (found.files, found.last, found.faults) == (3, 11, ())
    assert found.erased == sum(each <= 8 for each in erased)
    keys.write_file(log, str(tmp_path / "keys"))
    wipe(log)
    restore(log, read.read(again), keys.read_file(str(tmp_path / "keys")))
    assert log_of(log) == expected


def test_a_name_is_given_once_whatever_the_number_of_those_who_want_it(stored: Shelf) -> None:
    def put_number(number: int) -> bool:
        try:
            stored.put_bytes("manifests/one", bytes([number]) * 1000)
        except Taken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(put_number, range(8)))
    assert won.count(True) == 1
    assert stored.read("manifests/one") == bytes([won.index(True)]) * 1000


def test_one_row_group_is_read_by_ranges(
    log: Database, stored: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_ranges, "BLOCK_ROWS", 2)
    monkeypatch.setattr(rows, "ROW_GROUP_ROWS", 2)
    write.write(log, stored, until="head")
    [file] = read.read(stored).files
    asked: list[int] = []
    read_range = object_store.ObjectStore.read_range

    def counted(self: object_store.ObjectStore, name: str, start: int, end: int) -> bytes:
        asked.append(end - start)
        return read_range(self, name, start, end)

    monkeypatch.setattr(object_store.ObjectStore, "read_range", counted)
    with stored.reader(file.name) as opened, pq.ParquetFile(opened) as parquet:
        assert parquet.num_row_groups == 5
        position, *_ = rows.as_block(parquet.read_row_group(3))
    assert position == [7, 8]
    assert asked
    with stored.reader(file.name) as opened:
        assert opened.seek(-4, os.SEEK_END) == file.bytes - 4
        assert opened.read() == b"PAR1"
        assert opened.read() == b""


def test_what_is_missing_or_removed_is_named(log: Database, stored: Shelf, tmp_path: Path) -> None:
    write.write(log, stored, until="head")
    [file] = read.read(stored).files
    for call in (
        lambda: stored.read("manifests/none"),
        lambda: stored.get("manifests/none", tmp_path / "copy"),
        lambda: stored.reader("manifests/none"),
    ):
        with pytest.raises(ArchiveBroken, match="manifests/none: it is missing"):
            call()
    stored.put_bytes("events/orphan", b"123")
    assert check.prune(stored, kept_seconds=0).removed == ("events/orphan",)
    stored.remove(file.name)
    stored.remove(file.name)
    assert [each.problem for each in check.check(stored).faults] == ["it is missing"]


def test_a_store_that_cannot_be_reached_is_a_sentence(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ArchiveUnreachable):
        read.opened("s3://no-such-bucket/prefix")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(object_store, "_RETRY_SECONDS_MAX", 0)
    with pytest.raises(ArchiveUnreachable) as caught:
        read.opened(bucket)
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("bucket")
def test_the_command_reads_credentials_and_the_url_from_the_environment(
    sqlite_database: Database, tmp_path: Path
) -> None:
    append_ten(sqlite_database)
    more = {"PROJECTOR_DATABASE_URL": url_of(sqlite_database)}
    more["PROJECTOR_ARCHIVE_URL"] = "s3://archives/other"

    def run(*arguments: str) -> Any:
        done = run_program(tmp_path, "archive", *arguments, "--json", stdin=b"", **more)
        assert done.code == 0, done.err
        return done.json

    assert run("write", "--until", "head")["last"] == 10
    assert run("check", "--contents", "--log")["faults"] == []
