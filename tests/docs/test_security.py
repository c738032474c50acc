"""docs/security.md names tests that are there; and what it says that no other test shows."""

import hashlib
import re
from pathlib import Path

import pytest

from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store.append import append
from projector.store.database import Database
from replay import rebuild, verify
from replay.engines import ENGINES
from tests.support.databases import unguarded
from tests.support.given import RECEIVED_AT, entered, envelope

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "security.md").read_text()

_CITED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", _PAGE)))


def test_every_test_that_is_named_is_there() -> None:
    assert len(_CITED) > 50
    for path, name in _CITED:
        assert re.search(rf"^def {name or 'test_.*'}\(", (_ROOT / path).read_text(), re.M), (
            path,
            name,
        )


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("projector/server/static", {"swagger-ui-bundle.js", "swagger-ui.css"}),
        ("projector/server/console/static", {"inter-latin.woff2", "inter-latin-ext.woff2"}),
        ("tests/vendor", {"axe.min.js"}),
    ],
)
def test_the_vendored_files_are_those_that_were_published(folder: str, names: set[str]) -> None:
    place = _ROOT / folder
    told = re.findall(r"^([0-9a-f]{64})  (\S+)$", (place / "README").read_text(), re.MULTILINE)
    assert {name for _, name in told} == names
    for digest, name in told:
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest


@pytest.fixture
def told(wiped_database: Database) -> Database:
    """A log in which somebody is in a segment, and its tables."""
    delivery = entered("cust_1", "seg_1", at="2024-03-04T10:00:00Z", id="e1")
    append(wiped_database, [envelope(delivery)], received_at=RECEIVED_AT)
    catch_up(wiped_database, discover())
    return wiped_database


def test_a_log_that_was_rewritten_with_its_tables_looks_right(told: Database) -> None:
    """What `verify` cannot do: only a copy that the owner cannot reach tells of it."""
    with told.writing() as connection, unguarded(connection):
        connection.exec_driver_sql("UPDATE event SET body = replace(body, 'seg_1', 'seg_9')")
    assert not verify(told, discover()).is_right
    rebuild(told, discover(), ENGINES["in-process"])
    assert verify(told, discover()).is_right
