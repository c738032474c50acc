"""Looks up what was erased and must not come in again: customers, events, quarantined bodies.

The list grows or shrinks only in a transaction that adds a row to `erasure` and advances the head
of the log. So a writer that has the list as of the last erasure need not
read it again, and a plan that was made against the present head was made with the present list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any

from attrs import evolve, field, frozen
from sqlalchemy import Connection, Select, select

from projector.envelope import Envelope, Rejected
from projector.store.append_plan import (
    NONE_SUPPRESSED,
    CustomerIdentity,
    EventIdentity,
    SuppressedIds,
)
from projector.store.erasure import digests
from projector.store.erasure.records import LAST_ERASURE
from projector.store.predicates import array_parameter, in_array
from projector.store.tables import secret, suppressed

#: The most digests that are kept in memory, about 20 MB; of more those of a batch are looked up.
DIGESTS_MAX = 100_000

_KEY = select(secret.c.value).where(secret.c.name == digests.KEY_NAME).scalar_subquery()
_LAST_AND_KEY = select(LAST_ERASURE, _KEY)
_ALL = select(suppressed.c.digest).limit(DIGESTS_MAX + 1)


@frozen(kw_only=True)
class Suppression:
    """The list of what is suppressed, as of an erasure."""

    #: The last erasure; 0 if nothing was ever erased.
    erasure_id: int = 0
    #: The key of the digests; None if nothing was ever erased.
    _key: bytes | None = field(default=None, repr=False)
    #: All digests; None if they are too many to be kept: then they are looked up.
    _digests: AbstractSet[str] | None = field(default=frozenset(), repr=False)
    #: Where to look them up.
    _connection: Connection | None = field(default=None, repr=False)

    @property
    def is_kept(self) -> bool:
        """Whether all digests are in memory, so that this is of use without a connection."""
        return self._digests is not None

    def on(self, connection: Connection) -> Suppression:
        """Return the list as it is of use in another transaction."""
        return self if self.is_kept else evolve(self, connection=connection)

    def has_customer(self, project_id: str, customer_id: str) -> bool:
        """Return whether no event of a customer is let in."""
        return self._has(digests.of_customer, project_id, customer_id)

    def has_event(self, project_id: str, event_id: str) -> bool:
        """Return whether an event is not let in."""
        return self._has(digests.of_event, project_id, event_id)

    def has_body(self, quarantine_digest: str) -> bool:
        """Return whether a delivery with this digest is not let into the quarantine."""
        return self._has(digests.of_body, quarantine_digest)

    def among(self, items: Iterable[Envelope | Rejected]) -> SuppressedIds:
        """Return the customers and the events of a batch that are suppressed."""
        if self._key is None:
            return NONE_SUPPRESSED
        customers: set[CustomerIdentity] = set()
        events: set[EventIdentity] = set()
        for item in items:
            customer, event = item.identities()
            if customer is not None:
                customers.add(customer)
            if event is not None:
                events.add(event)
        by_customer = {digests.of_customer(self._key, *each): each for each in customers}
        by_event = {digests.of_event(self._key, *each): each for each in events}
        found = self._find([*by_customer, *by_event])
        return SuppressedIds(
            frozenset(by_customer[each] for each in found & by_customer.keys()),
            frozenset(by_event[each] for each in found & by_event.keys()),
        )

    def bodies_among(self, quarantine_digests: Iterable[str]) -> AbstractSet[str]:
        """Return the digests, of deliveries that would be quarantined, that are suppressed."""
        if self._key is None:
            return frozenset()
        by_body = {digests.of_body(self._key, each): each for each in quarantine_digests}
        return {by_body[each] for each in self._find(list(by_body))}

    def _has(self, digest: Any, *texts: str) -> bool:
        return self._key is not None and bool(self._find([digest(self._key, *texts)]))

    def _find(self, wanted: Collection[str]) -> AbstractSet[str]:
        if self._digests is not None:
            return self._digests & set(wanted)
        assert self._connection is not None  # noqa: S101
        parameters = {"digests": array_parameter(self._connection, list(wanted))}
        statement = _select_digests(self._connection.dialect.name)
        return set(self._connection.execute(statement, parameters).scalars())


#: Nothing was ever erased.
NOTHING = Suppression()


def read(connection: Connection) -> Suppression:
    """Return the list; with more than DIGESTS_MAX digests it is valid with the transaction only."""
    erasure_id, key = connection.execute(_LAST_AND_KEY).one()
    if key is None:
        return Suppression(erasure_id=erasure_id)
    key = bytes(key)
    kept = frozenset(connection.execute(_ALL).scalars())
    if len(kept) > DIGESTS_MAX:
        return Suppression(erasure_id=erasure_id, key=key, digests=None, connection=connection)
    return Suppression(erasure_id=erasure_id, key=key, digests=kept)


def renew(connection: Connection, known: Suppression, erasure_id: int) -> Suppression:
    """Return the list as of the last erasure, `erasure_id`: read it only if `known` is older."""
    if known.erasure_id != erasure_id:
        return read(connection)
    return known.on(connection)


@cache
def _select_digests(dialect: str) -> Select[Any]:
    return select(suppressed.c.digest).where(in_array(dialect, suppressed.c.digest, "digests"))
