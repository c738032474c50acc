"""Settings of the database, the role and the environment change no answer and end no task."""

import time
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from projector import open_projector
from projector.errors import DatabaseBusy, DatabaseReadOnly, RightsMissing
from projector.store import log, schema
from tests.support.postgres import Server
from tests.support.tasks import administering, answers, filled, ingest, opened, rebuilt, role

#: Settings that change how values are read or written, what a statement means, or what may run.
_SETTINGS = {
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "escape_string_warning": "off",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "xmloption": "document",
    "row_security": "off",
    "check_function_bodies": "off",
    "session_replication_role": "replica",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "default_tablespace": "pg_default",
    "temp_tablespaces": "pg_default",
    "default_table_access_method": "heap",
    "default_toast_compression": "pglz",
    "plpgsql.variable_conflict": "use_column",
    "exit_on_error": "on",
    "statement_timeout": "400",
    "lock_timeout": "400",
    "idle_in_transaction_session_timeout": "400",
    "idle_session_timeout": "400",
    "jit": "on",
    "jit_above_cost": "0",
    "enable_indexscan": "off",
    "enable_hashjoin": "off",
    "cursor_tuple_fraction": "1",
    "client_min_messages": "error",
    "search_path": "public",
    "synchronous_commit": "off",
}

#: As above, of the client: the variables that libpq reads.
_VARIABLES = {
    "PGDATESTYLE": "Postgres, DMY",
    "PGTZ": "America/St_Johns",
    "PGCLIENTENCODING": "SQL_ASCII",
    "PGOPTIONS": "-c IntervalStyle=iso_8601 -c statement_timeout=400 -c DateStyle=German",
}


@pytest.fixture(scope="module")
def expected(postgres_server: Server, postgres_template: str) -> object:
    """The answers where nothing is set."""
    with postgres_server.database(postgres_template) as url:
        filled(url)
        with open_projector(url) as projector:
            return answers(projector)


def _set(url: str, settings: dict[str, str]) -> None:
    """Set what this version of Postgres knows for all sessions in a database."""
    with administering(url) as admin:
        known = {name for (name,) in admin.execute("SELECT lower(name) FROM pg_settings")}
        for name, value in settings.items():
            if name.lower() in known or "." in name:
                statement = f"ALTER DATABASE \"{admin.info.dbname}\" SET {name} = '{value}'"
                admin.execute(statement.encode())


def _do_everything(url: str) -> object:
    """Do everything in sessions with the settings; return the answers."""
    with open_projector(url) as projector:
        ingest(projector)
        found = answers(projector)
        rebuilt(projector)
    return found


@pytest.mark.parametrize("name", ["DateStyle", "client_encoding", "standard_conforming_strings"])
def test_a_setting_of_the_role_changes_no_answer(
    migrated_postgres_url: str, expected: object, name: str
) -> None:
    """A role's settings win over those of a database."""
    with role(migrated_postgres_url, "SUPERUSER") as url:
        with administering(migrated_postgres_url) as admin:
            user = make_url(url).username
            admin.execute(f"ALTER ROLE {user} SET {name} = '{_SETTINGS[name]}'".encode())
        assert _do_everything(url) == expected


def test_no_setting_of_the_database_changes_an_answer(
    migrated_postgres_url: str, expected: object
) -> None:
    """All at once, because each of them would fail by itself."""
    _set(migrated_postgres_url, _SETTINGS)
    assert _do_everything(migrated_postgres_url) == expected


def test_no_setting_of_the_environment_changes_an_answer(
    migrated_postgres_url: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert _do_everything(migrated_postgres_url) == expected


def test_the_option_for_an_encoding_in_the_url_changes_no_answer(
    migrated_postgres_url: str, expected: object
) -> None:
    assert _do_everything(f"{migrated_postgres_url}?client_encoding=latin1") == expected


def test_a_new_database_with_such_settings_can_be_migrated(
    postgres_url: str, expected: object
) -> None:
    _set(postgres_url, _SETTINGS)
    with opened(postgres_url) as database:
        schema.migrate(database)
    assert _do_everything(postgres_url) == expected


def test_a_session_is_set_up_in_one_round_trip(migrated_postgres_url: str) -> None:
    """SQLAlchemy's own questions, which it asks once in a process, come later."""
    statements: list[object] = []
    original = psycopg.Cursor.execute

    def record(self: Any, query: Any, *more: Any, **named: Any) -> Any:
        statements.append(query)
        return original(self, query, *more, **named)

    with opened(migrated_postgres_url) as database, pytest.MonkeyPatch.context() as patched:
        with database.reading():
            pass
        patched.setattr(psycopg.Cursor, "execute", record)
        with database.connected() as first, database.connected() as second:
            assert first is not second
    assert len(statements) == 1


def test_timeouts_of_the_database_do_not_end_what_takes_longer(migrated_postgres_url: str) -> None:
    names = ["statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"]
    _set(migrated_postgres_url, dict.fromkeys(names, "300"))
    with opened(migrated_postgres_url) as database, database.writing() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(0.5)")
        time.sleep(0.5)
        connection.exec_driver_sql("SELECT 1")


def test_a_limit_of_the_program_wins_over_that_of_the_database(migrated_postgres_url: str) -> None:
    _set(migrated_postgres_url, {"lock_timeout": "0"})
    with (
        opened(migrated_postgres_url) as holder,
        opened(migrated_postgres_url, lock_seconds_max=0.05) as waiter,
        holder.writing() as connection,
    ):
        log.head(connection, lock=True)
        with pytest.raises(DatabaseBusy), waiter.writing() as other:
            log.head(other, lock=True)


def test_a_database_that_takes_no_writes_answers_questions_and_says_so(
    migrated_postgres_url: str, expected: object
) -> None:
    filled(migrated_postgres_url)
    _set(migrated_postgres_url, {"default_transaction_read_only": "on"})
    with open_projector(migrated_postgres_url) as projector:
        assert answers(projector) == expected
        for write in (ingest, rebuilt):
            with pytest.raises(DatabaseReadOnly) as raised:
                write(projector)
            assert "primary" in raised.value.hint


def test_a_policy_that_hides_rows_is_an_error_and_no_gap(migrated_postgres_url: str) -> None:
    """A projector that saw a part of the log would take it for the whole."""
    filled(migrated_postgres_url, 1)
    with administering(migrated_postgres_url) as admin:
        admin.execute("ALTER TABLE event ENABLE ROW LEVEL SECURITY")
    grant = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    with (
        role(migrated_postgres_url, "", grant) as url,
        open_projector(url) as projector,
        pytest.raises(RightsMissing, match="row-level security"),
    ):
        projector.customer("cust_ü", at_position=3)
