"""`status`, `rebuild` and `migrate`: how it stands, from scratch, and up to date."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command

from projector.store import schema
from projector.store.database import Database
from projector.store.tables import SCHEMA_REVISION
from tests.cli.conftest import Cli, Write
from tests.support.erasures import erase
from tests.support.given import created, delivery, entered

_BORN = created("cust_1", at="2024-01-01T00:00:00Z")
_UNREADABLE = delivery("customer.segment.entered", "cust_1", at="2024-01-02T00:00:00Z")
_PROJECTIONS = [
    "customer",
    "loyalty_tier",
    "loyalty_tier_history",
    "segment_membership",
    "segment_membership_history",
]


@pytest.mark.usefixtures("empty_database")
def test_the_status_of_an_empty_log(cli: Cli) -> None:
    found = cli("status", "--json").json
    assert list(found) == ["head", "projections", "quarantine", "overdue", "erased"]
    assert (found["head"], found["quarantine"]) == (0, {})
    assert [each["name"] for each in found["projections"]] == _PROJECTIONS
    assert list(found["projections"][0]) == [
        "name",
        "position",
        "lag",
        "dead_letters",
        "digest",
        "installed",
        "error",
    ]


def test_the_status_counts_what_is_put_aside(cli: Cli, write: Write) -> None:
    cli("ingest", write(_BORN, b"{", b"{{", b"[]", b"{}", _UNREADABLE))
    found = cli("status", "--json").json
    assert found["head"] == 2
    assert found["quarantine"] == {"broken_json": 2, "unknown_shape": 1}
    assert [each["dead_letters"] for each in found["projections"]] == [0, 0, 0, 1, 1]


def test_people_see_the_same_status(cli: Cli, write: Write) -> None:
    cli("ingest", write(_BORN, b"{"))
    done = cli("status")
    assert "The log is at position 1." in done.out
    for said in (*_PROJECTIONS, "broken_json"):
        assert said in done.out
    assert done.err == ""


def test_people_see_what_was_erased_and_is_not_purged(cli: Cli, write: Write, folder: Path) -> None:
    cli("ingest", write(_BORN))
    assert "rased" not in cli("status").out
    with closing(Database(f"sqlite:///{folder / 'projector.db'}")) as database:
        erase(database, "cust_1", is_purged=False)
    done = cli("status")
    assert "Erased: 1 customer with 1 event, the last time on 2026-11-26." in done.out
    assert "1 erasure is not finished" in done.out
    assert "run `projector purge`." in done.out
    for call in (("customer", "cust_1"), ("why", "cust_1", "--segment", "seg_1")):
        refused = cli(*call)
        assert (refused.code, refused.failed_in_a_sentence) == (3, True)
        assert "This customer was erased on 2026-11-26 (erasure 1)." in refused.err
    assert cli("rebuild", "--customer", "cust_1").code == 3


def test_rebuilding_says_what_was_rebuilt(cli: Cli, write: Write) -> None:
    cli("ingest", write(_BORN, entered("cust_1", "seg_1", at="2024-01-02T00:00:00Z"), _UNREADABLE))
    found = cli("rebuild", "--json").json
    assert [found["swapped"], found["events"], found["impact"]] == [True, 3, None]
    assert [list(each.values())[:4] for each in found["rebuilt"]] == [
        ["customer", 1, 3, 0],
        ["loyalty_tier", 0, 3, 0],
        ["loyalty_tier_history", 0, 3, 0],
        ["segment_membership", 1, 3, 1],
        ["segment_membership_history", 1, 3, 1],
    ]
    assert list(found["rebuilt"][0]) == [
        "name", "rows", "position", "dead_letters", "digest", "matched"
    ]  # fmt: skip
    status = cli("status", "--json").json["projections"]
    assert [each["digest"] for each in found["rebuilt"]] == [each["digest"] for each in status]
    assert "segment_membership" in cli("rebuild").out


def test_the_named_projections_are_rebuilt(cli: Cli, write: Write) -> None:
    cli("ingest", write(_BORN))
    found = cli("rebuild", "segment_membership", "customer", "--json").json["rebuilt"]
    assert {each["name"] for each in found} == {"segment_membership", "customer"}


def test_a_rebuild_repairs_changed_rows(cli: Cli, write: Write) -> None:
    cli("ingest", write(_BORN))
    before = cli("customer", "cust_1").out
    with closing(sqlite3.connect("projector.db")) as connection, connection:
        connection.execute("UPDATE customer SET name = 'Somebody else'")
        connection.execute("UPDATE customer SET customer_id = 'cust_2'")
    assert cli("customer", "cust_1").out != before
    assert cli("rebuild", "--engine", "in-process").code == 0
    assert cli("customer", "cust_1").out == before
    assert cli("customer", "cust_2").code == 3


def test_rebuilding_brings_tables_that_were_behind_to_the_head(cli: Cli, write: Write) -> None:
    cli("ingest", write(_BORN), "--no-catch-up")
    assert cli("rebuild", "customer").code == 0
    found = cli("status", "--json").json["projections"]
    assert {(each["position"], each["lag"]) for each in found} == {(1, 0)}


def test_migrating_says_what_it_did(cli: Cli, postgres_url: str) -> None:
    first = cli("migrate", "--db", postgres_url, "--json").json
    assert list(first.items()) == [("before", None), ("after", SCHEMA_REVISION)]
    again = cli("migrate", "--db", postgres_url, "--json").json
    assert again == {"before": SCHEMA_REVISION, "after": SCHEMA_REVISION}
    assert "already" in cli("migrate", "--db", postgres_url).out


def test_migrating_a_new_sqlite_file_makes_it(cli: Cli) -> None:
    assert (
        cli("migrate").out == f"The schema was upgraded from revision none to {SCHEMA_REVISION}.\n"
    )


def test_status_reports_tables_emptied_by_a_migration_and_a_run_refills_them(
    cli: Cli, write: Write
) -> None:
    cli("ingest", write(_BORN))
    before = cli("customer", "cust_1").out, cli("status").out
    # The digests came with 0005.
    with (
        closing(Database("sqlite:///projector.db")) as database,
        database.writing() as connection,
    ):
        command.downgrade(schema.alembic_config(connection), "0004")
    assert "`projector rebuild`" in cli("migrate").out
    assert cli("rebuild").code == 0
    assert (cli("customer", "cust_1").out, cli("status").out) == before
    assert "`projector rebuild`" not in cli("migrate").out


def test_a_database_of_a_newer_program_ends_with_4(cli: Cli) -> None:
    cli("migrate")
    with closing(sqlite3.connect("projector.db")) as connection, connection:
        connection.execute("UPDATE projector_schema SET version_num = '9999'")
    for name in ("status", "migrate"):
        done = cli(name)
        assert done.code == 4
        assert done.failed_in_a_sentence
        assert "upgrade the program" in done.err
