"""What the databases would do for a statement: whether a whole table is gone through, or sorted.

Postgres goes through small tables as a whole, indexes or not: here it does so only where it has no
choice.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from projector.store.engine import Database

_NO_CHOICE = ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin")

#: The keys that were asked for, and tables of one row or of one row a projection.
_SMALL = re.compile(r"(SCAN )?(anon_1 VIRTUAL TABLE|CONSTANT ROW|log_head|checkpoint)")
#: A column, or the end of several, and how it is compared, as both databases write it in a plan.
_TERM = re.compile(r'"?([\w)]+)"? ?(=|<|>|IS)')
_WIDE = {("project_id", "="), ("position", "<"), ("rowid", "<")}
_SCANS = {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan"}


@contextmanager
def watched(database: Database) -> Iterator[list[tuple[str, Any]]]:
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    yield asked
    event.remove(database.engine, "before_cursor_execute", note)


def whole_tables(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """The steps of a statement that go through a whole table, other than a small one."""
    if connection.dialect.name == "sqlite":
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        found = [step.detail for step in steps if step.detail.startswith(("SCAN", "SEARCH"))]
        return [each for each in found if not _SMALL.match(each) and not _narrows(each)]
    for setting in _NO_CHOICE:
        connection.exec_driver_sql(f"SET LOCAL {setting} = off")
    [[[plan]]] = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).all()
    scans = [node for node in _nodes(plan["Plan"]) if node["Node Type"] in _SCANS]
    whole = [node for node in scans if not _narrows(node.get("Index Cond", ""))]
    names = [node.get("Relation Name") or node["Index Name"] for node in whole]
    return [name for name in names if not _SMALL.match(name)]


def _narrows(condition: str) -> bool:
    """Whether an index is searched for more than a project, or than all up to a position."""
    return not set(_TERM.findall(condition)) <= _WIDE


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    below = node.pop("Plans", [])
    yield node
    for each in below:
        yield from _nodes(each)


def is_sorted(connection: Connection, statement: str, parameters: Any) -> bool:
    """Whether a statement's rows must be sorted."""
    if connection.dialect.name == "sqlite":
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        return any("TEMP B-TREE" in step.detail for step in steps)
    for setting in (*_NO_CHOICE, "enable_sort"):
        connection.exec_driver_sql(f"SET LOCAL {setting} = off")
    [[[plan]]] = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).all()
    return any("Sort" in node["Node Type"] for node in _nodes(plan["Plan"]))
