"""Opens SQLite files: private, durable, with a write-ahead log; creates one only if told so."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from attrs import define
from sqlalchemy import URL, Connection, Engine, create_engine, event

from projector.errors import DatabaseMissing, DatabaseUnreachable
from projector.store.dialects import common_options
from projector.store.tables import VERSION_TABLE

#: The default busy timeout of SQLite, in seconds: a writer's wait for another writer.
BUSY_SECONDS_MAX = 60.0

#: The size of the write-ahead log, in pages, at which a commit copies it into the database
#: (checkpoint). The index of event ids gets one page of 8 KiB dirty for each event of a large log:
#: the longer the log, the more of them are written to the database once instead of again and again.
CHECKPOINT_PAGES = 8_000

#: The size to which SQLite truncates the write-ahead log when it begins anew, in bytes. It grows
#: beyond that while a reader needs its beginning. More than its usual size, a checkpoint's and a
#: large batch, so that it is not truncated and extended all the time.
WAL_BYTES_KEPT = 128 * 1024 * 1024

#: The page cache of a connection, in KiB, before and after its first transaction that writes. The
#: pages of the indexes that a batch touches must fit, or they spill into the write-ahead log, some
#: several times. Few connections write.
_READER_CACHE_KIB, _WRITER_CACHE_KIB = 16 * 1024, 64 * 1024

#: The statement that begins a transaction that writes: it takes the one write lock at once.
WRITING = "BEGIN IMMEDIATE"

#: The bytes of a file's header that say whether it uses a write-ahead log, and their value if so.
_JOURNAL = slice(18, 20)
_WAL = b"\x02\x02"

#: The size of SQLite's largest pages: a file with tables is longer than one page.
_PAGE_BYTES_MAX = 65_536

#: More than the time between the moments at which SQLite writes the header of a new file and
#: creates its write-ahead log, in seconds.
_CREATION_SECONDS = 0.05


@define
class SqliteFile:
    """The file of a SQLite database."""

    path: Path
    #: Whether a connection may create it, or create a database in an empty file.
    may_create: bool = False
    #: Whether it has no content but that of a write-ahead log, which was missing when this process
    #: first opened it.
    lacked_wal: bool | None = None

    @classmethod
    def of(cls, url: URL) -> SqliteFile:
        """Return the file that a URL names, by its path or by a URI."""
        name = url.database or ""
        if name.startswith("file:") and "uri" in url.query:
            name = unquote(urlsplit(name).path)
        return cls(Path(name))

    @property
    def wal(self) -> Path:
        """The path of its write-ahead log, which exists while the database is in use."""
        return Path(f"{self.path}-wal")

    def look(self) -> None:
        """Check that the file exists, or create it; remember whether its write-ahead log does."""
        try:
            if self.path.is_dir():
                raise DatabaseUnreachable(url=self.path, reason="it is a folder")
            if not self.path.exists():
                self._create()
            if self.lacked_wal is None:
                self.lacked_wal = self._lacks_wal()
                if self.lacked_wal:
                    # Another process may be about to create the log of a new file.
                    time.sleep(_CREATION_SECONDS)
                    self.lacked_wal = self._lacks_wal()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DatabaseUnreachable(url=self.path, reason=reason) from error

    def uses_wal(self) -> bool:
        """Return whether the file's header says that it uses a write-ahead log."""
        with self.path.open("rb") as opened:
            return opened.read(_JOURNAL.stop)[_JOURNAL] == _WAL

    def is_writable(self) -> bool:
        """Return whether this process may write to the file, and create others beside it."""
        return all(map(_is_writable, (self.path, self.path.parent)))

    def is_immutable(self) -> bool:
        """Return whether SQLite could not read the file unless it is declared immutable.

        To read a file with a write-ahead log, SQLite creates files beside it, which a read-only
        folder does not allow. Raises DatabaseUnreachable if the log has content nevertheless.
        """
        if _is_writable(self.path.parent) or Path(f"{self.path}-shm").exists():
            return False
        if self.wal.exists() and self.wal.stat().st_size:
            reason = f"its folder is read-only, and {self.wal.name} has transactions to recover"
            raise DatabaseUnreachable(url=self.path, reason=reason)
        return self.uses_wal()

    def abandon(self) -> None:
        """Undo the switch to write-ahead logging of a file that got no tables after all.

        Otherwise it would look like a copy without its log. Does nothing if others have it open.
        """
        if self.lacked_wal or not self.path.exists():
            return
        with suppress(sqlite3.Error), closing(sqlite3.connect(self.path, timeout=0)) as connection:
            if not connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone():
                connection.execute("PRAGMA journal_mode = DELETE")

    def _lacks_wal(self) -> bool:
        is_one_page = self.path.stat().st_size <= _PAGE_BYTES_MAX
        return is_one_page and self.uses_wal() and not self.wal.exists()

    def _create(self) -> None:
        """Create the file, accessible to its owner and group only (0660 minus the umask).

        It will hold customers' data. An existing file keeps its mode. SQLite gives the files beside
        it (-wal, -shm) the same mode.
        """
        if not self.path.parent.is_dir():
            raise DatabaseUnreachable(url=self.path, reason="its folder does not exist")
        if not self.may_create:
            raise DatabaseMissing(path=self.path)
        # Another process may create it at the same time.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660))


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def create_sqlite_engine(url: URL, lock_seconds_max: float, file: SqliteFile) -> Engine:
    """Create the engine for a SQLite file; a writer waits `lock_seconds_max` for other writers."""
    engine = create_engine(
        url, connect_args={"timeout": lock_seconds_max}, **common_options(lock_seconds_max)
    )

    @event.listens_for(engine, "do_connect")
    def find(
        _dialect: object, _record: object, _arguments: object, named: dict[str, Any]
    ) -> sqlite3.Connection | None:
        file.look()
        if not file.is_immutable():
            return None
        options = {**named, "uri": True}
        connection: sqlite3.Connection = sqlite3.connect(
            f"file:{quote(str(file.path))}?immutable=1", **options
        )
        return connection

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        try:
            _set_up(connection, file, lock_seconds_max)
        except BaseException:
            # The pool drops a connection whose setup failed without closing it.
            connection.close()
            raise

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options: dict[str, Any] = dict(connection.get_execution_options())
        driver: Any = connection.connection.driver_connection
        prepare(
            driver,
            connection.info,
            durable=options.get("sqlite_durable", True),
            writes=options.get("sqlite_begin") == WRITING,
        )
        connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN"))

    return engine


