"""What was taken in is kept, and read back the same, on both databases."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from projector.envelope import Envelope, Rejected
from projector.intake import sources
from projector.intake.documents import split_documents
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store import tables
from projector.store.append import Outcome, Receipt, append
from projector.store.database import Database
from tests.fuzz.deliveries import told
from tests.support import databases
from tests.support.items import read_log
from tests.support.oracle import truth
from tests.support.postgres import running_server

_RECEIVED_AT = datetime(2025, 1, 1, tzinfo=UTC)


def stored(both: Sequence[Database], data: bytes) -> None:
    """The first letter says what the caller says; the rest is a stream of deliveries."""
    given, stream = told(data)
    documents = split_documents([stream])
    items = [item for document in documents for item in sources.read(document, given)][:50]
    found = [_taken_in(database, items) for database in both]
    assert all(each == found[0] for each in found)


def _taken_in(database: Database, items: Sequence[Envelope | Rejected]) -> Any:
    databases.wipe(database)
    # Where they are cut makes no difference to the tables.
    half = len(items) // 2
    receipts: list[Receipt] = []
    for part in (items[:half], items[half:]):
        receipts += append(database, part, received_at=_RECEIVED_AT)
        catch_up(database, discover(), batch_events_max=3)
    appended = [
        item
        for item, receipt in zip(items, receipts, strict=True)
        if receipt.outcome is Outcome.APPENDED
    ]
    events = read_log(database)
    # The log does not keep who sent an event, except in its body.
    names = [each for each in Envelope.__struct_fields__ if each != "sender"]
    assert [[getattr(each, name) for name in names] for each in events] == [
        [getattr(each, name) for name in names] for each in appended
    ]
    kept = _kept(database)
    for item, receipt in zip(items, receipts, strict=True):
        if receipt.outcome in (Outcome.QUARANTINED, Outcome.CONFLICT):
            body = item.body.encode() if isinstance(item, Envelope) else item.body
            assert body in kept
    known = truth(discover(), events)
    assert databases.rows(database) == known.rows
    assert databases.dead_letters(database) == known.dead_letters
    return receipts, kept, known


def _kept(database: Database) -> list[bytes]:
    """The bodies in the quarantine."""
    with database.reading() as connection:
        return sorted(connection.execute(select(tables.quarantine.c.body)).scalars())


@contextmanager
def both(folder: Path) -> Iterator[list[Database]]:
    """An empty SQLite and an empty Postgres database."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        urls = [f"sqlite:///{folder}/projector.db", stack.enter_context(server.database())]
        yield [stack.enter_context(databases.migrated(url)) for url in urls]
