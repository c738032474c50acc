"""What a plan says: which tables are gone through, and whether anything is sorted."""

import re
from collections.abc import Iterator
from typing import Any

from tests.plans.recording import Plan

#: Of their values each is that of a few rows; an index that is searched for one narrows.
_NARROW = {
    *("position", "rowid", "resolved_position"),
    *("event_id", "stream_id", "customer_id", "source_id"),
    *("quarantine_id", "digest", "erasure_id", "run_id"),
}

#: Tables of one row, or of one a projection, process or person; the last thousand jobs; of
#: one a comparison; what came with the statement, or was found by it; the catalog.
_SMALL = re.compile(
    r"log_head|checkpoint|lease|token|session|job|job_\w+|reconciliation|projector_schema"
    r"|incoming_\w+|anon_\d+|json_each|CONSTANT|\(subquery-\d+\)|pg_\w+|sqlite_\w+|pragma_\w+|part\.\w+"
)

#: A column, how it is compared, and with what, as both databases write it.
_EQUAL = re.compile(r'"?(\w+)"? ?= ?')
_STEP = re.compile(r"(SCAN|SEARCH) (\S+)([^(]*)(.*)")
_SCANS = {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan", "Tid Scan"}


def whole_tables(plan: Plan) -> list[str]:
    """The steps that go through a table, or may go through most of it."""
    if isinstance(plan.steps, list):
        return [each for each in plan.steps if _is_whole_on_sqlite(each)]
    return [
        f"{node['Node Type']} {name} {node.get('Index Cond', '')}"
        for node, name in _scans(plan.steps)
        if not _narrows(node.get("Index Cond", ""))
    ]


def unindexed(plan: Plan) -> list[str]:
    """The steps that go through a table by no index.

    None on SQLite, whose tables are in the order of their keys: in another one rows are sorted.
    """
    if isinstance(plan.steps, list):
        return []
    return [name for node, name in _scans(plan.steps) if node["Node Type"] == "Seq Scan"]


def sorts(plan: Plan) -> list[str]:
    """The steps that sort rows of tables which are not small."""
    if isinstance(plan.steps, list):
        is_large = any(_table(each) for each in plan.steps)
        return [each for each in plan.steps if is_large and "TEMP B-TREE" in each]
    return [
        f"{node['Node Type']} by {node['Sort Key']}"
        for node in _nodes(plan.steps)
        if "Sort Key" in node and "Sort" in node["Node Type"] and any(_scans(node))
    ]


def _is_whole_on_sqlite(step: str) -> bool:
    found = _STEP.fullmatch(step)
    if found is None or not _table(step):
        return False
    kind, _, index, condition = found.groups()
    # An index made for this one statement is made of all rows; one that is skipped through may be
    # gone through as well.
    is_whole = kind == "SCAN" or "AUTOMATIC" in index or "ANY(" in condition
    return is_whole or not _narrows(condition)


def _table(step: str) -> str | None:
    """The table that a step of SQLite is about, unless it is small."""
    found = _STEP.fullmatch(step)
    return None if found is None or _SMALL.fullmatch(found[2]) else found[2]


def _narrows(condition: str) -> bool:
    return not _NARROW.isdisjoint(_EQUAL.findall(condition))


def _scans(node: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The scans of Postgres below a node, each with what is scanned, unless that is small."""
    for each in _nodes(node):
        name = each.get("Relation Name") or each.get("Index Name") or ""
        if each["Node Type"] in _SCANS and not _SMALL.fullmatch(name):
            yield each, name


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)
