"""Changing tables by plain SQL, and what a verification finds then."""

from projector.projections import discover
from projector.store.database import Database
from replay import VerifyReport, rebuild, verify
from replay.engines import ENGINES
from tests.support.databases import unguarded
from tests.support.given import delivery, entered
from tests.support.tampering import Found

TUESDAY = "2024-03-05T10:00:00Z"

#: Enough for a case each.
CUSTOMERS = [f"cust_{number:03}" for number in range(420)]

UNREADABLE = entered("cust_1", {"name": "of no id"}, at=TUESDAY, id="bad")
OF_NOBODY = delivery("customer.segment.left", None, at=TUESDAY, id="of nobody", segment={"id": "s"})


def run(database: Database, *statements: str) -> int:
    """Run plain SQL, whatever guards the log; returns how many rows it changed."""
    with database.writing() as connection, unguarded(connection):
        return sum(connection.exec_driver_sql(each).rowcount for each in statements)


def differing(found: VerifyReport) -> Found:
    """The differences by customer."""
    return {
        (each.project_id, each.customer_id): sorted(each.differences, key=repr)
        for each in found.customers
    }


def repaired(database: Database) -> bool:
    """Whether a rebuild puts everything right."""
    rebuild(database, discover(), ENGINES["in-process"])
    return verify(database, discover()).is_right