def prepare(
    driver: sqlite3.Connection, info: dict[Any, Any], *, durable: bool, writes: bool
) -> None:
    """Make the settings of the next transaction; `info` is that of the connection."""
    if info.get("durable", True) != durable:
        # In WAL mode only FULL calls fsync for each commit, which then survives a power cut.
        driver.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        info["durable"] = durable
    if writes and "writes" not in info:
        driver.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        info["writes"] = True


def _set_up(connection: sqlite3.Connection, file: SqliteFile, lock_seconds_max: float) -> None:
    # The `begin` listener opens transactions; the driver must not do so implicitly.
    connection.isolation_level = None
    _use_wal_in_own_file(connection, file, lock_seconds_max)
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    # Some builds overwrite deleted content page by page, so that DROP TABLE holds the write lock
    # for seconds. It would hide nothing: the log keeps every event anyway.
    connection.execute("PRAGMA secure_delete = FAST")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")


def _use_wal_in_own_file(
    connection: sqlite3.Connection, file: SqliteFile, lock_seconds_max: float
) -> None:
    """Switch a new file, or one of this program, to write-ahead logging; leave others as they are.

    With a write-ahead log (WAL), readers and a writer do not block each other.
    """
    [mode] = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal":
        return
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    if not names and file.may_create:
        # Bodies of a kilobyte fit better into pages of 8 KiB; only takes effect in a new file.
        connection.execute("PRAGMA page_size = 8192")
        _use_wal(connection, lock_seconds_max)
    elif VERSION_TABLE in names and file.is_writable():
        _use_wal(connection, lock_seconds_max)


def _use_wal(connection: sqlite3.Connection, lock_seconds_max: float) -> None:
    """Switch the file to write-ahead logging.

    Retries: if two processes switch a new file at once, SQLite refuses one of them immediately
    ("database is locked") instead of waiting for the busy timeout.
    """
    deadline = time.monotonic() + lock_seconds_max
    while True:
        try:
            [mode] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
    if mode != "wal":
        raise sqlite3.OperationalError("the file system does not allow a write-ahead log")
