"""The tables of docs/ list what there is: commands, paths, columns, metrics, methods, terms."""

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from projector import Projector
from projector.cli.application import app
from projector.projections import own
from projector.server import openapi
from projector.server.metrics import Metrics
from projector.store.database import Database
from projector.store.row_tables import table_of
from projector.store.tables import metadata
from tests.support.pages import PAGES

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"


def _rows(page: str) -> list[list[str]]:
    """Return the cells of the tables of a page, row by row."""
    lines = re.findall(r"^\| (.*) \|$", (_DOCS / page).read_text(), re.M)
    return [re.split(r" +\| +", line) for line in lines]


def _code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_of_the_command_line_lists_every_command() -> None:
    listed = {name for first, *_ in _rows("command-line.md") for name in _code(first)}
    there = {name for name in app if not name.startswith("-")}
    assert there
    assert there <= listed


def test_the_page_of_http_lists_every_path() -> None:
    listed = re.findall(
        r"`(GET|POST) (/[^`]+)`", "\n".join(first for first, *_ in _rows("http.md"))
    )
    assert sorted(listed) == sorted(
        (method.upper(), path)
        for path, operations in openapi.document()["paths"].items()
        for method in operations
    )


def test_the_page_of_sql_lists_every_column() -> None:
    listed = {
        name: _code(cells[-1])
        for first, *cells in _rows("sql.md")
        for name in _code(first)
        if len(_code(cells[-1])) > 1
    }
    by_customer = {
        each.name: [column.name for column in table_of(each).columns][2:] for each in own()
    }
    others = {
        table.name: [column.name for column in table.columns] for table in metadata.sorted_tables
    }
    assert listed == {**by_customer, **others}


def test_the_page_of_operations_lists_every_metric(sqlite_url: str) -> None:
    names = {each.name for each in Metrics(Database(sqlite_url))._registry.collect()}
    listed = [name for first, *_ in _rows("operations.md") for name in _code(first)]
    assert names == {name for name in listed if name.startswith("projector_")}


def test_the_page_of_python_lists_every_method() -> None:
    listed = [name for first, *_ in _rows("python.md") for name in _code(first)]
    there = [name for name in dir(Projector) if not name.startswith("_")]
    assert sorted(listed) == sorted(there)


def test_the_extras_that_a_page_installs_exist() -> None:
    settings = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    extras = set(settings["project"]["optional-dependencies"])
    for page in PAGES:
        for names in re.findall(r"pip install.*'[^']*\[([a-z,]+)\]'", page.read()):
            assert set(names.split(",")) <= extras


_PLACES = sorted({name for *_, last in _rows("glossary.md") for name in _code(last)})


@pytest.mark.parametrize("place", [each for each in _PLACES if " " not in each])
def test_the_place_of_a_term_is_there(place: str) -> None:
    tables = {**{each.name: table_of(each) for each in own()}, **metadata.tables}
    table, _, column = place.partition(".")
    if table in tables:
        assert not column or column in tables[table].columns
        return
    assert place.startswith(("projector.", "replay."))
    assert _find(place) is not None


def _find(place: str) -> Any:
    """Return a module, or what a module has under a name."""
    try:
        return import_module(place)
    except ModuleNotFoundError:
        module, _, name = place.rpartition(".")
        return getattr(import_module(module), name)


def test_a_term_is_explained_once() -> None:
    terms = [re.findall(r"\*\*(.+)\*\*", first) for first, *_ in _rows("glossary.md")]
    names = [name for found in terms for name in found]
    assert len(names) > 50
    assert len(names) == len(set(names))
