"""What the cases begin with: a history, databases that have some of it, and how to run again."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from sqlalchemy import select

from projector.cli.program import run
from projector.envelope import NO_DEFAULTS, DeliveryDefaults, Rejected
from projector.errors import DatabaseUnreachable
from projector.facts.codec import decode
from projector.facts.events import UndecodableFact
from projector.intake import sources
from projector.intake.ingest import ingest
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.sealing.seal import seal
from projector.store import log
from projector.store.database import Database
from projector.store.tables import stream
from tests.concurrency import story
from tests.faults import forgetting, laws
from tests.faults.disturbed import copy_sqlite
from tests.faults.nursery import Nursery
from tests.support.databases import migrated
from tests.support.logs import sql
from tests.support.postgres import Server

_DELIVERIES = 600
#: So many lines are in the log when an ingest begins.
_KNOWN_LINES = 180
#: So many come in while a rebuild goes on.
_LATER_LINES = 40
#: So many new ones are appended in batches of new events only, and so many in each.
_NEW_LINES = 40
_NEW_BATCH_ITEMS = 10
#: So many events does the direct path find, and of these types.
_FEW_LINES = 12
_READ = ("customer.segment.entered", "customer.segment.left", "customer.loyalty.tier.joined")
_UP_SECONDS_MAX = 30


@define(eq=False)
class Prepared:
    """All that the cases share."""

    server: Server
    nursery: Nursery
    folder: Path
    sent: laws.Sent
    reference: laws.Reference
    _sqlite: dict[str, Path] = field(factory=dict)
    _postgres: dict[str, str] = field(factory=dict)

    @property
    def file(self) -> Path:
        """All that is sent."""
        return self.folder / "file"

    @property
    def nothing(self) -> Path:
        """A file with nothing in it."""
        return self.folder / "nothing"

    @property
    def new(self) -> Path:
        """Deliveries of the file that are new to the log, each of them once."""
        return self.folder / "new"

    @property
    def later(self) -> Path:
        """The end of the file: what comes in while a rebuild goes on."""
        return self.folder / "later"

    @property
    def forgotten(self) -> list[str]:
        """The customers who are erased."""
        return forgetting.chosen(self.sent, _LATER_LINES)

    def copy(self, operation: str, database: str, folder: Path) -> str:
        """A database as it is when an operation begins; its URL."""
        template = OPERATIONS[operation].template
        if database == "sqlite":
            return copy_sqlite(self._sqlite_template(template), folder)
        return self.server.create_database(template=self._postgres_template(template))

    @contextmanager
    def fresh(self, operation: str, database: str) -> Iterator[Database]:
        """The template itself."""
        template = OPERATIONS[operation].template
        url = (
            f"sqlite:///{self._sqlite_template(template)}"
            if database == "sqlite"
            else self._postgres_template(template)
        )
        with closing(Database(url)) as found:
            yield found

    def work(self, url: str) -> None:
        """Take in the end of the file, and fold what there is, as another process would."""
        with closing(Database(url)) as database:
            _take_in(database, self.sent.lines[-_LATER_LINES:], until=None)

    def _sqlite_template(self, template: str) -> Path:
        if template not in self._sqlite:
            path = self.folder / f"{template}.db"
            self._fill(template, f"sqlite:///{path}")
            self._sqlite[template] = path
        return self._sqlite[template]

    def _postgres_template(self, template: str) -> str:
        if template not in self._postgres:
            url = self.server.create_database()
            self._fill(template, url)
            self._postgres[template] = url
        return self._postgres[template]

    def _fill(self, template: str, url: str) -> None:
        with migrated(url) as database:
            _TEMPLATES[template](database, self.sent)


def prepare(server: Server, nursery: Nursery, folder: Path) -> Prepared:
    """Make what the cases share."""
    # The program may run as somebody who has no rights.
    folder.chmod(0o755)
    content = story.content(_DELIVERIES)
    sent = laws.Sent.of(content)
    prepared = Prepared(server, nursery, folder, sent, laws.undisturbed(sent, folder))
    prepared.file.write_bytes(content)
    prepared.nothing.touch()
    known = set(sent.lines[:_KNOWN_LINES])
    new = [line for line in sent.first.values() if line not in known]
    prepared.new.write_bytes(b"\n".join(new[:_NEW_LINES]))
    prepared.later.write_bytes(b"\n".join(sent.lines[-_LATER_LINES:]))
    return prepared


def _take_in(database: Database, lines: tuple[bytes, ...], *, until: int | None) -> None:
    ingest(database, [b"\n".join(lines)], DeliveryDefaults())
    catch_up(database, discover(), until=until)


def _fill_some(database: Database, sent: laws.Sent) -> None:
    _take_in(database, sent.lines[:_KNOWN_LINES], until=None)


def _fill_log(database: Database, sent: laws.Sent) -> None:
    _take_in(database, sent.lines, until=100)


def _fill_most(database: Database, sent: laws.Sent) -> None:
    _take_in(database, sent.lines[:-_LATER_LINES], until=300)


def _fill_most_with_an_index(database: Database, sent: laws.Sent) -> None:
    _fill_most(database, sent)
    sql(database, "CREATE INDEX of_a_user ON customer (email)")


def _fill_sealed(database: Database, sent: laws.Sent) -> None:
    _take_in(database, sent.lines[:-_LATER_LINES], until=None)
    # A conflict of each of those who are forgotten, and a broken one.
    for each in forgetting.chosen(sent, _LATER_LINES):
        broken = json.dumps({"of": each})[:-1]
        ingest(database, [broken.encode()], DeliveryDefaults())
    seal(database)


def _fill_few(database: Database, sent: laws.Sent) -> None:
    """The tables lack a few events, none of which is late or unreadable."""
    _fill_some(database, sent)
    ingest(database, [b"\n".join(_in_order(database, sent.lines[_KNOWN_LINES:]))], NO_DEFAULTS)


def _in_order(database: Database, lines: tuple[bytes, ...]) -> list[bytes]:
    """Choose lines with events that are later than all others of their customers."""
    with database.reading() as connection:
        last = {(row[1], row[2]): (row[3], row[4]) for row in connection.execute(select(stream))}
    chosen: list[bytes] = []
    for line in lines:
        [item, *more] = sources.read(line, NO_DEFAULTS)
        if more or isinstance(item, Rejected) or item.customer_id is None:
            continue
        customer = item.project_id, item.customer_id
        if item.type not in _READ or item.key <= last.get(
            customer, (datetime.min.replace(tzinfo=UTC), "")
        ):
            continue
        if not isinstance(decode(item), UndecodableFact):
            last[customer] = item.key
            chosen.append(line)
    return chosen[:_FEW_LINES]


_TEMPLATES: dict[str, Callable[[Database, laws.Sent], None]] = {
    "some": _fill_some,
    "few": _fill_few,
    "log": _fill_log,
    "most": _fill_most,
    "most with an index": _fill_most_with_an_index,
    "sealed": _fill_sealed,
}


@frozen(kw_only=True)
class Operation:
    """What the program is asked to do, with which database."""

    template: str
    arguments: Callable[[Prepared], list[str]]
    environment: Callable[[Prepared], dict[str, str]] = lambda _: {}


def _rebuild(*options: str, template: str = "most") -> Operation:
    return Operation(
        template=template,
        arguments=lambda _: ["rebuild", "--json", *options],
        environment=lambda prepared: {"FAULTS_MEANWHILE": str(prepared.later)},
    )


def _sizes(sizes: dict[str, int]) -> Callable[[Prepared], dict[str, str]]:
    return lambda _: {"FAULTS_SIZES": json.dumps(sizes)}


OPERATIONS = {
    "append": Operation(
        template="some",
        arguments=lambda prepared: ["ingest", str(prepared.file), "--no-catch-up", "--json"],
    ),
    "append directly": Operation(
        template="some",
        arguments=lambda prepared: ["ingest", str(prepared.new), "--no-catch-up", "--json"],
        environment=_sizes({"projector.intake.ingest:BATCH_ITEMS_MAX": _NEW_BATCH_ITEMS}),
    ),
    "project": Operation(
        template="log", arguments=lambda prepared: ["ingest", str(prepared.nothing), "--json"]
    ),
    "project directly": Operation(
        template="few",
        arguments=lambda prepared: ["ingest", str(prepared.nothing), "--json"],
        # A snapshot that is due is not for the direct path.
        environment=_sizes({"projector.projections.snapshots:INTERVAL_EVENTS": 10**9}),
    ),
    "rebuild": _rebuild("--engine", "in-process"),
    "rebuild parallel": _rebuild("--engine", "parallel", "--workers", "2"),
    "swap": _rebuild("--engine", "in-process"),
    "forget": Operation(
        template="sealed",
        arguments=lambda prepared: ["forget", *prepared.forgotten, "--yes", "--json"],
    ),
    "swap of rows": _rebuild("--engine", "in-process", template="most with an index"),
}


def program(*arguments: str, url: str) -> Any:
    """Run a command of the program, which must do well; what it prints."""
    out, err = TextIOWrapper(BytesIO()), TextIOWrapper(BytesIO())
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["--db", url, *arguments, "--json"])
    told = [each.buffer.getvalue() for each in (out, err)]
    assert (code, told[1]) == (0, b"")
    return json.loads(told[0])


def until_it_answers(database: Database) -> None:
    """Wait for a server that begins anew."""
    deadline = time.monotonic() + _UP_SECONDS_MAX
    while True:
        try:
            with database.reading() as connection:
                log.head(connection)
            return
        except DatabaseUnreachable:
            assert time.monotonic() < deadline
            time.sleep(0.05)
