"""`verify`: a proof that the tables are what the log says, for scripts and for people."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.cli.conftest import Cli, Write
from tests.support.given import created, delivery
from tests.support.tampering import life

MONDAY, TUESDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5))

_NAMES = [
    "customer",
    "loyalty_tier",
    "loyalty_tier_history",
    "segment_membership",
    "segment_membership_history",
]
_UNREADABLE = delivery("customer.segment.entered", "cust_1", at=TUESDAY)
_REBUILD = "Run `projector rebuild` to compute the tables from the log again."

Tamper = Callable[..., None]


@pytest.fixture
def tamper(cli: Cli, write: Write) -> Tamper:
    """Runs plain SQL on a database with two customers."""
    assert cli("ingest", write(*life("cust_1"), *life("cust_2"))).code == 0

    def tamper(*statements: str) -> None:
        with closing(sqlite3.connect("projector.db")) as connection, connection:
            for each in statements:
                assert connection.execute(each).rowcount

    return tamper


def test_verify_finds_nothing_in_unchanged_tables(cli: Cli, tamper: Tamper) -> None:
    done = cli("verify", "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json
    assert list(found) == ["checked", "differing", "customers", "projections", "sizes", "log"]
    assert (found["checked"], found["differing"]) == (2, 0)
    assert (found["customers"], found["sizes"], found["log"]) == ([], [], [])
    assert [list(each) for each in found["projections"]] == [
        ["name", "position", "digest", "recomputed"]
    ] * 5
    assert [each["name"] for each in found["projections"]] == _NAMES
    assert {each["position"] for each in found["projections"]} == {18}
    status = cli("status", "--json").json["projections"]
    kept = [each["digest"] for each in status]
    assert [each["digest"] for each in found["projections"]] == kept
    assert [each["recomputed"] for each in found["projections"]] == kept
    assert cli("verify").out == "Compared 2 customers: 0 differ.\n"


@pytest.mark.usefixtures("empty_database")
def test_an_empty_database_is_right(cli: Cli) -> None:
    assert cli("verify", "--json").code == 0
    assert cli("verify", "--sample", "3").code == 0


def test_tables_that_are_behind_are_right(cli: Cli, write: Write) -> None:
    cli("ingest", write(created("cust_1", at=MONDAY), _UNREADABLE), "--no-catch-up")
    assert cli("verify").code == 0
    cli("rebuild", "customer")
    assert cli("verify").code == 0


def test_a_changed_cell_is_named(cli: Cli, tamper: Tamper) -> None:
    tamper(
        "UPDATE loyalty_tier SET points_to = NULL WHERE tier_id = 'ltr_2' AND"
        " customer_id = 'cust_2'"
    )
    done = cli("verify", "--json")
    assert (done.code, done.err) == (1, "")
    assert (done.json["checked"], done.json["differing"]) == (2, 1)
    assert done.json["customers"] == [
        {
            "project_id": "proj_1",
            "customer_id": "cust_2",
            "differences": [
                {
                    "projection": "loyalty_tier",
                    "key": {"campaign_id": "camp_1"},
                    "column": "points_to",
                    "expected": 9,
                    "found": None,
                }
            ],
        }
    ]
    assert list(done.json["customers"][0]) == ["project_id", "customer_id", "differences"]
    assert list(done.json["customers"][0]["differences"][0]) == [
        "projection",
        "key",
        "column",
        "expected",
        "found",
    ]
    people = cli("verify")
    assert (people.code, people.err) == (1, "")
    assert "Compared 2 customers: 1 differ." in people.out
    for told in ("cust_2", "loyalty_tier", "camp_1 points_to", " 9 ", _REBUILD):
        assert told in people.out


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("created_at = 'x'", "x"),
        ("created_at = '2024-01-01T00:00:00+00:00'", "2024-01-01T00:00:00+00:00"),
        ("created_at = NULL", None),
        ("created_at = x'00ff'", "b'\\x00\\xff'"),
        ("created_at = CAST(x'61ff' AS TEXT)", "b'a\\xff'"),
        ("created_at = 9e999", "Inf"),
    ],
)
def test_verify_can_print_any_value(
    cli: Cli, tamper: Tamper, change: str, found: str | None
) -> None:
    tamper(f"UPDATE customer SET {change} WHERE customer_id = 'cust_1'")
    done = cli("verify", "--json")
    assert done.code == 1
    [[cell]] = [each["differences"] for each in done.json["customers"]]
    assert (cell["expected"], cell["found"]) == ("2024-01-01T00:00:00.000000Z", found)
    assert (found or "created_at") in cli("verify").out


def test_verify_prints_missing_and_surplus_rows_whole(cli: Cli, tamper: Tamper) -> None:
    tamper(
        "UPDATE segment_membership SET customer_id = x'ff' WHERE customer_id = 'cust_1'"
        " AND segment_id = 'seg_1'"
    )
    found = cli("verify", "--json").json
    assert found["differing"] == 2
    [missing], [surplus] = [each["differences"] for each in found["customers"]]
    assert [each["customer_id"] for each in found["customers"]] == ["cust_1", "b'\\xff'"]
    assert (missing["column"], missing["found"]) == (None, None)
    assert (surplus["column"], surplus["expected"]) == (None, None)
    assert missing["expected"] == {**surplus["found"], "customer_id": "cust_1"}
    assert list(missing["expected"])[:3] == ["project_id", "customer_id", "segment_id"]
    assert cli("verify").out.count("a row") == 2


def test_people_see_the_first_differences_and_how_many_more_there_are(
    cli: Cli, write: Write
) -> None:
    cli("ingest", write(*(created(f"cust_{number:02}", at=MONDAY) for number in range(60))))
    with closing(sqlite3.connect("projector.db")) as connection, connection:
        connection.execute("UPDATE customer SET event_count = 2")
    done = cli("verify")
    assert "Compared 60 customers: 60 differ." in done.out
    assert "cust_49" in done.out
    assert "cust_50" not in done.out
    assert "And 10 more; --json has them." in done.out
    assert len(cli("verify", "--json").json["customers"]) == 60


def test_a_wrong_digest_ends_with_1(cli: Cli, tamper: Tamper) -> None:
    right = cli("status", "--json").json["projections"][0]["digest"]
    tamper(f"UPDATE checkpoint SET digest = '{'0' * 32}' WHERE projection = 'customer'")
    done = cli("verify", "--json")
    assert (done.code, done.json["differing"], done.json["log"]) == (1, 0, [])
    assert done.json["projections"][0]["digest"] == "0" * 32
    assert done.json["projections"][0]["recomputed"] == right
    people = cli("verify")
    assert people.code == 1
    assert f"The digest of customer is {'0' * 32}, but the log folds to {right}." in people.out
    assert people.out.count("The digest of") == 1
    assert cli("verify", "--sample", "2").code == 0


def test_a_wrong_log_ends_with_1(cli: Cli, tamper: Tamper) -> None:
    tamper("UPDATE log_head SET position = 19")
    done = cli("verify", "--json")
    told = "The log head says that positions go from 1 to 19, but the log has 18, from 1 to 18."
    assert (done.code, done.json["differing"], done.json["log"]) == (1, 0, [told])
    assert told in cli("verify").out


def test_a_wrong_dead_letter_ends_with_1(cli: Cli, tamper: Tamper) -> None:
    tamper("INSERT INTO dead_letter VALUES ('customer', 3, 1, 'why')")
    done = cli("verify", "--json")
    assert done.code == 1
    assert done.json["customers"][0]["differences"] == [
        {
            "projection": "customer",
            "key": {"position": 3},
            "column": "dead_letter",
            "expected": False,
            "found": True,
        }
    ]
    assert "3 dead_letter" in cli("verify").out


def test_a_rebuild_puts_it_right(cli: Cli, tamper: Tamper) -> None:
    tamper("DELETE FROM customer", "UPDATE loyalty_tier SET gaps = 9", "DELETE FROM checkpoint")
    assert cli("verify").code == 1
    done = cli("rebuild", "customer", "customer")
    # The others have rows of unknown events, which must not be folded a second time.
    assert (done.code, "no checkpoint" in done.err) == (1, True)
    assert cli("verify", "customer").code == 0
    assert cli("verify", "loyalty_tier").code == 1
    assert cli("rebuild", *_NAMES).code == 0
    assert cli("verify").code == 0


def test_the_named_projections_are_compared(cli: Cli, tamper: Tamper) -> None:
    tamper("UPDATE customer SET name = 'another'")
    assert cli("verify", "segment_membership", "loyalty_tier").code == 0
    done = cli("verify", "customer", "loyalty_tier", "customer", "--json")
    assert done.code == 1
    assert [each["name"] for each in done.json["projections"]] == ["customer", "loyalty_tier"]
    assert [len(each["differences"]) for each in done.json["customers"]] == [1, 1]


def test_a_sample_is_of_so_many_customers(cli: Cli, tamper: Tamper) -> None:
    found = cli("verify", "--sample", "1", "--json").json
    assert (found["checked"], found["differing"]) == (1, 0)
    assert {each["recomputed"] for each in found["projections"]} == {None}
    tamper("UPDATE customer SET name = 'another' WHERE customer_id = 'cust_2'")
    done = cli("verify", "--sample", "2", "--json")
    assert (done.code, done.json["checked"], done.json["differing"]) == (1, 2, 1)
    assert cli("verify", "--sample", "99").code == 1


@pytest.mark.parametrize("number", ["0", "-1", "x", ""])
def test_a_sample_of_no_number_of_customers_ends_with_2(cli: Cli, number: str) -> None:
    done = cli("verify", f"--sample={number}")
    assert done.code == 2
    assert done.failed_in_a_sentence


@pytest.mark.usefixtures("empty_database")
def test_a_projection_that_there_is_not_ends_with_2(cli: Cli) -> None:
    done = cli("verify", "customer", "customers")
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert "'customers'" in done.err
