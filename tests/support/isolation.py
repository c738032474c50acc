"""The fast set: tests that need no database, no process and no connection.

A test belongs to it unless a fixture or its folder shows that it does not, or it has the marker
`external`. In every run, fast or whole, a test of the set that reaches outside fails.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest

#: Fixtures that provide a database, or a place for one. Those that a fixture requests while it runs
#: are not seen: so the ones that choose an engine are named themselves.
_EXTERNAL_FIXTURES = {
    "engine",
    "postgres_server",
    "shared_database",
    "sqlite_template",
    "sqlite_url",
}

#: Folders whose tests drive the whole program.
_EXTERNAL_FOLDERS = {
    "browser",
    "cli",
    "concurrency",
    "docs",
    "faults",
    "fuzz",
    "plans",
    "prism",
    "server",
    "serving",
    "spark",
}

#: Audit events of the interpreter that reach outside of the process.
_REFUSED = {
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.system",
    "socket.bind",
    "socket.connect",
    "sqlite3.connect",
    "subprocess.Popen",
}

_TESTS = Path(__file__).parent.parent


class ReachedOutside(Exception):
    """A test of the fast set used {0}: mark it with `pytest.mark.external`."""

    def __str__(self) -> str:
        return str(self.__doc__).format(*self.args)


def is_fast(item: pytest.Item) -> bool:
    """Whether a test belongs to the fast set."""
    fixtures = set(getattr(item, "fixturenames", ()))
    return (
        not is_external(item.path)
        and not fixtures & _EXTERNAL_FIXTURES
        and item.get_closest_marker("external") is None
    )


def is_external(path: Path) -> bool:
    """Whether a path is in a folder whose tests drive the whole program."""
    return not _EXTERNAL_FOLDERS.isdisjoint(path.relative_to(_TESTS).parts[:1])


class _Guard:
    """Refuses while it is on; an audit hook cannot be removed."""

    def __init__(self) -> None:
        self.is_on = False
        sys.addaudithook(self._audit)

    def _audit(self, event: str, _arguments: tuple[Any, ...]) -> None:
        if self.is_on and event in _REFUSED:
            raise ReachedOutside(event)


_guard = _Guard()


def _refuse_postgres(*_arguments: Any, **_more: Any) -> None:
    """Take the place of the driver's function: libpq raises no audit events."""
    raise ReachedOutside("psycopg.connect")


@contextmanager
def isolated() -> Iterator[None]:
    """Refuse databases, processes and connections until the block ends."""
    _guard.is_on = True
    try:
        with mock.patch.object(psycopg, "connect", _refuse_postgres):
            yield
    finally:
        _guard.is_on = False
