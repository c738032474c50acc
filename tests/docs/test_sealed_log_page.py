"""The query of docs/sealed-log.md for Postgres, which no test of the page runs, finds a change."""

import re
from pathlib import Path

from projector.sealing.seal import seal
from projector.store.database import Database
from tests.support.erasures import erase
from tests.support.seals import fill
from tests.support.verification import run

_PAGE = (Path(__file__).parents[2] / "docs" / "sealed-log.md").read_text()


def test_the_query_for_postgres_counts_what_was_changed(postgres_database: Database) -> None:
    [query] = re.findall(r"^(    SELECT count.*?)\n\n", _PAGE, re.M | re.S)
    fill(postgres_database, range(20))
    seal(postgres_database)
    # What is erased has no salt, and is left out.
    erase(postgres_database, "cust_1", rebuilds=False)
    seal(postgres_database)
    counts = []
    for change in ("UPDATE stream SET last_event_id = 'x'", "UPDATE event SET late = NOT late"):
        run(postgres_database, change)
        with postgres_database.reading() as connection:
            counts.append(connection.exec_driver_sql(query).scalar())
    assert counts == [0, 14]
