"""The planner's statistics of Postgres have no texts of deliveries, also of tables made later."""

from sqlalchemy import text

from projector.projections import discover
from projector.store.database import Database
from projector.store.statistics import text_columns
from replay import rebuild
from tests.support.given import append_and_project
from tests.support.stories import ALEX

_SAMPLED = text("SELECT tablename || '.' || attname FROM pg_stats WHERE schemaname = 'public'")

#: Of the program's tables, beside those of projections.
_TEXTS = {
    "activity.cursor",
    "activity.problem",
    "dead_letter.reason",
    "event.body",
    "group_size.names",
    "job.arguments",
    "job.problem",
    "job.result",
    "quarantine.body",
    "quarantine.default_customer_id",
    "quarantine.detail",
    "snapshot.state",
}


def _sampled(database: Database) -> set[str]:
    with database.outside_of_transactions() as connection:
        connection.execute("ANALYZE")
    with database.reading() as connection:
        return set(connection.execute(_SAMPLED).scalars())


def test_statistics_have_no_texts(postgres_database: Database) -> None:
    """Neither of tables that migrations made, nor of those that a rebuild has made."""
    texts = {f"{each.name}.{column}" for each in discover() for column in text_columns(each)}
    assert {"customer.name", "customer.metadata", "segment_membership.segment_name"} <= texts
    append_and_project(postgres_database, *ALEX)
    for _ in range(2):
        sampled = _sampled(postgres_database)
        assert {"customer.customer_id", "event.event_id", "group_size.group_id"} <= sampled
        assert sampled & (_TEXTS | texts) == set()
        rebuild(postgres_database, discover())
