"""A database whose log is archived but for its tail, and what a rebuild makes of both."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen
from sqlalchemy import Row, Select, Table, select, text

from projector.projections import own
from projector.store import tables
from projector.store.database import Database
from projector.store.row_tables import table_of
from tests.support.command import PROGRAM, Done, environment
from tests.support.databases import Contents
from tests.support.spark import Cluster
from tests.support.spark_driver import Driver

#: The tables that a rebuild writes besides those of rows.
_ABOUT_ROWS = (
    tables.checkpoint,
    tables.dead_letter,
    tables.dead_letter_reason,
    tables.group_size,
    tables.snapshot,
)

#: Columns that depend on the way to equal tables: how many rebuilds there were; and bounds of
#: positions, of which `bounds` tells.
_BOUNDS = (tables.snapshot.c.complete_at, tables.snapshot.c.tail_after)
_NOT_COMPARED = {tables.checkpoint.c.generation, *_BOUNDS}


@frozen(eq=False)
class Archived:
    """A database and its archive, in a folder or in an object store."""

    url: str
    archive: str
    #: Variables of the program's environment.
    variables: Mapping[str, str] = field(factory=dict)

    def elsewhere(self, archive: str, variables: Mapping[str, str] = {}) -> Archived:
        """The same database with another archive."""
        return evolve(self, archive=archive, variables={**self.variables, **variables})

    def command(self, *arguments: str) -> Done:
        """Run the program on the database, without a cluster."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            env=environment(**{**self.variables, "PROJECTOR_DATABASE_URL": self.url}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def archive_ranges(self, range_events: int) -> None:
        """Archive the complete ranges of so many events."""
        done = self.command("archive", "write", self.archive, "--range", str(range_events))
        assert done.code == 0, done.err

    def start(
        self,
        cluster: Cluster,
        *options: str,
        variables: Mapping[str, str] = {},
        program: Sequence[str] = PROGRAM,
    ) -> Driver:
        """Start a rebuild by a cluster; `options` come after those that name the cluster."""
        engine = ("--engine", "spark", "--spark", cluster.master, "--archive", self.archive)
        variables = {**self.variables, **variables, "PROJECTOR_DATABASE_URL": self.url}
        command = ("rebuild", "--json", *engine, *options)
        return cluster.start(cluster.folder, *command, variables=variables, program=program)

    def rebuild(self, cluster: Cluster, *options: str, **more: Any) -> Done:
        """Rebuild by a cluster, as `start` does."""
        return self.start(cluster, *options, **more).ended()

    def rebuild_in_one_process(self) -> Contents:
        """Rebuild without a cluster, and return the contents."""
        done = self.command("rebuild", "--engine", "in-process")
        assert done.code == 0, done.err
        return self.contents()

    def parts(self) -> list[Path]:
        """The files of a rebuild in the archive's folder, those of puts under way included."""
        return [each for each in (Path(self.archive) / "work").rglob("*") if each.is_file()]

    def left(self) -> list[Path]:
        """What a rebuild has left in the archive's folder, empty folders included."""
        return sorted((Path(self.archive) / "work").rglob("*"))

    def contents(self) -> Contents:
        """The tables that a rebuild writes, as values that do not depend on the database."""
        with self.opened() as database, database.reading() as connection:
            return {
                table.name: sorted(map(_text, connection.execute(_select(table))))
                for table in (*map(table_of, own()), *_ABOUT_ROWS)
            }

    def bounds(self) -> dict[tuple[object, ...], tuple[int, int]]:
        """The columns `complete_at` and `tail_after` of snapshots, by their keys."""
        columns = tables.snapshot.c
        key = (columns.projection, columns.stream_id, columns.occurred_at, columns.event_id)
        with self.opened() as database, database.reading() as connection:
            found = connection.execute(select(*_BOUNDS, *key))
            return {tuple(row[2:]): (row[0], row[1]) for row in found}

    def mark(self) -> None:
        """Change a row by SQL: tables that are left as they were keep it, new ones do not."""
        marking = text(
            "UPDATE customer SET name = 'marked'"
            " WHERE customer_id = (SELECT min(customer_id) FROM customer)"
        )
        with self.opened() as database, database.writing() as connection:
            assert connection.execute(marking).rowcount > 0

    @contextmanager
    def opened(self) -> Iterator[Database]:
        """The database."""
        with closing(Database(self.url)) as database:
            yield database


def _select(table: Table) -> Select[Any]:
    found = select(*(each for each in table.columns if each not in _NOT_COMPARED))
    if table is tables.group_size:
        # Sums that have come to nothing may stay.
        return found.where((table.c.entries != 0) | (table.c.exits != 0))
    return found


def _text(row: Row[Any]) -> str:
    values = row._asdict()
    if "state" in values:
        # The rows of a snapshot have no order.
        values["state"] = sorted(map(repr, json.loads(values["state"])))
    return repr(tuple(values.values()))


def differences(found: Contents, expected: Contents) -> str:
    """Return the first rows that are too many and too few in each table; empty if all are equal."""
    told = []
    for name in sorted({*found, *expected}):
        some, others = found.get(name, []), expected.get(name, [])
        if some != others:
            told.append(f"{name} has {len(some)} rows, not {len(others)}")
            told += [f"+ {each}" for each in sorted({*some} - {*others})[:3]]
            told += [f"- {each}" for each in sorted({*others} - {*some})[:3]]
    return "\n".join(told)
