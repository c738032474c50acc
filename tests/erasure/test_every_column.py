"""No column is overlooked: each with text or bytes is erased, or names no customer."""

from collections.abc import Iterator

from sqlalchemy import LargeBinary, String, inspect

from projector.erasure import forget
from projector.projections import named
from projector.store import checkpoints
from projector.store.database import Database
from tests.support.forgetting import arrive, seven, tables_with

#: What erases a column, by table; `*` stands for all others of the table.
ERASED = {
    "activity": dict.fromkeys(("customer_id", "cursor", "problem"), "the row goes"),
    "archive_key": {"key": "the row goes"},
    "checkpoint": {"error": "replaced if it names the customer"},
    "customer": {"*": "the row goes"},
    "dead_letter": {"reason": "the row goes"},
    "dead_letter_reason": {"reason": "a trigger deletes the count of the last letter"},
    "event": dict.fromkeys(("event_id", "type", "source", "body"), "the row becomes a marker"),
    "group_size": dict.fromkeys(
        ("campaign_id", "group_id", "names_hash", "names"), "a group without members goes"
    ),
    "job": dict.fromkeys(
        ("arguments", "result", "problem"), "emptied if one of them names the customer"
    ),
    "leaf": {"salt": "destroyed, so that the commitment tells nothing"},
    "loyalty_tier": {"*": "the row goes"},
    "loyalty_tier_history": {"*": "the row goes"},
    "quarantine": dict.fromkeys(
        (
            "digest",
            "detail",
            "event_id",
            "default_project_id",
            "default_type",
            "default_customer_id",
            "body",
        ),
        "an entry that names the customer is emptied",
    ),
    "segment_membership": {"*": "the row goes"},
    "segment_membership_history": {"*": "the row goes"},
    "snapshot": dict.fromkeys(("event_id", "state"), "the row goes"),
    "stream": dict.fromkeys(("customer_id", "last_event_id"), "replaced"),
}

_OURS = "a word of the program"
_SHOPS = "the shop's own, not a customer's"
_OPERATORS = "an operator's"

#: Why a column names no customer, by table.
NEVER = {
    "activity": {"project_id": _SHOPS, "scope": "times and types", "status": _OURS},
    "checkpoint": {
        "projection": _OURS,
        "digest": "a sum over all rows",
        "fingerprint": "of the columns",
    },
    "dead_letter": {"projection": _OURS},
    "dead_letter_reason": {"projection": _OURS},
    "erasure": {"project_id": _SHOPS, "reference": "refused if it names the customer"},
    "event": {"project_id": _SHOPS},
    "feed_hour": {
        "project_id": _SHOPS,
        "sender": "Voucherify's id of a webhook",
        "type": _OURS,
        "channel": _OURS,
        "outcome": _OURS,
    },
    "group_size": {"projection": _OURS, "project_id": _SHOPS},
    "job": {"kind": _OURS, "asked_by": "the name of a token", "phase": _OURS},
    "leaf": {"commitment": "a hash with a salt"},
    "lease": {"job": _OURS, "holder": "the name of a process"},
    "projector_schema": {"version_num": _OURS},
    "quarantine": {"project_id": _SHOPS, "reason": _OURS},
    "reconciliation": {
        "run_id": "random",
        "project_id": _SHOPS,
        "source": _OURS,
        "reasons": "counts by reason",
        "stopped": _OURS,
    },
    "secret": {"name": _OURS, "value": "random"},
    "session": {"digest": "of a random number", "token_id": "random"},
    "snapshot": {"projection": _OURS, "fingerprint": "of the columns"},
    "stream": {"project_id": _SHOPS},
    "subtree": {"hash": "of commitments"},
    "suppressed": {"digest": "keyed: it keeps the customer out"},
    "token": {
        "token_id": "random",
        "name": _OPERATORS,
        "scopes": _OURS,
        "digest": "of a random number",
    },
}


def _columns(database: Database) -> Iterator[tuple[str, str]]:
    """Every column that can hold text or bytes; instants on SQLite, too."""
    with database.reading() as connection:
        schema = inspect(connection)
        for table in schema.get_table_names():
            for column in schema.get_columns(table):
                if isinstance(column["type"], String | LargeBinary):
                    yield table, column["name"]


def _how(table: str, column: str) -> list[str]:
    """What the lists say of a column."""
    erased = ERASED.get(table, {})
    return [
        says[name]
        for says, names in ((erased, (column, "*")), (NEVER.get(table, {}), (column,)))
        for name in names
        if name in says
    ]


def test_each_column_with_text_is_erased_or_names_no_customer(
    both: tuple[Database, Database],
) -> None:
    on_sqlite, on_postgres = (set(_columns(each)) for each in both)
    # Instants are text there.
    assert on_postgres < on_sqlite
    unclear = {column: _how(*column) for column in on_postgres if len(_how(*column)) != 1}
    assert unclear == {}


def test_the_lists_name_only_columns_that_are_there(postgres_database: Database) -> None:
    there = set(_columns(postgres_database))
    listed = {(table, name) for says in (ERASED, NEVER) for table in says for name in says[table]}
    assert {each for each in listed - there if each[1] != "*"} == set()


def test_an_error_that_quotes_the_customer_is_replaced(database: Database) -> None:
    """The projection stays set aside. Names of groups of the customer alone go, too."""
    arrive(database, *seven())
    with database.writing() as connection:
        checkpoints.set_error(connection, named(["loyalty_tier"])[0], "ValueError: shop-000077")
    assert {"checkpoint", "group_size"} <= {*tables_with(database, "shop-000077", "seg_1")}
    forget(database, ["cust_7"])
    assert tables_with(database, "shop-000077", "seg_1") == {}
    with database.reading() as connection:
        stored = checkpoints.read_one(connection, "loyalty_tier")
    assert stored is not None
    assert stored.error == "An error that named a customer who is erased."
