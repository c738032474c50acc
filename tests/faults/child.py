"""The program as a process that stops at one step, and does there what it is told.

The environment says which step (FAULTS_STEP), and whom to tell (FAULTS_POST). Worker processes
import this module before they begin, and so stop as well.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.default import DefaultDialect

from projector.cli import main
from projector.cli.application import app
from projector.envelope import DeliveryDefaults, Envelope, Rejected
from projector.intake import sources
from projector.store.append import Receipt, append
from projector.store.database import Database
from tests.faults import nursery
from tests.faults.post import NO_SUCH_STEP, Line
from tests.faults.steps import Step

# Import the commands, too: a user without rights may not read Python's library any more.
app.resolved_commands()

#: Small enough for a step to come several times.
_SIZES = {
    "projector.intake.ingest:BATCH_ITEMS_MAX": 150,
    "projector.runner.runner:BATCH_EVENTS_MAX": 150,
    "projector.runner.batch:PIECE_EVENTS_MAX": 75,
    "projector.projections.snapshots:INTERVAL_EVENTS": 10,
    "projector.erasure.transaction:PIECE": 2,
    "projector.store.bulk:FEW_ROWS_MAX": 12,
    "projector.store.bulk:PIECE_ROWS_MAX": 12,
    "replay.engines.in_process:STREAMS_MAX": 100,
    "replay.plan:RANGE_EVENTS_MAX": 150,
    "replay.plan:BUCKET_EVENTS": 150,
    "replay.swap:TAIL_EVENTS_MAX": 0,
    "replay.swap:PATIENCE_SECONDS_MAX": 1.0,
}
_BATCH_EVENTS_MAX = 120


def _find(name: str) -> tuple[Any, str]:
    """The module or class that has something, and under which name."""
    module, _, path = name.partition(":")
    *owners, last = path.split(".")
    try:
        owner = import_module(module)
        for each in owners:
            owner = getattr(owner, each)
        getattr(owner, last)
    except (ImportError, AttributeError) as error:
        print(f"{name} is not in the program any more: {error}", file=sys.stderr)
        os._exit(NO_SUCH_STEP)
    return owner, last


def _wrap(name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    owner, last = _find(name)
    setattr(owner, last, wrapper(getattr(owner, last)))


def _set_default(name: str, parameter: str, value: float) -> None:
    owner, last = _find(name)
    getattr(owner, last).__kwdefaults__[parameter] = value


class _Clock:
    """The program's clock, which can be set."""

    moved = timedelta()

    @classmethod
    def now(cls, zone: tzinfo | None = None) -> datetime:
        return datetime.now(zone) + cls.moved


class _Stopper:
    """Counts until the step is there, stops once, and does what it is told."""

    def __init__(self, step: Step, line: Line) -> None:
        self._step = step
        self._line = line
        self._before = step.since_nth if step.since else 0
        self._left = step.nth

    def begun(self) -> None:
        """What must come before has begun once more."""
        self._before -= 1

    def here(self) -> None:
        """The step is passed; perhaps it is the one."""
        if self._before > 0:
            return
        self._left -= 1
        if self._left == 0:
            told = self._line.stop(self._step.name)
            _Clock.moved = timedelta(seconds=told.get("clock", 0))


def _install(step: Step, line: Line) -> None:
    stopper = _Stopper(step, line)
    if step.since:
        _wrap(step.since, lambda do: _around(do, before=lambda _: stopper.begun()))

    def passed(arguments: Sequence[Any]) -> None:
        if _is_of(step, arguments):
            stopper.here()

    match step.at:
        case "start":
            pass
        case "commit":
            _of_commits(step, stopper)
        case "statement":
            _of_statements(step, stopper)
        case "row":
            _of_rows(step, stopper)
        case _:
            _wrap(step.at, lambda do: _around(do, **{step.when: passed}))


