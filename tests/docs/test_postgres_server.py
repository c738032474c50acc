"""The server that the tests run on is real, and does not outlive them."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from sqlalchemy import URL, make_url

from tests.support.postgres import Server, running_server

_ROOT = Path(__file__).parents[2]

_PARENT = """
import signal
from tests.support.postgres import running_server

with running_server() as server:
    print(server.url("postgres"), flush=True)
    signal.pause()
"""


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts a server here, even where the other tests use somebody else's."""
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)


def test_the_server_answers(postgres_url: str) -> None:
    assert _ask(postgres_url, "select version()").startswith("PostgreSQL ")


def test_a_new_database_is_empty_and_no_other_has_its_name(postgres_server: Server) -> None:
    urls = [postgres_server.create_database() for _ in range(2)]
    tables = "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
    assert len(set(urls)) == 2
    assert [_ask(url, tables) for url in urls] == ["0", "0"]
    for url in urls:
        postgres_server.drop_database(url)


def test_a_database_can_be_copied(postgres_server: Server) -> None:
    original = postgres_server.create_database()
    with psycopg.connect(_plain(make_url(original))) as connection:
        connection.execute("create table kept as select 42 as answer")
    copy = postgres_server.create_database(template=original)
    assert _ask(copy, "select answer from kept") == "42"
    postgres_server.drop_database(copy)
    postgres_server.drop_database(original)


def test_a_database_is_dropped_although_a_session_is_open(postgres_server: Server) -> None:
    url = postgres_server.create_database()
    with psycopg.connect(_plain(make_url(url))):
        postgres_server.drop_database(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(_plain(make_url(url)))


@pytest.mark.usefixtures("own_server")
def test_a_server_is_as_durable_as_asked_and_leaves_no_file_behind() -> None:
    with running_server(fsync=True, settings={"work_mem": "7MB"}) as server:
        url = server.url("postgres")
        folder = Path(_ask(url, "show unix_socket_directories"))
        assert folder.is_dir()
        assert _ask(url, "show fsync") == "on"
        assert _ask(url, "show synchronous_commit") == "on"
        assert _ask(url, "show work_mem") == "7MB"
    assert not folder.exists()


@pytest.mark.usefixtures("own_server")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_killed_parent_leaves_no_server_behind() -> None:
    with _parent() as parent:
        assert parent.stdout is not None
        url = make_url(parent.stdout.readline().strip())
        with psycopg.connect(_plain(url), autocommit=True) as session:
            folder = Path(_first(session, "show unix_socket_directories"))
            parent.kill()
            parent.wait()
            _wait_until(lambda: not (folder / "data" / "postmaster.pid").exists())
            with pytest.raises(psycopg.OperationalError):
                session.execute("select 1")
    assert not _listens(url)
    shutil.rmtree(folder)


def _parent() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PARENT], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )


def _listens(url: URL) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((url.host, url.port)) == 0


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold within 20 seconds"
        time.sleep(0.05)


def _ask(url: str, question: LiteralString) -> str:
    with psycopg.connect(_plain(make_url(url))) as connection:
        return _first(connection, question)


def _first(connection: psycopg.Connection, question: LiteralString) -> str:
    row = connection.execute(question).fetchone()
    assert row is not None
    return str(row[0])


def _plain(url: URL) -> str:
    """Return the URL as Postgres's own library reads it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
