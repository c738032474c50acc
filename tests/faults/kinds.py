"""The faults: which steps each may strike, how it strikes, and what the program may make of it."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
from attrs import frozen

from tests.faults.disturbed import Disturbed
from tests.faults.proxy import Cut
from tests.faults.steps import Step

#: Hours back, at the step; received_at then goes back in the middle of a log.
_SET_BACK_SECONDS = -3 * 3600
#: A few pages of SQLite's log more, and then no more: a write ends in its middle.
_LAST_BYTES = 20_000
_SEEN_SECONDS_MAX = 10
#: How long somebody else may take, and how long it works alone, if it can.
_WORK_SECONDS_MAX = 60
_HEAD_START_SECONDS = 0.5
#: How long Postgres takes to fall, once one of its processes has.
_FALL_SECONDS = 0.5

COMMIT_LOST = Cut(by_client=True, kinds=b"QP", word=b"COMMIT")
REPLY_LOST = Cut(by_client=False, kinds=b"C", word=b"COMMIT\0")
#: A statement that commits by itself: its parameters, and that the server is ready again.
STATEMENT_LOST = Cut(by_client=True, kinds=b"B", word=b"")
STATEMENT_S_REPLY_LOST = Cut(by_client=False, kinds=b"Z", word=b"I")
COPY_CUT = Cut(by_client=True, kinds=b"d", word=b"", half=True)


@frozen(kw_only=True)
class Kind:
    """A kind of fault."""

    name: str
    #: Whether it may strike a step on a database.
    strikes: Callable[[Step, str], bool]
    #: Strikes; what it has taken goes back when the stack is closed.
    strike: Callable[[Disturbed, ExitStack], None]
    #: Whether the program may get by at a step; otherwise it must tell in a sentence.
    may_survive: Callable[[Step], bool] = lambda _: False
    kills: bool = False
    #: A commit, or the answer to it, is lost.
    is_of_commits: bool = False
    #: The program must get by.
    is_harmless: bool = False


def _at_any(step: Step, _database: str) -> bool:
    return step.at != "start"


def _on_sqlite(step: Step, database: str) -> bool:
    return database == "sqlite" and step.at != "start"


def _on_postgres(step: Step, database: str) -> bool:
    return database == "postgres"


def _kill(it: Disturbed, _stack: ExitStack) -> None:
    it.process.kill()


def _kill_worker(it: Disturbed, _stack: ExitStack) -> None:
    os.kill(it.stopped.pid, signal.SIGKILL)


def _fill_disk(it: Disturbed, stack: ExitStack) -> None:
    """No process that works on the database can make a file longer, or write at all."""
    for pid in it.writers():
        _limit(pid, 0)
    if not it.is_sqlite:
        # Who cannot write Postgres's own log ends all of it, a moment after it has told so.
        stack.callback(time.sleep, _FALL_SECONDS)


def _nearly_fill_disk(it: Disturbed, _stack: ExitStack) -> None:
    wal = it.sqlite_path.with_name(f"{it.sqlite_path.name}-wal")
    for pid in it.writers():
        _limit(pid, wal.stat().st_size + _LAST_BYTES)


def _limit(pid: int, size: int) -> None:
    """As the user whose process it is: in a container root may not do that to others'."""
    owner = Path(f"/proc/{pid}").stat()
    subprocess.run(
        ["prlimit", f"--pid={pid}", f"--fsize={size}:"],
        user=owner.st_uid,
        group=owner.st_gid,
        extra_groups=[] if os.geteuid() == 0 else None,
        check=True,
    )


def _cut(it: Disturbed, _stack: ExitStack) -> None:
    assert it.proxy is not None
    it.proxy.cut_now()
    assert it.proxy.cuts


def _cutting(cut: Cut) -> Callable[[Disturbed, ExitStack], None]:
    def strike(it: Disturbed, _stack: ExitStack) -> None:
        assert it.proxy is not None
        it.proxy.cut_at(cut)
        it.must_be_so = lambda: it.proxy is not None and it.proxy.cuts > 0

    return strike


def _losing(commit: Cut, statement: Cut) -> Callable[[Disturbed, ExitStack], None]:
    def strike(it: Disturbed, stack: ExitStack) -> None:
        cut = statement if it.step.is_before_direct_statement else commit
        _cutting(cut)(it, stack)

    return strike


def _is_before_commit(step: Step, database: str) -> bool:
    return database == "postgres" and (step.is_before_commit or step.is_before_direct_statement)


