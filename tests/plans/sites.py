"""From where the program may send a statement, by its source."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from attrs import frozen

from tests.plans.recording import ROOT, Site

_SENDING = {"execute", "executemany", "exec_driver_sql", "executescript"}
#: These are sending only where they are given a statement, and are those of results otherwise.
_MAYBE_SENDING = {"scalar", "scalars"}


@frozen
class Call:
    """A call that sends a statement."""

    path: str
    function: str
    #: The source of the call.
    text: str


def unsent(hits: Iterable[Site]) -> set[Call]:
    """The calls that none of the sites is in."""
    lines: dict[str, set[int]] = {}
    for hit in hits:
        lines.setdefault(hit.path, set()).add(hit.line)
    every, sent = set(), set()
    for call, first, last in _every_call():
        every.add(call)
        if not lines.get(call.path, set()).isdisjoint(range(first, last + 1)):
            sent.add(call)
    return every - sent


@cache
def _every_call() -> list[tuple[Call, int, int]]:
    packages = (ROOT / package for package in ("projector", "replay"))
    return [call for each in packages for path in each.rglob("*.py") for call in _calls(path)]


def _calls(path: Path) -> Iterator[tuple[Call, int, int]]:
    tree = ast.parse(path.read_text())
    for name, function in _functions(tree, path.stem):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and _is_sending(node):
                call = Call(str(path.relative_to(ROOT)), name, ast.unparse(node))
                yield call, node.lineno, node.end_lineno or node.lineno


def _functions(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    """Functions that are in no other one; those in one are a part of it."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name}.{each.name}", each
        elif isinstance(each, ast.ClassDef):
            yield from _functions(each, f"{name}.{each.name}")


def _is_sending(node: ast.Call) -> bool:
    if not isinstance(node.func, ast.Attribute):
        return False
    name = node.func.attr
    is_copy = name == "copy" and ast.unparse(node.func.value).endswith("cursor")
    return name in _SENDING or is_copy or (name in _MAYBE_SENDING and bool(node.args))
