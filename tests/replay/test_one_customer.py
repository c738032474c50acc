"""One customer's rows are put right, whatever they were, and nobody else's are touched."""

from contextlib import closing

import pytest
from attrs import evolve

from projector.errors import (
    CustomerAmbiguous,
    CustomerNotFound,
    ProjectionOutdated,
    RowsUnreadable,
)
from projector.projections import discover, named
from projector.runner import runner
from projector.store.database import Database
from replay import rebuild_customer, verify
from tests.support.databases import dead_letters, positions, stored
from tests.support.given import append_and_project, append_webhooks, created, entered, joined
from tests.support.logs import THURSDAY, sql
from tests.support.tampering import life

NAMES = [each.name for each in discover()]
#: An event of cust_1 that no projection of tiers can take.
UNREADABLE = joined("cust_1", "", at=THURSDAY)
HEAD = 2 * len(life("cust_1")) + 1


@pytest.fixture
def database(database: Database) -> Database:
    append_and_project(database, *life("cust_1"), *life("cust_2"), UNREADABLE)
    return database


def _found(database: Database) -> tuple[object, ...]:
    return stored(database), dead_letters(database), positions(database)


def _is_right(database: Database) -> bool:
    return verify(database, discover()).is_right


@pytest.mark.parametrize(
    "tampering",
    [
        pytest.param("UPDATE {} SET {column} = 'me'", id="changed"),
        pytest.param("DELETE FROM {}", id="removed"),
        pytest.param("UPDATE {} SET customer_id = 'cust_2' WHERE 1 = 0 OR {own}", id="moved"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_rows_of_every_table_are_put_right_with_the_digest(
    database: Database, name: str, tampering: str
) -> None:
    before = _found(database)
    if "{own}" in tampering:
        sql(database, f"DELETE FROM {name} WHERE customer_id = 'cust_2'")
    where = "" if "{own}" in tampering else " WHERE customer_id = 'cust_1'"
    column = "opened_by" if "history" in name else "changed_by"
    own = "customer_id = 'cust_1'"
    sql(database, tampering.format(name, own=own, column=column) + where)
    assert not _is_right(database)
    for customer_id in ("cust_1", "cust_2"):
        rebuild_customer(database, discover(), customer_id)
    assert _is_right(database)
    assert _found(database) == before


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_should_not_be_there_go(database: Database, name: str) -> None:
    before = _found(database)
    append_and_project(
        database, entered("cust_3", "seg_7", at=THURSDAY), joined("cust_3", "t", at=THURSDAY)
    )
    append_and_project(database, created("cust_3", at=THURSDAY))
    right = _found(database)
    key = {"customer": "", "loyalty_tier": "campaign_id", "segment_membership": "segment_id"}
    if name == "customer":
        # The key is the customer: one of a customer without rows is the only one more.
        sql(database, "DELETE FROM customer WHERE customer_id = 'cust_1'")
    else:
        column = key[name.removesuffix("_history")]
        sql(database, f"UPDATE {name} SET {column} = 'more' WHERE customer_id = 'cust_3'")
    assert not _is_right(database)
    rebuild_customer(database, discover(), "cust_3")
    rebuild_customer(database, discover(), "cust_1")
    assert _is_right(database)
    assert _found(database) == right
    assert _found(database) != before


def test_rebuilding_one_customer_reports_the_number_of_rows(database: Database) -> None:
    sql(database, "DELETE FROM segment_membership_history")
    done = rebuild_customer(database, discover(), "cust_1")
    assert (done.project_id, done.customer_id) == ("proj_1", "cust_1")
    assert done.rows == {
        "customer": 1,
        "loyalty_tier": 2,
        "loyalty_tier_history": 3,
        "segment_membership": 2,
        "segment_membership_history": 3,
    }


def test_the_customers_rows_need_not_be_readable(database: Database) -> None:
    before = _found(database)
    wrong = "CAST(x'61ff' AS TEXT)" if database.is_sqlite else "'infinity'"
    for name, column in (("customer", "created_at"), ("loyalty_tier", "joined_at")):
        sql(database, f"UPDATE {name} SET {column} = {wrong} WHERE customer_id = 'cust_1'")
    rebuild_customer(database, discover(), "cust_1")
    assert _found(database) == before
    assert _is_right(database)


def test_the_dead_letters_are_those_of_the_log_again(database: Database) -> None:
    before = _found(database)
    assert len(dead_letters(database)) == 2
    sql(database, "UPDATE dead_letter SET reason = 'another'")
    sql(database, "INSERT INTO dead_letter VALUES ('customer', 1, 1, 'none')")
    sql(database, "DELETE FROM dead_letter WHERE projection = 'loyalty_tier'")
    assert not _is_right(database)
    rebuild_customer(database, discover(), "cust_1")
    assert _found(database) == before
    assert "another" not in {
        reason for (reason,) in sql(database, "SELECT reason FROM dead_letter")
    }
    assert _is_right(database)


def test_another_customers_rows_and_dead_letters_stay_as_they_are(database: Database) -> None:
    append_and_project(database, joined("cust_2", "", at=THURSDAY))
    sql(database, "UPDATE customer SET name = 'wrong'")
    sql(database, "UPDATE dead_letter SET reason = 'wrong'")
    rebuild_customer(database, discover(), "cust_1")
    assert sorted(sql(database, "SELECT customer_id, name FROM customer")) == [
        ("cust_1", "Ada"),
        ("cust_2", "wrong"),
    ]
    wrong = sql(database, "SELECT stream_id FROM dead_letter WHERE reason = 'wrong'")
    assert wrong == [(2,)] * 2


def test_the_digest_is_that_of_the_rows_as_they_are(database: Database) -> None:
    """It does not vouch for a row of another customer that is wrong."""
    right = sql(database, "SELECT digest FROM checkpoint WHERE projection = 'customer'")
    sql(database, "UPDATE customer SET name = 'wrong' WHERE customer_id = 'cust_2'")
    rebuild_customer(database, discover(), "cust_1")
    now = sql(database, "SELECT digest FROM checkpoint WHERE projection = 'customer'")
    assert now != right
    rebuild_customer(database, discover(), "cust_2")
    assert sql(database, "SELECT digest FROM checkpoint WHERE projection = 'customer'") == right


def test_a_projection_that_is_behind_stays_where_it_is(database: Database) -> None:
    append_and_project(database, created("cust_3", at=THURSDAY, name="Bob"))
    append_webhooks(database, created("cust_1", at=THURSDAY, name="Eve"))
    before = _found(database)
    sql(database, "DELETE FROM customer WHERE customer_id = 'cust_1'")
    rebuild_customer(database, discover(), "cust_1")
    assert _found(database) == before
    assert set(positions(database).values()) == {HEAD + 1}
    assert _is_right(database)
    runner.catch_up(database, discover())
    assert _is_right(database)


def test_a_projection_that_never_ran_gets_no_rows(migrated_url: str) -> None:
    with closing(Database(migrated_url)) as database:
        append_webhooks(database, *life("cust_1"))
        assert set(rebuild_customer(database, discover(), "cust_1").rows.values()) == {0}
        assert _is_right(database)
        runner.catch_up(database, discover())
        assert _is_right(database)


def test_a_projector_that_computed_from_the_old_rows_does_not_write(database: Database) -> None:
    revision = "SELECT projection, generation FROM checkpoint"
    before = dict(sql(database, revision))
    rebuild_customer(database, named(["customer"]), "cust_1")
    assert dict(sql(database, revision)) == {**before, "customer": before["customer"] + 1}


def test_only_the_named_projections_are_touched(database: Database) -> None:
    sql(database, "UPDATE customer SET name = 'x'")
    sql(database, "UPDATE loyalty_tier SET gaps = 9")
    assert list(rebuild_customer(database, named(["customer"]), "cust_1").rows) == ["customer"]
    assert set(sql(database, "SELECT gaps FROM loyalty_tier")) == {(9,)}


def test_rows_of_another_version_of_the_fold_are_refused(database: Database) -> None:
    before = _found(database)
    newer = [evolve(each, version=each.version + 1) for each in discover()]
    with pytest.raises(ProjectionOutdated, match="'customer' were written by version 4"):
        rebuild_customer(database, newer, "cust_1")
    assert _found(database) == before


_SQLITE = ["'x'", "x'00ff'", "9e999", "7"]
_POSTGRES = ["'infinity'", "'0044-03-15 12:00:00 BC'", "'10000-01-01 00:00:00Z'"]


@pytest.mark.parametrize("column", ["first_event_at", "deleted_at"])
def test_unreadable_rows_of_another_customer_are_reported_and_nothing_is_changed(
    database: Database, column: str
) -> None:
    for wrong in _SQLITE if database.is_sqlite else _POSTGRES:
        sql(database, f"UPDATE customer SET {column} = {wrong} WHERE customer_id = 'cust_2'")
        sql(database, "UPDATE customer SET name = 'wrong' WHERE customer_id = 'cust_1'")
        before = _found(database)
        with pytest.raises(RowsUnreadable, match="'customer' has rows that cannot be read"):
            rebuild_customer(database, discover(), "cust_1")
        assert _found(database) == before


def test_a_text_that_is_not_utf_8_is_reported(migrated_sqlite_url: str) -> None:
    with closing(Database(migrated_sqlite_url)) as database:
        append_and_project(database, *life("cust_1"), *life("cust_2"))
        sql(
            database, "UPDATE customer SET email = CAST(x'61ff' AS TEXT) WHERE customer_id='cust_2'"
        )
        with pytest.raises(RowsUnreadable, match="UTF-8"):
            rebuild_customer(database, discover(), "cust_1")


def test_an_unknown_or_ambiguous_customer_is_not_rebuilt(database: Database) -> None:
    append_and_project(database, created("cust_1", at=THURSDAY, project_id="proj_2"))
    with pytest.raises(CustomerNotFound, match="'cust_9' not found in project 'proj_1'"):
        rebuild_customer(database, discover(), "cust_9", project_id="proj_1")
    with pytest.raises(CustomerAmbiguous, match="cust_1 in proj_1, cust_1 in proj_2"):
        rebuild_customer(database, discover(), "cust_1")
    sql(database, "UPDATE customer SET name = 'x' WHERE customer_id = 'cust_1'")
    assert (
        rebuild_customer(database, discover(), "cust_1", project_id="proj_2").project_id == "proj_2"
    )
    statement = "SELECT project_id, name FROM customer WHERE customer_id = 'cust_1'"
    assert sorted(sql(database, statement), key=str) == [("proj_1", "x"), ("proj_2", None)]


def test_the_shops_own_id_will_do(database: Database) -> None:
    append_and_project(database, created("cust_3", at=THURSDAY, source_id="shop_3"))
    sql(database, "UPDATE customer SET name = 'x' WHERE customer_id = 'cust_3'")
    done = rebuild_customer(database, discover(), "shop_3", by_source_id=True)
    assert done.customer_id == "cust_3"
    assert _is_right(database)