def _around(
    do: Callable[..., Any],
    before: Callable[[Sequence[Any]], object] = id,
    after: Callable[[Sequence[Any]], object] = id,
) -> Callable[..., Any]:
    def done(*arguments: Any, **more: Any) -> Any:
        flags = [f"{name}={value}" for name, value in more.items() if isinstance(value, bool)]
        before([*arguments, *flags])
        result = do(*arguments, **more)
        after([*arguments, *flags])
        return result

    return done


def _is_of(step: Step, arguments: Sequence[Any]) -> bool:
    """Whether a call is for the table or projection of a name, or has a flag."""
    if not step.of:
        return True
    names = [getattr(each, "name", each) for each in arguments]
    return any(isinstance(name, str) and name == step.of for name in names)


def _of_commits(step: Step, stopper: _Stopper) -> None:
    whole = DefaultDialect.do_commit

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        if step.when == "before":
            stopper.here()
        whole(dialect, connection)  # type: ignore[no-untyped-call]
        if step.when == "after":
            stopper.here()

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def _of_statements(step: Step, stopper: _Stopper) -> None:
    def heard(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if " ".join(statement.split()).startswith(step.of):
            stopper.here()

    event.listen(Engine, f"{step.when}_cursor_execute", heard)


def _of_rows(step: Step, stopper: _Stopper) -> None:
    """Each row that SQLite inserts is a statement that it begins."""

    @event.listens_for(Engine, "connect")
    def opened(connection: Any, _record: object) -> None:
        connection.set_trace_callback(
            lambda statement: stopper.here() if statement.startswith(step.of) else None
        )


def _tell_what_is_acknowledged(line: Line) -> None:
    def told(
        database: Database, items: Sequence[Envelope | Rejected], **more: Any
    ) -> list[Receipt]:
        receipts = append(database, items, **more)
        line.acknowledge(items, receipts)
        return receipts

    _wrap("projector.intake.ingest:append", lambda _: told)


def _let_something_come_in(path: Path) -> None:
    """What somebody else appends while a rebuild goes on, for it to catch up with."""
    waiting = [path]

    def come(_: object) -> None:
        while waiting:
            items = [
                item
                for line in waiting.pop().read_bytes().splitlines()
                for item in sources.read(line, DeliveryDefaults())
            ]
            database = Database(os.environ["PROJECTOR_DATABASE_URL"])
            append(database, items, received_at=datetime.now(UTC))
            database.close()

    _wrap("replay.fill:_finish", lambda do: _around(do, before=come))


def _begin(*, is_worker: bool) -> Line:
    step = Step(**json.loads(os.environ["FAULTS_STEP"]))
    line = Line.to(os.environ["FAULTS_POST"])
    for name, size in {**_SIZES, **json.loads(os.environ.get("FAULTS_SIZES", "{}"))}.items():
        setattr(*_find(name), size)
    _set_default("projector.runner.runner:catch_up", "batch_events_max", _BATCH_EVENTS_MAX)
    seconds = float(os.environ["FAULTS_LOCK_SECONDS"])
    _set_default("projector.app:open_projector", "lock_seconds_max", seconds)
    if not is_worker:
        _find("projector.intake.ingest:datetime")[0].datetime = _Clock
        _tell_what_is_acknowledged(line)
        if "FAULTS_MEANWHILE" in os.environ:
            _let_something_come_in(Path(os.environ["FAULTS_MEANWHILE"]))
    # The last one of all who wrap a function.
    if step.in_worker == is_worker:
        _install(step, line)
    return line


def _become_nobody(uid: int) -> None:
    """Root may write everywhere; others need not become somebody else."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)


def _run(arguments: list[str]) -> NoReturn:
    line = _begin(is_worker=False)
    if uid := int(os.environ.get("FAULTS_UID", 0)):
        _become_nobody(uid)
        line.stop("at the start")
    main(arguments)
    raise AssertionError("the command line exits")


if __name__ == "__main__":
    nursery.serve(_run)
elif __name__ == "__mp_main__":
    _begin(is_worker=True)
