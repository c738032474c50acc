"""Customers to forget, and what a database holds after it, whoever looks."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from projector.envelope import DeliveryDefaults
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store.append import Outcome, append
from projector.store.database import Database
from projector.store.tables import metadata
from replay import rebuild, verify
from replay.engines import ENGINES
from tests.support.databases import dead_letters, projection_tables, rows, stored
from tests.support.given import RECEIVED_AT, Delivery, entered, envelope, joined, updated
from tests.support.items import rejected
from tests.support.tampering import life

#: Whether what was erased is kept out when it is delivered again.
SUPPRESSES = "SUPPRESSED" in Outcome.__members__

MONDAY, TUESDAY = "2024-04-01T10:00:00Z", "2024-04-02T10:00:00Z"

#: Texts of others that look like those of cust_7.
_LOOKALIKES = re.compile("cust_77|shop-0000770|bada.seven@shop.test")

#: Texts that name cust_7, and nobody else.
NEEDLES = ("cust_7", "shop-000077", "ada.seven@shop.test", "Ada Seven", "evt_seven")


def seven() -> list[Delivery]:
    """All that happens to cust_7: rows in every table, a late event, an unreadable one."""
    told = {"name": "Ada Seven", "source_id": "shop-000077", "email": "ada.seven@shop.test"}
    events = life("cust_7")
    for number, each in enumerate(events):
        each["event"]["id"] = f"evt_seven_{number}"
        each["data"]["customer"].update(told)
    unreadable = joined("cust_7", "", at=TUESDAY, id="evt_seven_unreadable")
    late = updated("cust_7", at="2024-02-01T10:00:00Z", id="evt_seven_late", **told)
    return [*events, unreadable, late]


def others() -> list[Delivery]:
    """Two customers, one of whom has an id that begins like that of the first."""
    return [*life("cust_1"), *life("cust_77"), entered("cust_77", "seg_1", at=MONDAY)]


def unreadable_deliveries() -> tuple[list[bytes], list[bytes]]:
    """Broken deliveries that name cust_7, and some that do not."""
    naming = [
        b'{"customer": {"id": "cust_7"',
        b'{"email": "ADA.SEVEN@shop.test"',
        rb'{"email": "ada\u002eseven\u0040shop.test"',
        '{"source_id": "shop-000077"'.encode("utf-16"),
        b"email=ada.seven%40shop.test",
    ]
    of_others = [
        b'{"customer": {"id": "cust_77"',
        b'{"source_id": "shop-0000770"',
        b'{"email": "bada.seven@shop.test"',
    ]
    return naming, of_others


def arrive(database: Database, *deliveries: Delivery, **more: Any) -> None:
    """Append them in one batch, and fold what there is."""
    append(database, [envelope(each) for each in deliveries], received_at=RECEIVED_AT, **more)
    catch_up(database, discover())


def arrive_broken(database: Database, bodies: Iterable[bytes]) -> None:
    """Put deliveries into the quarantine."""
    given = DeliveryDefaults(project_id="proj_1")
    items = [rejected(each, defaults=given) for each in bodies]
    append(database, items, received_at=RECEIVED_AT)


def everything(database: Database) -> dict[str, str]:
    """Every row of every table as text, by table; without the head and the erasures' own."""
    tables = [*metadata.sorted_tables, *projection_tables.values()]
    with database.reading() as connection:
        return {
            table.name: "\n".join(sorted(map(_text, connection.execute(select(table)))))
            for table in tables
        }


def _text(row: Any) -> str:
    return repr(tuple(bytes(each) if isinstance(each, memoryview) else each for each in row))


def tables_with(database: Database, *needles: str) -> dict[str, list[str]]:
    """The needles that are found, by table; as whole words."""
    found = {
        name: [each for each in needles if each in _LOOKALIKES.sub("", text)]
        for name, text in everything(database).items()
    }
    return {name: some for name, some in found.items() if some}


def is_right(database: Database) -> None:
    """The tables, their digests and the sizes of groups are what the log folds to."""
    found = verify(database, discover())
    assert (found.customers, found.sizes) == ((), ())
    assert all(each.digest == each.recomputed for each in found.projections)
    # Streams of erased customers have no events.
    assert [each for each in found.log if not each.endswith("has no events.")] == []


def rebuilds_to_the_same(database: Database) -> None:
    """A rebuild gives the same rows, digests, sizes of groups and dead letters."""
    names = ("group_size", "dead_letter", "dead_letter_reason")
    catch_up(database, discover())
    before = stored(database), [_sizes(everything(database)[each]) for each in names]
    report = rebuild(database, discover(), ENGINES["in-process"])
    assert [each.matched for each in report.rebuilt] == [True] * len(discover())
    assert (stored(database), [_sizes(everything(database)[each]) for each in names]) == before


def _sizes(text: str) -> list[str]:
    """Sums of nothing may be there, or not."""
    return [line for line in text.splitlines() if not line.endswith(", 0, 0)")]


def found(database: Database) -> tuple[object, ...]:
    """The tables of projections and their dead letters, as values."""
    return rows(database), dead_letters(database)


def at(day: int) -> datetime:
    """A day of 2024-05."""
    return datetime(2024, 5, day, tzinfo=UTC)
