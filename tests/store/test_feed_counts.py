"""Each delivery is counted in its feed, in its hour, by its lateness; other senders together."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic import command
from sqlalchemy import select

from projector.envelope import DeliveryDefaults, Envelope, Rejected
from projector.intake import sources
from projector.store import feed_senders, schema
from projector.store.append import Channel, append
from projector.store.database import Database
from projector.store.feed_counts import LATENESS
from projector.store.stream_cache import StreamCache
from projector.store.tables import feed_hour
from tests.support.given import entered
from tests.support.items import RECEIVED_AT, envelope, put, rejected
from tests.support.shapes import as_bytes

_HOUR = datetime(2025, 1, 1, 12, tzinfo=UTC)


def _rows(database: Database) -> list[dict[str, Any]]:
    statement = select(feed_hour).order_by(*feed_hour.primary_key)
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def _late(seconds: float) -> Envelope:
    moment = RECEIVED_AT - timedelta(seconds=seconds)
    return Envelope(
        project_id="proj_1",
        event_id=str(seconds),
        type="customer.updated",
        customer_id="cust_1",
        occurred_at=moment,
        source="minimal",
        body="{}",
    )


def test_each_delivery_is_counted_in_its_bucket(database: Database) -> None:
    """The bounds belong to the bucket below; a clock that is 10 s apart is not early."""
    seconds = [-11, -9, 0, 10, 11, 90, 3_600, 21_600, 86_400, 259_200, 259_201]
    put(database, *map(_late, seconds))
    (row,) = _rows(database)
    names = [name for name, _ in LATENESS]
    assert [row[name] for name in (*names, "early")] == [3, 2, 1, 1, 1, 1, 1, 1]
    assert (row["deliveries"], row["hour"], row["last_at"]) == (11, _HOUR, RECEIVED_AT)


def test_a_feed_is_told_by_project_sender_type_channel_and_outcome(database: Database) -> None:
    put(database, envelope("a", sender="distr_1"), envelope("b", type="customer.sang"))
    later = RECEIVED_AT + timedelta(minutes=1)
    again: list[Envelope | Rejected] = [
        envelope("a", sender="wh_1"),
        rejected(b"{", project_id="proj_2"),
        rejected(b"["),
    ]
    append(database, again, received_at=later, channel=Channel.FILE)
    append(database, again[:1], received_at=later + timedelta(hours=1), channel=Channel.FILE)
    names = ("project_id", "sender", "type", "channel", "outcome", "deliveries")
    assert [tuple(row[name] for name in names) for row in _rows(database)] == [
        ("", "", "", "file", "quarantined", 1),
        ("proj_1", "", "other", "live", "appended", 1),
        ("proj_1", "distr_1", "customer.updated", "live", "appended", 1),
        ("proj_1", "wh_1", "customer.updated", "file", "duplicate", 1),
        ("proj_2", "", "", "file", "quarantined", 1),
        ("proj_1", "wh_1", "customer.updated", "file", "duplicate", 1),
    ]


@pytest.mark.parametrize("shape", ["complete", "a source of another type", "no source"])
def test_the_sender_of_a_webhook_is_its_source(shape: str) -> None:
    webhook: Any = entered("cust_1", "seg_1", at="2024-03-04T10:00:00Z")
    if shape == "no source":
        webhook.pop("source", None)
    else:
        webhook["source"] = {"object": "distribution", "id": "distr_7"}
    if shape == "a source of another type":
        webhook["source"]["id"] = 7
    (item,) = sources.read(as_bytes(webhook), DeliveryDefaults())
    assert isinstance(item, Envelope)
    assert item.sender == ("distr_7" if shape == "complete" else "")


def test_senders_beyond_the_most_are_counted_together(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by another process; those that have a place keep it."""
    monkeypatch.setattr(feed_senders, "SENDERS_MAX", 3)
    for cache, numbers in ((StreamCache(), range(2)), (StreamCache(), range(6))):
        for number in numbers:
            sent = envelope(f"{id(cache)}.{number}", sender=f"distr_{number}")
            append(database, [sent], received_at=RECEIVED_AT, cache=cache)
    counted = {row["sender"]: row["deliveries"] for row in _rows(database)}
    assert counted == {"distr_0": 2, "distr_1": 2, "distr_2": 1, "other": 3}


def test_what_the_log_has_from_before_is_counted_once(database: Database) -> None:
    """The migration counts an older log, by project and type."""
    put(database, envelope("a"), envelope("b"), envelope("c", type="customer.sang"))
    put(database, envelope("a"), envelope("a"))
    with database.writing() as connection:
        command.downgrade(schema.alembic_config(connection), "0012")
    with database.creating(), database.writing() as connection:
        command.upgrade(schema.alembic_config(connection), "head")
    names = ("hour", "type", "channel", "outcome", "deliveries", "last_at")
    assert [tuple(row[name] for name in names) for row in _rows(database)] == [
        (_HOUR, "customer.updated", "earlier", "appended", 2, RECEIVED_AT),
        (_HOUR, "customer.updated", "earlier", "duplicate", 2, RECEIVED_AT),
        (_HOUR, "other", "earlier", "appended", 1, RECEIVED_AT),
    ]
    # Counting goes on in rows of its own.
    put(database, envelope("d"))
    assert sum(row["deliveries"] for row in _rows(database)) == 6


def test_batches_of_an_hour_add_up(database: Database) -> None:
    """Batches may commit in another order than they arrived in: the last arrival stays."""
    put(database, envelope("a"))
    earlier = RECEIVED_AT - timedelta(minutes=1)
    append(database, [envelope("b")], received_at=earlier)
    (row,) = _rows(database)
    assert (row["deliveries"], row["last_at"]) == (2, RECEIVED_AT)
