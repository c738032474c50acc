"""A test of the fast set cannot reach outside of its process."""

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest

from projector.store.database import Database
from tests.support.isolation import ReachedOutside


def _connect() -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", 9))


def _listen() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))


def _open(url: str) -> None:
    database = Database(url)
    with database.creating(), database.reading():
        pass


@pytest.mark.parametrize(
    "reach",
    [
        pytest.param(lambda: sqlite3.connect(":memory:"), id="sqlite3"),
        pytest.param(lambda: psycopg.connect("host=127.0.0.1 port=9"), id="psycopg"),
        pytest.param(lambda: _open("sqlite:///nowhere.db"), id="a SQLite database"),
        pytest.param(
            lambda: _open("postgresql+psycopg://127.0.0.1:9/none"), id="a Postgres database"
        ),
        pytest.param(lambda: subprocess.run([sys.executable], check=True), id="a process"),
        pytest.param(lambda: os.system("true"), id="a shell"),  # noqa: S605
        pytest.param(_connect, id="a connection"),
        pytest.param(_listen, id="a server"),
    ],
)
def test_a_fast_test_that_reaches_outside_fails(reach: Callable[[], object]) -> None:
    with pytest.raises(ReachedOutside, match="mark it with"):
        reach()
