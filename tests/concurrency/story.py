"""A file with a bit of everything, the same each time, and all that a database made of it."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import make_url, select

from projector.store import tables
from projector.store.database import Database
from tests.support import databases
from tests.support.given import Delivery, created, deleted, entered, joined, left, upgraded

_CUSTOMERS = 300
_BEGIN = datetime(2024, 3, 1, tzinfo=UTC)


def deliveries(count: int) -> Iterator[Delivery]:
    """So many deliveries: one in ten late, one in twenty a repeat, some of those contradicting."""
    for number in range(count):
        if number % 20 != 19:
            yield _delivery(number, minute=number)
        elif number % 60 != 59:
            yield _delivery(number - 11, minute=number - 11)
        else:
            yield _delivery(number - 11, minute=number)


def _delivery(number: int, minute: int) -> Delivery:
    who = f"cust_{number * 7 % _CUSTOMERS}"
    when = _BEGIN + timedelta(minutes=minute - (number % 10 == 3) * 500)
    delivery = _fact(number, who, when.isoformat())
    delivery["event"]["id"] = f"e{number}"
    return delivery


def _fact(number: int, who: str, at: str) -> Delivery:
    segment = f"seg_{number % 4}"
    match number % 9:
        case 0:
            return created(who, at=at, name=f"Customer {number}", source_id=f"shop_{who}")
        case 1 | 2 | 3:
            return entered(who, segment, at=at)
        case 4 | 5:
            return left(who, segment, at=at)
        case 6:
            return joined(who, f"ltr_{number % 3}", at=at)
        case 7:
            return upgraded(who, "ltr_0", f"ltr_{number % 3}", at=at)
    # A tier without an id is a dead letter.
    return joined(who, "", at=at) if number % 2 else deleted(who, at=at)


def content(count: int) -> bytes:
    """The same as a file, with lines in it that cannot be read."""
    lines = []
    for number, delivery in enumerate(deliveries(count)):
        lines.append(json.dumps(delivery))
        if number % 100 == 50:
            lines.append(lines[-1][: number % 700])
    return "\n".join(lines).encode()


def events(count: int) -> int:
    """How many events that is."""
    return len({each["event"]["id"] for each in deliveries(count)})


def made(url: str) -> dict[str, Any]:
    """All that is in a database, but for when it came in, and how often."""
    with closing(Database(url)) as database, database.reading() as connection:
        return {
            name: sorted(
                str(row)
                for row in connection.execute(
                    select(
                        *(
                            column
                            for column in table.columns
                            if column.name not in {"received_at", "quarantine_id"}
                        )
                    )
                )
            )
            for name, table in tables.metadata.tables.items()
            if table not in (tables.duplicate, tables.feed_hour)
        }


def tables_of(url: str) -> databases.Contents:
    """The current-state tables of a database."""
    with closing(Database(url)) as database:
        return databases.stored(database)


def is_sqlite(url: str) -> bool:
    """Which of the two databases it is."""
    return make_url(url).get_backend_name() == "sqlite"
