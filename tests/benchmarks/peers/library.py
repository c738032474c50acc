"""The library eventsourcing, used as its documentation shows.

An aggregate a customer, an event a delivery with its body, and a projection into a view of its own.
"""

import json
from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import StoredEvent, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection
from eventsourcing.sqlite import SQLiteTrackingRecorder
from eventsourcing.utils import get_topic
from psycopg.sql import SQL
from sqlalchemy import make_url

from tests.benchmarks.peers.change import Change, change_of, upserts
from tests.benchmarks.peers.state import TABLES


class Customer(Aggregate):
    """A customer, whose events are the deliveries."""

    class Registered(Aggregate.Created):
        """The first event of any aggregate."""

        customer_id: str

    class Delivered(Aggregate.Event):
        """A delivery, as it came."""

        body: str

    def __init__(self, customer_id: str) -> None:
        self.customer_id = customer_id

    @staticmethod
    def create_id(customer_id: str) -> UUID:
        return uuid5(NAMESPACE_URL, f"/customers/{customer_id}")

    @classmethod
    def register(cls, customer_id: str) -> "Customer":
        made: Customer = cls._create(
            cls.Registered, id=cls.create_id(customer_id), customer_id=customer_id
        )
        return made

    def deliver(self, body: str) -> None:
        self.trigger_event(self.Delivered, body=body)


class Loyalty(Application[UUID]):
    """The application: it keeps the aggregates that it has seen in memory."""

    def __init__(self, env: dict[str, str]) -> None:
        super().__init__(env)
        self._customers: dict[str, Customer] = {}

    def receive(self, bodies: Iterable[bytes]) -> None:
        """Store deliveries in one transaction."""
        touched: dict[str, Customer] = {}
        for body in bodies:
            customer_id = customer_of(body)
            if customer_id not in self._customers:
                self._customers[customer_id] = Customer.register(customer_id)
            customer = touched[customer_id] = self._customers[customer_id]
            customer.deliver(body.decode())
        self.save(*touched.values())


class BareRecorder:
    """What the application is made upon: rows into its table, the bodies as they are."""

    def __init__(self, application: Loyalty) -> None:
        self._recorder = application.recorder
        self._topic = get_topic(Customer.Delivered)
        self._ids: dict[str, UUID] = {}
        self._versions: dict[str, int] = {}

    def receive(self, bodies: Iterable[bytes]) -> None:
        """Store deliveries in one transaction."""
        self._recorder.insert_events([self._stored(body) for body in bodies])

    def _stored(self, body: bytes) -> StoredEvent:
        customer_id = customer_of(body)
        if customer_id not in self._ids:
            self._ids[customer_id] = Customer.create_id(customer_id)
        version = self._versions[customer_id] = self._versions.get(customer_id, 0) + 1
        return StoredEvent(self._ids[customer_id], version, self._topic, body)


class SqliteView(SQLiteTrackingRecorder):
    """The view on SQLite: a row and how far it reaches in one transaction."""

    _upserts = upserts("?")

    def construct_create_table_statements(self) -> list[str]:
        return [
            *super().construct_create_table_statements(),
            *(each.format(instant="text") for each in TABLES),
        ]

    def change(self, change: Change, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self._upserts[change.what], change.values)


class PostgresView(PostgresTrackingRecorder):
    """The view on Postgres."""

    _upserts = upserts("%s")

    def __init__(self, datastore: Any, **options: Any) -> None:
        super().__init__(datastore, **options)
        for each in TABLES:
            self.sql_create_statements.append(SQL(each.format(instant="timestamptz")).format())

    def change(self, change: Change, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self._upserts[change.what], change.values, prepare=True)


class CurrentState(Projection[Any]):
    """Who is in which segment and on which tier."""

    topics = (get_topic(Customer.Delivered),)

    @singledispatchmethod
    def process_event(self, _event: Any, tracking: Tracking) -> None:
        self.view.insert_tracking(tracking)

    @process_event.register
    def delivered(self, event: Customer.Delivered, tracking: Tracking) -> None:
        change = change_of(event.body)
        if change is None:
            self.view.insert_tracking(tracking)
        else:
            self.view.change(change, tracking)


def customer_of(body: bytes) -> str:
    """Whose delivery it is."""
    customer_id: str = json.loads(body)["event"]["entity_id"]
    return customer_id


def environment(url: str) -> dict[str, str]:
    """The settings: its defaults, and where the database is."""
    if url.startswith("sqlite"):
        return {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": url.removeprefix("sqlite:///"),
        }
    given = make_url(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(given.database),
        "POSTGRES_HOST": str(given.host),
        "POSTGRES_PORT": str(given.port or 5432),
        "POSTGRES_USER": str(given.username),
        "POSTGRES_PASSWORD": given.password or "none is asked for",
    }
