"""Shadows are filled beside the live tables and take their place, whole and under their names."""

import threading
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from alembic import command
from attrs import evolve
from sqlalchemy import make_url

from projector.errors import RowsLost, SpillUnwritable
from projector.projections import discover, named
from projector.projections.rebuilding import rebuilding
from projector.queries.customers import find_customer
from projector.store import checkpoints, log, schema, table_rows
from projector.store.database import Database
from projector.store.rebuild import shadow
from replay import rebuild, swap, verify
from replay.engines import ENGINES, EnginePiece, Job
from replay.workspace import path_for
from tests.support.databases import dead_letters, positions, stored
from tests.support.engines import as_engine
from tests.support.given import append_and_project, append_webhooks, created, entered, joined, left
from tests.support.logs import (
    MONDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    by_steps,
    cut_small,
    schema_of,
    sql,
)
from tests.support.postgres import Server

IN_PROCESS = ENGINES["in-process"]

HISTORY = [
    created("cust_1", at=MONDAY, name="Ada"),
    entered("cust_1", "seg_1", at=TUESDAY),
    joined("cust_1", "ltr_1", at=TUESDAY),
    entered("cust_2", "seg_1", at=WEDNESDAY),
    joined("cust_2", "", at=WEDNESDAY),
]
MORE = [left("cust_1", "seg_1", at=THURSDAY), entered("cust_3", "seg_2", at=MONDAY)]


@pytest.fixture
def database(database: Database) -> Database:
    append_and_project(database, *HISTORY)
    return database


@pytest.fixture
def other(database: Database, migrated_url: str) -> Iterator[Database]:
    """Another process, as good as."""
    other = Database(migrated_url)
    yield other
    other.close()


def _found(database: Database) -> tuple[object, ...]:
    return stored(database), dead_letters(database), positions(database)


def _is_right(database: Database) -> bool:
    return verify(database, discover()).is_right


def test_names_and_shapes_are_those_of_the_migrations_after_any_number_of_rebuilds(
    database: Database,
) -> None:
    before = schema_of(database)
    for names in ([], ["customer"], ["customer", "loyalty_tier"], []):
        rebuild(database, named(names), by_steps)
        assert schema_of(database) == before
        with database.reading() as connection:
            config = schema.alembic_config(connection)
            # Alembic says what it found on the stdout that was there when it was imported.
            config.stdout = StringIO()
            command.check(config)


def test_nothing_is_left_over(database: Database) -> None:
    done = rebuild(database, discover(), by_steps)
    assert not done.found_leftovers
    assert not path_for(database).exists()
    with database.reading() as connection:
        assert shadow.find_leftovers(connection, discover()) == []
    assert sql(database, "SELECT projection FROM checkpoint WHERE projection LIKE '%shadow'") == []


def test_events_appended_during_a_rebuild_are_in_the_new_tables(
    database: Database, other: Database
) -> None:
    @as_engine
    def engine(job: Job) -> Iterator[EnginePiece]:
        yield from IN_PROCESS.run(job)
        append_webhooks(other, *MORE)

    done = rebuild(database, discover(), engine)
    assert {each.position for each in done.rebuilt} == {7}
    assert _is_right(database)
    assert positions(database) == {each.name: 7 for each in discover()}


def test_a_long_tail_is_caught_up_before_writers_have_to_wait(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "TAIL_EVENTS_MAX", 0)
    phases = []

    @as_engine
    def engine(job: Job) -> Iterator[EnginePiece]:
        yield from by_steps.run(job)
        append_webhooks(other, *MORE)

    rebuild(
        database, discover(), engine, on_progress=lambda phase, done, total: phases.append(phase)
    )
    assert "catching up" in phases
    assert _is_right(database)


def test_a_rebuild_reports_whether_the_rows_were_the_same_before(database: Database) -> None:
    done = rebuild(database, discover(), IN_PROCESS)
    assert [each.matched for each in done.rebuilt] == [True] * 5
    sql(database, f"UPDATE checkpoint SET digest = '{'0' * 32}' WHERE projection = 'customer'")
    done = rebuild(database, discover(), IN_PROCESS)
    assert {each.name: each.matched for each in done.rebuilt}["customer"] is False
    append_webhooks(database, *MORE)
    done = rebuild(database, discover(), IN_PROCESS)
    assert [each.matched for each in done.rebuilt] == [None] * 5
    newer = [evolve(each, version=each.version + 1) for each in discover()]
    assert [each.matched for each in rebuild(database, newer, IN_PROCESS).rebuilt] == [None] * 5


def test_live_rows_that_are_ahead_of_the_shadow_are_compared_where_they_are(
    database: Database, other: Database
) -> None:
    @as_engine
    def engine(job: Job) -> Iterator[EnginePiece]:
        yield from IN_PROCESS.run(job)
        append_and_project(other, *MORE)

    assert [each.matched for each in rebuild(database, discover(), engine).rebuilt] == [True] * 5


def test_the_leftovers_of_a_killed_rebuild_are_removed_and_reported_by_the_next(
    database: Database,
) -> None:
    with database.writing() as connection:
        for each in discover():
            shadow.create(connection, rebuilding(each))
            checkpoints.read(connection, [rebuilding(each).shadow], lock=True)
    sql(database, "CREATE TABLE customer_replaced (mine TEXT)")
    sql(database, "INSERT INTO dead_letter VALUES ('customer_shadow', 1, NULL, 'half a rebuild')")
    path_for(database).mkdir()
    (path_for(database) / "bucket-7").write_bytes(b"half a block")
    before = dead_letters(database)
    done = rebuild(database, named(["customer"]), IN_PROCESS)
    assert done.found_leftovers
    assert [each for each in before if "shadow" not in each[0]] == dead_letters(database)
    assert _is_right(database)
    test_nothing_is_left_over(database)


