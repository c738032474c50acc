"""The nine laws of the program, each as a check of a database that something has happened to.

`hold_now` is for any moment: right after a fault, and before anybody has run anything. `hold_whole`
is for when everything that was sent has been taken in, folded, and rebuilt.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from attrs import frozen
from sqlalchemy import Connection, func, select

from projector.envelope import DeliveryDefaults
from projector.facts.events import FACTS
from projector.intake import sources
from projector.projections import discover
from projector.queries.export import export_customers
from projector.runner.runner import catch_up
from projector.store import checkpoints, log
from projector.store.append import append
from projector.store.database import Database
from projector.store.tables import (
    dead_letter,
    duplicate,
    event,
    feed_hour,
    log_head,
    quarantine,
    stream,
)
from replay import verify
from tests.concurrency.rebuilds import left
from tests.faults.sent import Acknowledged, Sent
from tests.support.databases import (
    Contents,
    dead_letters,
    migrated,
    positions,
    projection_tables,
    rows,
)
from tests.support.given import RECEIVED_AT
from tests.support.logs import schema_of
from tests.support.oracle import Truth, truth

__all__ = ["Acknowledged", "Reference", "Sent", "hold_now", "hold_whole", "same_schema"]

_REWRITES = [
    "UPDATE event SET body = 'no' WHERE position = 1",
    "DELETE FROM event WHERE position = 1",
]
_REWRITES_SQLITE = [*_REWRITES, "INSERT OR REPLACE INTO event SELECT * FROM event LIMIT 1"]
_REWRITES_POSTGRES = [*_REWRITES, "TRUNCATE event"]


@frozen
class Reference:
    """What an undisturbed database makes of the same events, in another order and other batches."""

    rows: Contents
    dead_letters: list[tuple[str, str, str]]
    schema: dict[bool, set[str]]

    @classmethod
    def of(cls, sent: Sent, database: Database) -> "Reference":
        """Fill an empty database with it."""
        chance = Random(1)
        # The first of an identity stands: those that contradict it come later, wherever.
        order = [*sent.first.values(), *sent.repeated, *sent.unreadable]
        chance.shuffle(order)
        order += chance.sample(sent.conflicting, len(sent.conflicting))
        while order:
            size = chance.randint(1, 200)
            items = [
                item for line in order[:size] for item in sources.read(line, DeliveryDefaults())
            ]
            append(database, items, received_at=RECEIVED_AT)
            order = order[size:]
            if chance.random() < 0.5:
                catch_up(database, discover(), batch_events_max=chance.randint(1, 150))
        catch_up(database, discover())
        found = cls(rows(database), dead_letters(database), {})
        assert Truth(found.rows, found.dead_letters) == truth(discover(), sent.envelopes)
        return found


def hold_now(database: Database, sent: Sent, acknowledged: Sequence[Acknowledged]) -> None:
    """The laws that hold at any moment, however far the program has come."""
    _tables_are_what_the_log_says(database)
    positions_are_dense(database)
    _what_was_acknowledged_is_there(database, acknowledged)
    the_log_refuses_rewriting(database)
    _nothing_came_that_was_not_sent(database, sent)
    _checkpoints_are_within_the_log(database)
    _answers_tell_what_is_missing(database)
    feeds_count_every_delivery(database)
    file_is_sound(database)


def hold_whole(
    database: Database, sent: Sent, acknowledged: Sequence[Acknowledged], reference: Reference
) -> None:
    """All laws, once all that was sent has been taken in, folded, and rebuilt."""
    hold_now(database, sent, acknowledged)
    # 1 and 2.
    assert rows(database) == reference.rows
    assert dead_letters(database) == reference.dead_letters
    _every_delivery_ended_as_one_thing(database, sent)
    _every_event_was_folded_once(database)
    # 9.
    assert left(database) == []
    if database.is_sqlite:
        path = Path(str(database.url.database))
        beside = {each.name for each in path.parent.glob(f"{path.name}*")}
        assert beside <= {path.name, f"{path.name}-wal", f"{path.name}-shm"}


def same_schema(database: Database, fresh: Database) -> None:
    """Tables, indexes, constraints and triggers are those that the migrations make."""
    assert schema_of(database) == schema_of(fresh)


def _tables_are_what_the_log_says(database: Database) -> None:
    """2, and the half of 7 that is in rows: up to its checkpoint a table holds the fold."""
    found = verify(database, discover())
    assert found.is_right, found


def positions_are_dense(database: Database) -> None:
    """3."""
    with database.reading() as connection:
        found = connection.execute(select(event.c.position).order_by(event.c.position)).scalars()
        assert [*found] == [*range(1, log.head(connection) + 1)]
        ids = connection.execute(select(stream.c.stream_id).order_by(stream.c.stream_id)).scalars()
        last = connection.execute(select(log_head.c.stream_id)).scalar_one()
        assert [*ids] == [*range(1, last + 1)]


def _what_was_acknowledged_is_there(
    database: Database, acknowledged: Sequence[Acknowledged]
) -> None:
    """4."""
    with database.reading() as connection:
        bodies = _bodies(connection)
        aside = _aside(connection)
        statement = select(duplicate.c.position, duplicate.c.count)
        counts = {row[0]: row[1] for row in connection.execute(statement)}
    repeated: Counter[int] = Counter()
    for each in acknowledged:
        if each.outcome == "appended":
            assert each.position is not None
            assert bodies.get(each.position) == each.body, each
        elif each.outcome == "duplicate":
            assert each.position in bodies, each
            repeated[each.position] += 1
        else:
            assert each.body.encode() in aside, each
    for position, count in repeated.items():
        assert counts.get(position, 0) >= count, (position, count)


def the_log_refuses_rewriting(database: Database) -> None:
    """5."""
    attacks = _REWRITES_SQLITE if database.is_sqlite else _REWRITES_POSTGRES
    refusal = sqlite3.IntegrityError if database.is_sqlite else psycopg.errors.RaiseException
    for attack in attacks:
        with _by_anybody(database) as connection, pytest.raises(refusal, match="append-only"):
            connection.execute(attack)


@contextmanager
def _by_anybody(database: Database) -> Iterator[Any]:
    """A plain connection of the driver's."""
    if database.is_sqlite:
        connection: Any = sqlite3.connect(str(database.url.database))
    else:
        url = database.url.set(drivername="postgresql")
        connection = psycopg.connect(url.render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        connection.rollback()
        connection.close()


def _nothing_came_that_was_not_sent(database: Database, sent: Sent) -> None:
    """The half of 6 that holds on the way: what is there was sent, and is in one place."""
    with database.reading() as connection:
        logged = _identified(connection)
        aside = _aside(connection)
    assert logged.items() <= {key: line.decode() for key, line in sent.first.items()}.items()
    assert set(aside) <= {*sent.conflicting, *sent.unreadable}
    assert not {each.encode() for each in logged.values()} & set(aside)


def _every_delivery_ended_as_one_thing(database: Database, sent: Sent) -> None:
    """6."""
    with database.reading() as connection:
        logged = _identified(connection)
        aside = _aside(connection)
        repeated = connection.execute(select(func.count()).select_from(duplicate)).scalar_one()
    assert logged == {key: line.decode() for key, line in sent.first.items()}
    assert aside == dict.fromkeys({*sent.conflicting, *sent.unreadable}, 1)
    identities = {
        (told["project_id"], told["event"]["id"]) for told in map(json.loads, sent.repeated)
    }
    assert repeated >= len(identities)


def _checkpoints_are_within_the_log(database: Database) -> None:
    """7."""
    with database.reading() as connection:
        head = log.head(connection)
    assert all(position <= head for position in positions(database).values())


def _every_event_was_folded_once(database: Database) -> None:
    """7: all checkpoints are at the head, and customers have as many events as the log says."""
    with database.reading() as connection:
        marks = checkpoints.read(connection, discover())
        assert {mark.position for mark in marks.values()} == {log.head(connection)}
        refused = select(dead_letter.c.position).where(dead_letter.c.projection == "customer")
        statement = (
            select(stream.c.project_id, stream.c.customer_id, func.count())
            .join(event, event.c.stream_id == stream.c.stream_id)
            .where(event.c.type.in_(FACTS), event.c.position.not_in(refused))
            .group_by(stream.c.project_id, stream.c.customer_id)
        )
        table = projection_tables["customer"]
        counted = select(table.c.project_id, table.c.customer_id, table.c.event_count)
        assert sorted(map(tuple, connection.execute(counted))) == sorted(
            map(tuple, connection.execute(statement))
        )


def _answers_tell_what_is_missing(database: Database) -> None:
    """8: who has a dead letter is incomplete, and nobody else."""
    with database.reading() as connection:
        statement = select(stream.c.customer_id).join(
            dead_letter, dead_letter.c.stream_id == stream.c.stream_id
        )
        live = statement.where(dead_letter.c.projection.in_([*projection_tables]))
        unsure = set(connection.execute(live).scalars())
    told = {answer.customer_id: answer.complete for answer in export_customers(database)}
    assert {name for name, complete in told.items() if not complete} == unsure & set(told)


def feeds_count_every_delivery(database: Database) -> None:
    """6, in numbers: the feeds count what is in the log, repeated, and put aside."""
    with database.reading() as connection:
        by_outcome = select(feed_hour.c.outcome, func.sum(feed_hour.c.deliveries))
        counted = {
            row[0]: int(row[1]) for row in connection.execute(by_outcome.group_by("outcome"))
        }
        repeated = connection.execute(select(func.sum(duplicate.c.count))).scalar_one() or 0
        aside = connection.execute(select(func.count()).select_from(quarantine)).scalar_one()
        assert counted.get("appended", 0) == log.head(connection)
    assert counted.get("duplicate", 0) == int(repeated)
    # The same delivery twice is put aside once.
    assert counted.get("conflict", 0) + counted.get("quarantined", 0) >= aside


def file_is_sound(database: Database) -> None:
    if database.is_sqlite:
        with database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]


def _identified(connection: Connection) -> dict[tuple[str, str], str]:
    found = connection.execute(select(event.c.project_id, event.c.event_id, event.c.body))
    return {(row[0], row[1]): row[2] for row in found}


def _bodies(connection: Connection) -> dict[int, str]:
    return {row[0]: row[1] for row in connection.execute(select(event.c.position, event.c.body))}


def _aside(connection: Connection) -> Counter[bytes]:
    return Counter(connection.execute(select(quarantine.c.body)).scalars())


def undisturbed(sent: Sent, folder: Path) -> Reference:
    """The reference, made in a SQLite database of its own."""
    with migrated(f"sqlite:///{folder / 'undisturbed.db'}") as database:
        return Reference.of(sent, database)
