"""A database whose log is archived but for its tail, and what a rebuild makes of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen
from sqlalchemy import Column, Table, select, text

from projector.projections import discover
from projector.store import tables
from projector.store.database import Database
from projector.store.row_tables import table_of
from tests.support.command import Done, run_program
from tests.support.databases import Contents
from tests.support.spark import Cluster, Driver

#: The tables that a rebuild writes beside the projections' own.
_ABOUT_ROWS = (tables.dead_letter, tables.dead_letter_reason, tables.group_size, tables.snapshot)

#: The columns that count rebuilds.
_NOT_COMPARED = {tables.checkpoint.c.generation}


@frozen(eq=False)
class Archived:
    """A database and its archive in a folder."""

    url: str
    archive: Path
    #: The `PYTHONPATH` of the program.
    packages: str = ""

    def command(self, *arguments: str) -> Done:
        """Run the program on the database, without a cluster."""
        return run_program(
            self.archive.parent,
            *arguments,
            PROJECTOR_DATABASE_URL=self.url,
            PYTHONPATH=self.packages,
        )

    def seal(self, range_events: int) -> None:
        """Archive the complete ranges of so many events."""
        done = self.command("archive", "write", str(self.archive), "--range", str(range_events))
        assert done.code == 0, done.err

    def start(self, cluster: Cluster, *options: str, **variables: str) -> Driver:
        """Start a rebuild by a cluster; `options` come after those that name the cluster."""
        engine = ("--engine", "spark", "--spark", cluster.master, "--archive", str(self.archive))
        return cluster.start(
            self.archive.parent,
            "rebuild",
            "--json",
            *engine,
            *options,
            variables={
                "PROJECTOR_DATABASE_URL": self.url,
                "PYTHONPATH": self.packages,
                **variables,
            },
        )

    def rebuild(self, cluster: Cluster, *options: str, **variables: str) -> Done:
        """Rebuild by a cluster."""
        return self.start(cluster, *options, **variables).ended()

    def parts(self) -> list[Path]:
        """The files of a rebuild on the archive's shelf, those of puts under way included."""
        return [each for each in (self.archive / "work").rglob("*") if each.is_file()]

    def left(self) -> list[Path]:
        """Whatever a rebuild has left on the archive's shelf, empty folders included."""
        return sorted((self.archive / "work").rglob("*"))

    def contents(self) -> Contents:
        """The tables that a rebuild writes, as values that do not depend on the database."""
        with self.opened() as database, database.reading() as connection:
            return {
                table.name: sorted(
                    repr(tuple(row)) for row in connection.execute(select(*_columns(table)))
                )
                for table in _written()
            }

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



def _written() -> list[Table]:
    return [*map(table_of, discover()), *_ABOUT_ROWS, tables.checkpoint]


def _columns(table: Table) -> list[Column[Any]]:
    return [each for each in table.columns if each not in _NOT_COMPARED]


def differences(found: Contents, expected: Contents) -> dict[str, list[Sequence[str]]]:
    """Return up to three rows that are too many and too few, by table; empty if all are equal."""
    unequal = {}
    for name in {*found, *expected}:
        some, others = found.get(name, []), expected.get(name, [])
        if some != others:
            more, fewer = sorted({*some} - {*others}), sorted({*others} - {*some})
            unequal[name] = [(str(len(some)), str(len(others))), more[:3], fewer[:3]]
    return unequal
