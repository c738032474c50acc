"""The program as it is disturbed: started, stopped at its step, struck, and what came of it."""

import json
import os
import queue
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from attrs import asdict, define, field
from sqlalchemy import make_url

from tests.concurrency.rebuilds import processes
from tests.faults import post
from tests.faults.nursery import Nursery, Process
from tests.faults.post import NO_SUCH_STEP, Post, Stopped
from tests.faults.proxy import Proxy
from tests.faults.sent import Acknowledged
from tests.faults.steps import Step
from tests.support.command import Done, environment
from tests.support.postgres import Server

_STEP_SECONDS_MAX = 120
_END_SECONDS_MAX = 120
#: How long the program waits for somebody else's lock.
_LOCK_SECONDS = 1.0


@define(kw_only=True, eq=False)
class Disturbed:
    """A run of the program."""

    step: Step
    url: str
    server: Server
    proxy: Proxy | None
    process: Process
    stopped: Stopped
    #: What somebody else does with the same database: takes in a part of what is sent, and folds.
    somebody_works: Callable[[], None]
    #: What it is told when it may go on.
    told: dict[str, Any] = field(factory=dict)
    #: Whether what was to happen later has happened.
    must_be_so: Callable[[], bool] = lambda: True

    @property
    def is_sqlite(self) -> bool:
        """Which of the two databases it is."""
        return self.proxy is None

    @property
    def sqlite_path(self) -> Path:
        """The file of the database."""
        return Path(str(make_url(self.url).database))

    @property
    def conninfo(self) -> str:
        """What the driver needs to connect to the same database, past the proxy."""
        url = self.server.admin.set(database=make_url(self.url).database, drivername="postgresql")
        return url.render_as_string(hide_password=False)

    def writers(self) -> list[int]:
        """The processes that write the files of the database, and of the rebuild."""
        mine = [self.process.pid, *processes(self.url)]
        if self.is_sqlite:
            return mine
        with closing(psycopg.connect(self.conninfo)) as other:
            found = other.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            return [*mine, *(row[0] for row in found)]


@contextmanager
def stopped_at(
    step: Step,
    arguments: Sequence[str],
    *,
    nursery: Nursery,
    url: str,
    server: Server,
    proxy: Proxy | None,
    folder: Path,
    more: dict[str, str],
    somebody_works: Callable[[], None],
) -> Iterator[tuple[Disturbed, Post]]:
    """Start the program and wait until it has come to a step; in the end none of it is left."""
    path = folder / "post"
    with post.opened(path) as mail:
        process = nursery.bear(
            arguments,
            environment(
                PROJECTOR_DATABASE_URL=url,
                FAULTS_STEP=json.dumps(asdict(step)),
                FAULTS_POST=str(path),
                FAULTS_LOCK_SECONDS=str(_LOCK_SECONDS),
                TMPDIR=str(folder / "tmp"),
                **more,
            ),
        )
        try:
            stopped = _wait(process, mail)
            assert stopped.step == step.name
            yield (
                Disturbed(
                    step=step,
                    url=url,
                    server=server,
                    proxy=proxy,
                    process=process,
                    stopped=stopped,
                    somebody_works=somebody_works,
                ),
                mail,
            )
        finally:
            process.kill()
            for each in processes(url):
                os.kill(each, signal.SIGKILL)


def _wait(process: Process, mail: Post) -> Stopped:
    """The process that has come to the step."""
    deadline = time.monotonic() + _STEP_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            return mail.stopped.get(timeout=0.05)
        except queue.Empty:
            if process.has_ended(0):
                break
    process.kill()
    assert process.has_ended(_END_SECONDS_MAX)
    done = process.result()
    assert done.code != NO_SUCH_STEP, done.err
    raise AssertionError(f"it never came to the step: {done}")


def ended(it: Disturbed, mail: Post) -> tuple[Done, list[Acknowledged]]:
    """Let it go on to its end; what came of it, and what it had answered for."""
    it.stopped.go_on(**it.told)
    assert it.process.has_ended(_END_SECONDS_MAX), "it hangs"
    deadline = time.monotonic() + 30
    while processes(it.url):
        assert time.monotonic() < deadline, f"somebody lives on: {processes(it.url)}"
        time.sleep(0.02)
    return it.process.result(), mail.all_heard()


def copy_sqlite(template: Path, folder: Path) -> str:
    """A copy of a database that nobody has open."""
    return f"sqlite:///{shutil.copy(template, folder / 'projector.db')}"