def test_a_workspace_that_cannot_be_created_fails_the_rebuild_without_changes(
    database: Database,
) -> None:
    before = _found(database)
    path = path_for(database)
    path.write_text("something else")
    try:
        with pytest.raises(SpillUnwritable, match="cannot write its temporary files"):
            rebuild(database, discover(), IN_PROCESS)
    finally:
        path.unlink()
    assert _found(database) == before


def test_rows_that_did_not_arrive_are_noticed_before_the_swap(database: Database) -> None:
    before = _found(database)

    @as_engine
    def losing(job: Job) -> Iterator[EnginePiece]:
        for piece in IN_PROCESS.run(job):
            yield evolve(piece, folded=[evolve(each, rows=each.rows + 1) for each in piece.folded])

    with pytest.raises(RowsLost, match="'customer_shadow' has 2 rows, but 4 were written"):
        rebuild(database, discover(), losing)
    assert _found(database) == before
    test_nothing_is_left_over(database)


def test_the_users_views_show_the_new_rows(database: Database) -> None:
    sql(database, "CREATE VIEW mine AS SELECT customer_id FROM segment_membership WHERE is_member")
    append_webhooks(database, *MORE)
    done = rebuild(database, discover(), by_steps)
    assert sorted(sql(database, "SELECT * FROM mine")) == [("cust_2",), ("cust_3",)]
    assert [what for what in done.dependents if "mine" in what] == list(done.dependents)
    assert bool(done.dependents) != database.is_sqlite
    assert _is_right(database)


def test_the_users_indexes_and_triggers_stay(database: Database) -> None:
    sql(database, "CREATE INDEX mine ON customer (email)")
    if database.is_sqlite:
        sql(database, "CREATE TRIGGER noted AFTER UPDATE ON loyalty_tier BEGIN SELECT 1; END")
    before = schema_of(database)
    append_webhooks(database, *MORE)
    done = rebuild(database, discover(), by_steps)
    assert any("mine" in what for what in done.dependents)
    assert schema_of(database) == before
    assert _is_right(database)


def test_on_postgres_rights_and_the_owner_stay(
    migrated_postgres_url: str, postgres_server: Server
) -> None:
    with closing(Database(migrated_postgres_url)) as database:
        append_and_project(database, *HISTORY)
        for role in ("reader", "keeper"):
            sql(database, f"DROP ROLE IF EXISTS {role}")
            sql(database, f"CREATE ROLE {role}")
        try:
            sql(database, "GRANT SELECT ON customer TO reader")
            sql(database, "GRANT INSERT, SELECT ON loyalty_tier TO reader WITH GRANT OPTION")
            sql(database, "GRANT SELECT ON loyalty_tier TO PUBLIC")
            sql(database, "ALTER TABLE segment_membership OWNER TO keeper")
            rights = (
                "SELECT relname, relowner::regrole::text,"
                " (SELECT array_agg(each::text ORDER BY each::text) FROM unnest(relacl) AS each)"
                " FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                " ORDER BY 1"
            )
            before = sql(database, rights)
            assert not rebuild(database, discover(), by_steps).dependents
            assert sql(database, rights) == before
            sql(database, "GRANT SELECT (email) ON customer TO reader")
            assert rebuild(database, discover(), by_steps).dependents == (
                "privileges on column email",
            )
        finally:
            for role in ("reader", "keeper"):
                sql(database, f"DROP OWNED BY {role}")
                sql(database, f"DROP ROLE {role}")


def test_a_reader_sees_one_table_from_its_first_question_to_its_last(
    database: Database, other: Database
) -> None:
    """On Postgres the rebuild waits for it, and on SQLite it looks at what was."""
    append_webhooks(other, *MORE)
    rebuilding = threading.Thread(target=rebuild, args=(other, discover(), by_steps))
    with database.reading_tables() as connection:
        head = log.head(connection)
        if database.is_sqlite:
            checkpoints.read(connection, discover())
        rebuilding.start()
        rebuilding.join(1)
        assert rebuilding.is_alive() != database.is_sqlite
        assert head == 7
        marks = checkpoints.read(connection, discover())
        assert {mark.position for mark in marks.values()} == {5}
        [membership] = named(["segment_membership"])
        assert [row.is_member for _, row in table_rows.scan(connection, membership)] == [True, True]
    rebuilding.join(30)
    assert not rebuilding.is_alive()
    answer = find_customer(database, "cust_1")
    assert (answer.position, answer.segments) == (7, ())
    assert _is_right(database)


def test_a_fold_of_a_new_version_is_taken_in(database: Database) -> None:
    newer = [evolve(each, version=each.version + 1) for each in discover()]
    with cut_small(2):
        done = rebuild(database, newer, by_steps)
    assert done.swapped
    versions = {(each.version,) for each in newer}
    assert set(sql(database, "SELECT version FROM checkpoint")) == versions


def test_the_folder_is_beside_a_database_that_is_a_file(sqlite_url: str) -> None:
    path = Path(make_url(sqlite_url).database or "")
    assert path_for(Database(sqlite_url)) == path.with_name("projector.db-rebuild")
