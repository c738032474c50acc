"""The indexes are part of the contract: no statement goes through a table that it need not.

A database is filled, all that the program does is done, and each statement is explained by the
database right before it runs.
"""

import ast
from collections.abc import Iterator

import pytest

from projector.store import schema
from projector.store.database import Database
from tests.plans import allowed, filled
from tests.plans.changes import change
from tests.plans.questions import ask
from tests.plans.reading import sorts, unindexed, whole_tables
from tests.plans.recording import Plan, Record, explained, recorded
from tests.plans.sites import unsent
from tests.support.postgres import Server
from tests.support.snapshots import snapshots_every

Seen = tuple[Database, Record]


def _seen(url: str) -> Iterator[Seen]:
    with snapshots_every(50), recorded(url) as (database, record):
        schema.migrate(database)
        filled.fill(database)
        # What is done when a connection is opened counts, too.
        database.close()
        record.is_on = True
        ask(database)
        change(database)
        record.is_on = False
        yield database, record


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    yield from _seen(f"sqlite:///{tmp_path_factory.mktemp('plans')}/projector.db")


@pytest.fixture(scope="module")
def on_postgres(postgres_server: Server) -> Iterator[Seen]:
    with postgres_server.database() as url:
        yield from _seen(url)


@pytest.fixture(params=["on_sqlite", "on_postgres"])
def seen(request: pytest.FixtureRequest) -> Seen:
    found: Seen = request.getfixturevalue(request.param)
    return found


def _function(plan: Plan) -> str:
    return plan.site.function


def _told(plan: Plan, steps: list[str]) -> str:
    return f"{_function(plan)}: {steps}\n    {' '.join(plan.statement.split())}"


def test_no_statement_goes_through_a_whole_table(seen: Seen) -> None:
    may = {*allowed.WHOLE, *allowed.PAGES}
    found = [(each, whole_tables(each)) for each in seen[1].plans if _function(each) not in may]
    assert [_told(*each) for each in found if each[1]] == []


def test_no_statement_sorts(seen: Seen) -> None:
    found = [(each, sorts(each)) for each in seen[1].plans if _function(each) not in allowed.SORTED]
    assert [_told(*each) for each in found if each[1]] == []


def test_a_page_is_read_by_an_index(seen: Seen) -> None:
    pages = [each for each in seen[1].plans if _function(each) in allowed.PAGES]
    assert {_function(each) for each in pages} == set(allowed.PAGES)
    found = [(each, unindexed(each)) for each in pages]
    assert [_told(*each) for each in found if each[1]] == []
    # What is told beside, such as whose a row is, is looked up for each row of the page.
    found = [(each, whole_tables(each)) for each in pages]
    assert [_told(*each) for each in found if len(each[1]) > 1] == []
    endless = [each.statement for each in pages if not {"LIMIT", "max("} & set(_words(each))]
    assert endless == []


def _words(plan: Plan) -> list[str]:
    return plan.statement.replace("(", "( ").split()


def test_a_direct_append_looks_everything_up_by_an_index(on_postgres: Seen) -> None:
    """It may go to the last entries of indexes, but through no table."""
    function = "direct_append._write_to_postgres"
    plans = [each for each in on_postgres[1].plans if _function(each) == function]
    assert plans
    assert [_told(each, unindexed(each)) for each in plans if unindexed(each)] == []


def test_every_statement_of_the_program_is_looked_at(on_sqlite: Seen, on_postgres: Seen) -> None:
    left = unsent(on_sqlite[1].sites | on_postgres[1].sites)
    assert [each for each in left if each.function not in allowed.UNSENT] == []
    assert {each.function for each in left} == set(allowed.UNSENT)


def test_a_statement_in_the_source_that_was_never_sent_is_reported(
    on_sqlite: Seen, on_postgres: Seen
) -> None:
    sites = on_sqlite[1].sites | on_postgres[1].sites
    for function in (
        "log.find_by_ids",
        "driver_rows.stream_range",
        "bulk.copy_encoded",
        "tokens.revoke",
    ):
        left = unsent({each for each in sites if each.function != function})
        [sent, *_] = [each for each in left if each.function == function]
        assert isinstance(ast.parse(sent.text, mode="eval").body, ast.Call)


def test_every_allowed_exception_is_needed(on_sqlite: Seen, on_postgres: Seen) -> None:
    plans = on_sqlite[1].plans + on_postgres[1].plans
    whole = {_function(each) for each in plans if whole_tables(each)}
    assert {*allowed.WHOLE, *allowed.PAGES} - whole == set()
    assert set(allowed.SORTED) - {_function(each) for each in plans if sorts(each)} == set()
    assert allowed.WHOLE.keys() & allowed.PAGES.keys() == set()


@pytest.mark.parametrize(
    "condition",
    [
        "body = 'x'",
        "body = 'x' AND position <= 1000000",
        "body = 'x' AND project_id = 'proj_1'",
        "lower(event_id) = 'e7' AND project_id = 'proj_1'",
        "stream_id + 0 = 7",
        "stream_id > 7",
    ],
)
def test_going_through_a_whole_table_is_noticed(seen: Seen, condition: str) -> None:
    assert whole_tables(explained(seen[0], f"SELECT body FROM event WHERE {condition}"))


@pytest.mark.parametrize(
    "condition",
    [
        "position = 7",
        "stream_id = 7",
        "stream_id IN (7, 8)",
        "project_id = 'proj_1' AND event_id = 'e7'",
        "stream_id = (SELECT stream_id FROM stream WHERE customer_id = 'a' AND project_id = 'b')",
    ],
)
def test_an_index_that_narrows_is_no_whole_table(seen: Seen, condition: str) -> None:
    assert not whole_tables(explained(seen[0], f"SELECT body FROM event WHERE {condition}"))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT * FROM event ORDER BY body", True),
        ("SELECT * FROM event WHERE stream_id = 7 ORDER BY occurred_at", True),
        ("SELECT type, count(*) FROM event GROUP BY type ORDER BY type", True),
        ("SELECT * FROM event ORDER BY position LIMIT 7", False),
        ("SELECT * FROM token ORDER BY name", False),
    ],
)
def test_sorting_is_noticed(seen: Seen, statement: str, expected: bool) -> None:
    assert bool(sorts(explained(seen[0], statement))) == expected


@pytest.mark.parametrize(
    ("index", "statement"),
    [
        (
            {"sqlite": "event_stream_id_idx", "postgresql": "event_stream_id_position_idx"},
            "SELECT body FROM event WHERE stream_id",
        ),
        (
            dict.fromkeys(("sqlite", "postgresql"), "dead_letter_stream_idx"),
            "SELECT reason FROM dead_letter WHERE projection = 'customer' AND stream_id",
        ),
    ],
    ids=["of events", "of dead letters"],
)
def test_an_index_that_is_missing_is_noticed(
    seen: Seen, index: dict[str, str], statement: str
) -> None:
    database, _ = seen
    assert not whole_tables(explained(database, f"{statement} = 7"))
    with database.connected() as connection:
        connection.exec_driver_sql(f"DROP INDEX {index[connection.dialect.name]}")
        connection.commit()
    # SQLite would tell the plan of before if it were asked the same again.
    assert whole_tables(explained(database, f"{statement} = 8"))
