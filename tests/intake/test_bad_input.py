"""Bad input of every kind: never a crash, never a lost line, and the rest of the file goes in."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from projector.cli.program import run
from projector.store.database import Database
from projector.store.tables import event, quarantine
from tests.support import databases
from tests.support.bad_input import FILED, REJECTED, TRAILING, good, wrong_types

#: Ingest a file's content; gives the report.
Ingest = Callable[[str, bytes], dict[str, int]]


@pytest.fixture
def ingest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Ingest:
    """Ingests by the command, which must end well and count each delivery once."""

    def ingest(url: str, content: bytes) -> dict[str, int]:
        file = tmp_path / "file"
        file.write_bytes(content)
        monkeypatch.setenv("PROJECTOR_DATABASE_URL", url)
        code = run(["ingest", str(file), "--json"])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        report: dict[str, int] = json.loads(out)
        outcomes = ("appended", "duplicates", "conflicts", "quarantined")
        assert report["read"] == sum(report[outcome] for outcome in outcomes)
        return report

    return ingest


@pytest.fixture(scope="module")
def filling(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database that takes in one bad line after the other."""
    url = databases.copy_file(sqlite_template, tmp_path_factory.mktemp("filling"))
    with closing(Database(url)) as database:
        yield database


def _bodies(database: Database) -> list[bytes]:
    with database.reading() as connection:
        return list(connection.execute(select(quarantine.c.body)).scalars())


def _ids(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(event.c.event_id)).scalars())


_numbers = itertools.count(1)


def _between_good_lines(line: bytes) -> tuple[bytes, set[str]]:
    one, other = next(_numbers), next(_numbers)
    return b"\n".join([good(one), line, good(other)]), {f"good_{one}", f"good_{other}"}


@pytest.mark.parametrize("line", REJECTED.values(), ids=REJECTED)
def test_a_line_that_cannot_be_filed_is_kept_and_its_neighbours_go_in(
    filling: Database, ingest: Ingest, line: bytes
) -> None:
    content, neighbours = _between_good_lines(line)
    report = ingest(str(filling), content)
    assert report["quarantined"] >= 1
    assert neighbours <= set(_ids(filling))
    assert line.strip() in _bodies(filling)


@pytest.mark.parametrize("trailing", TRAILING.values(), ids=TRAILING)
def test_trailing_text_after_a_delivery_is_quarantined_separately(
    filling: Database, ingest: Ingest, trailing: bytes
) -> None:
    number = next(_numbers)
    content, neighbours = _between_good_lines(good(number) + trailing)
    report = ingest(str(filling), content)
    assert (report["appended"], report["quarantined"]) == (3, 1)
    assert neighbours | {f"good_{number}"} <= set(_ids(filling))
    assert trailing in _bodies(filling)


@pytest.mark.parametrize("line", FILED.values(), ids=FILED)
def test_an_odd_line_that_can_be_filed_is_an_event(
    filling: Database, ingest: Ingest, line: bytes
) -> None:
    # Each of another event, without a change to what is odd about it.
    number = next(_numbers)
    odd = line.replace(b'"evcus_', b'"odd_%d_' % number, 1).replace(b'"twice"', b'"%d"' % number)
    content, neighbours = _between_good_lines(odd)
    report = ingest(str(filling), content)
    assert (report["appended"], report["quarantined"]) == (3, 0)
    assert neighbours <= set(_ids(filling))


@pytest.mark.parametrize(
    ("line", "read"),
    [
        pytest.param(b"[%s, %s]", 2, id="an array"),
        pytest.param(b"[%s,{},%s]", 3, id="with something unknown"),
        pytest.param(b"[%s,[],%s]", 3, id="with an array"),
        pytest.param(b"[%s,17,%s]", 3, id="with a number"),
        pytest.param(b'[%s,"text, {",%s]', 3, id="with a text"),
        pytest.param(b"[%s,null,true,%s]", 4, id="with words"),
        pytest.param(b"[]\n[\n]\n[%s]\n[ %s ]", 2, id="several, some of them empty"),
    ],
)
def test_the_elements_of_an_array_are_deliveries_whatever_they_are(
    filling: Database, ingest: Ingest, line: bytes, read: int
) -> None:
    one, other = next(_numbers), next(_numbers)
    report = ingest(str(filling), line % (good(one), good(other)))
    assert (report["read"], report["appended"]) == (read, 2)


def test_a_line_that_is_longer_than_anything_allowed_is_kept_in_pieces(
    filling: Database, ingest: Ingest
) -> None:
    line = b'{"id": "' + b"y" * (17 << 20)
    content, neighbours = _between_good_lines(line)
    before = set(_bodies(filling))
    ingest(str(filling), content)
    assert neighbours <= set(_ids(filling))
    pieces = [body for body in _bodies(filling) if body not in before]
    assert b"".join(pieces) == line


def _good_lines(content: bytes) -> int:
    return content.count(b'"good_1')


def _everything() -> bytes:
    lines = [*REJECTED.values(), *FILED.values(), *wrong_types()]
    numbered = (good(number) for number in itertools.count(100_000))
    return b"\n".join(itertools.chain.from_iterable(zip(numbered, lines, strict=False)))


def _all_of(database: Database) -> dict[str, Any]:
    columns = [
        quarantine.c[name] for name in ("reason", "detail", "project_id", "event_id", "body")
    ]
    with database.reading() as connection:
        kept = sorted(map(repr, connection.execute(select(*columns))))
    return {
        "tables": databases.rows(database),
        "letters": databases.dead_letters(database),
        "quarantine": kept,
        "positions": databases.positions(database),
    }


def test_a_file_of_everything_ends_in_the_same_tables_on_both_databases(
    ingest: Ingest,
    migrated_sqlite_url: str,
    migrated_postgres_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = _everything()
    found = []
    for url in (migrated_sqlite_url, migrated_postgres_url):
        with closing(Database(url)) as database:
            report = ingest(url, content)
            live = _all_of(database)
            ids, bodies = set(_ids(database)), set(_bodies(database))
            assert len([each for each in ids if each.startswith("good_1")]) == _good_lines(content)
            assert set(live["positions"].values()) == {report["head"]}
            assert bodies >= {line.strip() for line in REJECTED.values()}
            assert run(["rebuild", "--json"]) == 0
            capsys.readouterr()
            assert _all_of(database) == live
            found.append((report, live))
    assert found[0] == found[1]
