"""Reads the customers of the log page by page, each page in a transaction of its own.

A backfill or a comparison may take days: a transaction as long would keep old versions of all rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from projector.projections import discover
from projector.store import suspects
from projector.store.database import Database

#: The number of customers of a page.
CHUNK_CUSTOMERS = 1_000


def in_log(database: Database, project_id: str) -> Iterator[list[str]]:
    """Yield the ids of the customers of a project that the log has by now."""
    with database.reading() as connection:
        until = suspects.last_stream_id(connection)
    after = 0
    while True:
        with database.reading() as connection:
            page = suspects.page(
                connection, project_id, after=after, until=until, limit=CHUNK_CUSTOMERS
            )
        if not page:
            return
        after = page[-1][0]
        yield [customer_id for _, customer_id in page]


def in_doubt(database: Database, project_id: str) -> Iterator[list[str]]:
    """Yield those of them of whom a delivery is known to be missing, or could not be folded."""
    names = [each.name for each in discover()]
    for customer_ids in in_log(database, project_id):
        with database.reading_tables() as connection:
            found = suspects.doubtful_among(connection, project_id, customer_ids, names)
        yield [each for each in customer_ids if each in found]
