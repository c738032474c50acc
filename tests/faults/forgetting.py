"""The laws of an erasure that something has happened to: it is whole, or it is not there at all."""

import json
from collections.abc import Sequence

from sqlalchemy import func, select

from projector.erasure.forgotten import list_erasures
from projector.store.database import Database
from projector.store.tables import erased_stream, event, stream, suppressed
from tests.concurrency.rebuilds import left
from tests.faults import laws
from tests.faults.sent import Sent
from tests.support.databases import projection_tables
from tests.support.forgetting import everything, is_right

_CUSTOMERS = 5


def chosen(sent: Sent, later: int) -> list[str]:
    """Some customers with several events each, of whom the last lines of a file have none."""
    counts: dict[str, int] = {}
    for line in sent.lines:
        try:
            customer_id = json.loads(line)["data"]["customer"]["id"]
        except ValueError:
            continue
        counts[customer_id] = counts.get(customer_id, 0) + 1
    recent = b"\n".join(sent.lines[-later:])
    known = [each for each in counts if f'"{each}"'.encode() not in recent]
    return sorted(known, key=lambda each: (-counts[each], each))[:_CUSTOMERS]


def hold_now(database: Database, customers: Sequence[str]) -> bool:
    """Whatever has happened, it is all there or none of it; whether it is."""
    erasures = list_erasures(database).erasures
    found = _found(database, customers)
    if erasures:
        [erasure] = erasures
        assert erasure.customers == len(customers)
        assert erasure.position is not None
        assert found == {}
        _markers_are(database, erasure.events)
    else:
        assert {*found} >= {"event", "stream", "quarantine", *projection_tables}
        _markers_are(database, 0)
    # The door is shut.
    laws.the_log_refuses_rewriting(database)
    laws.positions_are_dense(database)
    laws.file_is_sound(database)
    is_right(database)
    return bool(erasures)


def hold_whole(database: Database, customers: Sequence[str]) -> None:
    """It is there, once, and nothing is left of it or of a rebuild."""
    assert hold_now(database, customers)
    assert left(database) == []


def _found(database: Database, customers: Sequence[str]) -> dict[str, list[str]]:
    """The customers who are named, by table."""
    texts = everything(database)
    named = {
        name: [each for each in customers if f"'{each}'" in text or f'"{each}"' in text]
        for name, text in texts.items()
    }
    return {name: some for name, some in named.items() if some}


def _markers_are(database: Database, events: int) -> None:
    """So many, and all that goes with them."""
    with database.reading() as connection:
        markers = select(func.count()).where(event.c.source == "erased")
        assert connection.execute(markers).scalar_one() == events
        renamed = select(stream.c.stream_id).where(stream.c.customer_id.like("erased:%"))
        assert set(connection.execute(renamed).scalars()) == set(
            connection.execute(select(erased_stream.c.stream_id)).scalars()
        )
        kept_out = select(func.count()).select_from(suppressed)
        assert (connection.execute(kept_out).scalar_one() > events) == bool(events)
