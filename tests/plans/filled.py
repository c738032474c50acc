"""A database that is large enough for its plans to be those of real life."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import update

from projector.envelope import Envelope, Rejected
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.sealing.seal import seal
from projector.store import bulk
from projector.store.append import append
from projector.store.database import Database
from projector.store.tables import activity, erased_stream, erasure, feed_hour, quarantine
from tests.support import given
from tests.support.erasures import erase
from tests.support.given import RECEIVED_AT, Delivery
from tests.support.items import rejected

CUSTOMERS = 3_000

#: More events than are read of a customer without a cursor.
LONG = "cust_long"
LONG_EVENTS = 1_100

#: A customer who was erased.
ERASED = "cust_gone"

#: In between everything.
THEN = datetime(2024, 3, 1, 12, 4, tzinfo=UTC)

_APPENDED_AT_ONCE = 5_000


def fill(database: Database) -> None:
    """Thousands of rows in every table that grows with what comes in."""
    events = _events()
    for begin in range(0, len(events), _APPENDED_AT_ONCE):
        append(database, events[begin : begin + _APPENDED_AT_ONCE], received_at=RECEIVED_AT)
    catch_up(database, discover())
    append(database, events[:4_000], received_at=RECEIVED_AT)
    append(database, _broken(), received_at=RECEIVED_AT)
    _count_feeds(database)
    _read_activity(database)
    with database.writing() as connection:
        resolved = {"resolved_at": RECEIVED_AT, "resolved_position": quarantine.c.quarantine_id}
        connection.execute(
            update(quarantine).values(resolved).where(quarantine.c.quarantine_id < 3_000)
        )
    _erase(database)
    seal(database)
    if not database.is_sqlite:
        # In time Postgres does so by itself.
        with database.outside_of_transactions() as connection:
            connection.execute("VACUUM ANALYZE")


def _erase(database: Database) -> None:
    """A few customers; many digests, of customers without events; and many erasures of old."""
    gone = [f"cust_gone_{number}" for number in range(2_000)]
    few = [f"cust_{number}" for number in range(2_900, CUSTOMERS, 2)]
    erase(database, ERASED, *gone, *few, project_id="proj_0", rebuilds=False)
    with database.writing() as connection:
        of_old = ["proj_0", RECEIVED_AT, None, *[1] * 4, 1, RECEIVED_AT]
        bulk.insert_many(connection, erasure, [(number, *of_old) for number in range(2, 1_000)])
        streams = [(number, 1) for number in range(1_000_000, 1_002_000)]
        bulk.insert_many(connection, erased_stream, streams)


def _count_feeds(database: Database) -> None:
    """Half a year of deliveries by three senders, each of three types, every hour."""
    hours = (RECEIVED_AT - timedelta(hours=hour) for hour in range(24 * 180))
    types = ("customer.updated", "customer.segment.entered", "customer.segment.left")
    counted = [
        (hour, "proj_0", f"wh_{sender}", type_, "live", "appended", 1, 1, *[0] * 7, hour)
        for hour in hours
        for sender in range(3)
        for type_ in types
    ]
    with database.writing() as connection:
        bulk.insert_many(connection, feed_hour, counted)


def _read_activity(database: Database) -> None:
    """Every customer's activity was read, of all events and of some."""
    read = [
        (
            f"proj_{number % 2}",
            f"cust_{number}",
            scope,
            "done",
            *[None, RECEIVED_AT] * 2,
            1,
            1,
            None,
        )
        for number in range(CUSTOMERS)
        for scope in ("", "type=customer.updated")
    ]
    with database.writing() as connection:
        bulk.insert_many(connection, activity, read)


@cache
def _events() -> list[Envelope]:
    """In the order in which they happened, so that no customer's come together."""
    webhooks = [*_long_life(), *(each for number in range(CUSTOMERS) for each in _life(number))]
    webhooks.sort(key=lambda each: str(each["event"]["created_at"]))
    return [given.envelope(each) for each in (*webhooks, *_of_nobody())]


def _life(number: int) -> Iterator[Delivery]:
    """What happens to a customer, at any of a few minutes."""
    customer_id, project_id = f"cust_{number}", f"proj_{number % 2}"
    times = [f"2024-03-01T12:{minute:02}:{number % 60:02}Z" for minute in range(6)]

    def known(minute: int) -> dict[str, str]:
        return {"at": times[minute], "project_id": project_id}

    told = {"source_id": f"shop_{number}", "name": f"Ada {number}", "metadata": {"n": "n" * 200}}
    yield given.created(customer_id, **known(0), **told)
    # Some by another name, all on one day.
    name = "Another" if number % 100 == 0 else "Segment seg_1"
    yield given.entered(customer_id, given.segment("seg_1", name=name), **known(1))
    yield given.entered(customer_id, f"seg_{number % 50 + 2}", **known(2))
    yield given.joined(customer_id, f"ltr_{number % 3}", **known(3))
    if number % 3 == 0:
        yield given.left(customer_id, "seg_1", **known(4))
    if number % 4 == 0:
        yield given.tier_left(customer_id, f"ltr_{number % 3}", **known(4))
    if number % 2 == 0:
        # A dead letter of several projections.
        yield given.entered(customer_id, None, **known(5))
    if number % 16 == 0:
        # Of other projections.
        yield given.joined(customer_id, "ltr_1", None, **known(5))
    if number % 25 == 0:
        # Both projects have one.
        yield given.updated(customer_id, at=times[0], project_id=f"proj_{1 - number % 2}")


def _long_life() -> Iterator[Delivery]:
    for number in range(LONG_EVENTS):
        more: dict[str, Any] = {"at": f"2024-03-01T12:00:00.{number:06}Z", "project_id": "proj_0"}
        if number % 10:
            yield given.updated(LONG, name=f"Ada {number}", **more)
        else:
            happens = given.left if number % 20 else given.entered
            yield happens(LONG, "seg_long", **more)


def _of_nobody() -> Iterator[Delivery]:
    """Events that name no customer: some are dead letters."""
    for number in range(300):
        at = f"2024-03-01T12:00:00.{number:06}Z"
        yield given.delivery("voucher.created", None, at=at)
        yield given.delivery("customer.segment.left", None, at=at, segment=given.segment("seg_1"))


def _broken() -> list[Rejected | Envelope]:
    """Deliveries that cannot be read, and some that contradict an event."""
    broken = [rejected(b"%d" % number, reason=f"reason {number % 4}") for number in range(4_000)]
    others = (_other(number) for number in range(0, 2_000, 100))
    return [*broken, *(given.envelope(each) for each in others)]


def _other(number: int) -> Delivery:
    """The identity of an event, and other facts."""
    first = next(_life(number))
    customer = {"id": f"cust_{number}", "object": "customer", "name": "Eve"}
    return {**first, "data": {**first["data"], "customer": customer}}