def _locking(number: int) -> Callable[[Disturbed, ExitStack], None]:
    def strike(it: Disturbed, stack: ExitStack) -> None:
        if it.is_sqlite:
            mine = stack.enter_context(closing(sqlite3.connect(it.sqlite_path, timeout=2)))
            mine.execute("BEGIN IMMEDIATE")
            return
        other = stack.enter_context(closing(psycopg.connect(it.conninfo)))
        other.execute("SET lock_timeout = '2s'")
        other.execute(it.step.locks[number].encode())

    return strike


def _restart(it: Disturbed, _stack: ExitStack) -> None:
    it.server.restart()


def _forbid_writing(it: Disturbed, stack: ExitStack) -> None:
    """As a server does that has become a standby; sessions hear of it between two statements."""
    _set(it, "ALTER SYSTEM SET default_transaction_read_only = on", "on")
    stack.callback(_set, it, "ALTER SYSTEM RESET default_transaction_read_only", "off")


def _set(it: Disturbed, statement: str, seen: str) -> None:
    with closing(psycopg.connect(it.server.conninfo(), autocommit=True)) as admin:
        admin.execute(statement.encode())
        admin.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + _SEEN_SECONDS_MAX
        while admin.execute("SHOW default_transaction_read_only").fetchone() != (seen,):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    # The others have been told at the same moment.
    time.sleep(0.1)


def _set_clock_back(it: Disturbed, _stack: ExitStack) -> None:
    it.told = {"clock": _SET_BACK_SECONDS}


def _work_beside(it: Disturbed, stack: ExitStack) -> None:
    """Another process works at the same time; it goes first, where nothing is in its way."""
    other = ThreadPoolExecutor(1).submit(it.somebody_works)
    stack.callback(other.result, _WORK_SECONDS_MAX)
    wait([other], _HEAD_START_SECONDS)


def _nothing(_it: Disturbed, _stack: ExitStack) -> None:
    """It was so from the start."""


def _writes_follow(step: Step) -> bool:
    return step.at != "start" and not step.is_last


KINDS = (
    Kind(name="killed", strikes=_at_any, strike=_kill, kills=True),
    Kind(name="worker killed", strikes=lambda step, _: step.in_worker, strike=_kill_worker),
    Kind(
        name="disk full",
        # A backend that is not there yet is not full.
        strikes=lambda step, database: (
            _writes_follow(step) and (database == "sqlite" or step.at != "replay.workspace:_locked")
        ),
        strike=_fill_disk,
        # A transaction that does not wait for the disk may have ended before the server has fallen:
        # then its rows are lost with their checkpoints, and projected again.
        may_survive=lambda step: step.operation == "project directly",
    ),
    Kind(
        name="disk nearly full",
        strikes=lambda step, database: (
            (database == "sqlite" and (step.is_of_append or step.operation.startswith("project")))
            and _writes_follow(step)
        ),
        strike=_nearly_fill_disk,
    ),
    Kind(
        name="connection cut",
        strikes=_on_postgres,
        strike=_cut,
        may_survive=lambda step: step.is_between,
    ),
    Kind(
        name="commit lost",
        is_of_commits=True,
        strikes=_is_before_commit,
        strike=_losing(COMMIT_LOST, STATEMENT_LOST),
    ),
    Kind(
        name="commit's reply lost",
        is_of_commits=True,
        strikes=_is_before_commit,
        strike=_losing(REPLY_LOST, STATEMENT_S_REPLY_LOST),
    ),
    Kind(
        name="cut during COPY",
        strikes=lambda step, database: (
            database == "postgres"
            and (
                step.at == "psycopg:Copy.write" or step.name in ("before the events", "before rows")
            )
        ),
        strike=_cutting(COPY_CUT),
    ),
    Kind(
        name="row locked",
        strikes=lambda step, _: len(step.locks) > 0,
        strike=_locking(0),
    ),
    Kind(
        name="table locked",
        strikes=lambda step, database: len(step.locks) > 1 and database == "postgres",
        strike=_locking(1),
    ),
    Kind(
        name="another process at work",
        strikes=lambda step, _: step.at != "start" and "rebuild" not in step.operation,
        strike=_work_beside,
        may_survive=lambda _: True,
    ),
    Kind(
        name="clock set back",
        strikes=lambda step, _: step.is_of_append and step.at != "start",
        strike=_set_clock_back,
        is_harmless=True,
    ),
    Kind(
        name="server restarted",
        strikes=_on_postgres,
        strike=_restart,
        may_survive=lambda step: step.is_between,
    ),
    Kind(
        name="server read-only",
        strikes=lambda step, database: (
            database == "postgres" and _writes_follow(step) and not step.ends_writing
        ),
        strike=_forbid_writing,
    ),
    Kind(
        name="file read-only",
        strikes=lambda step, _: step.at == "start",
        strike=_nothing,
    ),
    Kind(
        name="folder read-only",
        strikes=lambda step, _: step.at == "start",
        strike=_nothing,
    ),
)
