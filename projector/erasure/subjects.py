"""Finds out whose events an erasure is about, and by which texts they are found elsewhere."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence

from attrs import field, frozen
from sqlalchemy import Connection

from projector.envelope import ERASED_SOURCE, OWN_SOURCE, RESERVED_PREFIX, CustomerKey, id_problem
from projector.erasure.needles import Identifiers, Needles
from projector.errors import PositionNotErasable, PositionUnknown, ProjectsDiffer
from projector.queries.customers import find_keys, require_one
from projector.store import log_head
from projector.store.erasure import digest_list, digests, keys, records, subjects

#: The number of streams that are read by one statement.
STREAMS_MAX = 100


@frozen(kw_only=True)
class ErasureOrder:
    """Who and what is to be erased, and how."""

    #: Customers, by Voucherify's ids, or with `by_source_id` by the shop's own.
    identifiers: Sequence[str] = ()
    project_id: str | None = None
    by_source_id: bool = False
    #: Events without a customer.
    positions: Sequence[int] = ()
    #: The operator's own, such as the number of a ticket.
    reference: str | None = None
    #: More texts that name the person, such as a name.
    also: Sequence[str] = ()
    #: Entries of the quarantine, and digests that are kept out, whatever is found.
    quarantine_ids: Sequence[int] = ()
    digests: Sequence[str] = ()
    #: Whether it is an erasure even of nobody, because digests are to be kept.
    is_of_list: bool = False


@frozen(kw_only=True)
class Chosen:
    """Who is to be erased, of one project."""

    project_id: str | None
    customers: tuple[CustomerKey, ...]
    #: The last erasure in which one of the others was erased already.
    already: int | None


@frozen(kw_only=True)
class Subjects:
    """What an erasure is about."""

    project_id: str
    #: The customers by stream.
    streams: Mapping[int, str]
    #: The positions of all events, ascending.
    positions: array[int]
    identifiers: Identifiers = field(factory=Identifiers, repr=False)
    needles: Needles = field(factory=lambda: Needles(()), repr=False)


def choose(connection: Connection, order: ErasureOrder) -> Chosen:
    """Find the customers and the project of an order.

    Raises CustomerNotFound, CustomerAmbiguous, ProjectsDiffer, PositionUnknown or
    PositionNotErasable. A customer who was erased already is none of these.
    """
    found: list[CustomerKey] = []
    erased: list[int] = []
    for each in dict.fromkeys(order.identifiers):
        known = _keys_of(connection, each, order)
        before = [] if known else _erasures_of(connection, each, order)
        if before:
            erased += before
        else:
            found.append(require_one(known, each, order.project_id))
    projects = {each.project_id for each in found}
    projects |= _projects_of(connection, order.positions)
    if order.project_id is not None and (projects or order.is_of_list):
        # Events without a customer are chosen by their positions alone.
        projects.add(order.project_id)
    if len(projects) > 1:
        raise ProjectsDiffer(projects=", ".join(sorted(projects)))
    return Chosen(
        project_id=next(iter(projects), None),
        customers=tuple(dict.fromkeys(found)),
        already=max(erased, default=None),
    )


def find(connection: Connection, order: ErasureOrder, chosen: Chosen) -> Subjects:
    """Read the events of customers, and the texts that name them."""
    project_id = chosen.project_id or ""
    ids = [each.customer_id for each in chosen.customers]
    streams: dict[int, str] = {}
    at = array("q", set(order.positions))
    identifiers = Identifiers()
    for begin in range(0, len(ids), STREAMS_MAX):
        some = subjects.streams(connection, project_id, ids[begin : begin + STREAMS_MAX])
        at.extend(subjects.positions(connection, [*some]))
        for stream_id, body in subjects.bodies(connection, [*some]):
            identifiers.add_from(body, some[stream_id])
        streams |= some
    return Subjects(
        project_id=project_id,
        streams=streams,
        positions=array("q", sorted(at)),
        identifiers=identifiers,
        needles=Needles.of(streams.values(), identifiers, order.also),
    )


def _keys_of(connection: Connection, identifier: str, order: ErasureOrder) -> list[CustomerKey]:
    found = find_keys(connection, identifier, order.project_id, order.by_source_id)
    # The customer of a stream that was erased is no customer.
    return [each for each in found if not each.customer_id.startswith(RESERVED_PREFIX)]


def _erasures_of(connection: Connection, identifier: str, order: ErasureOrder) -> list[int]:
    """Return the erasures in which customers with an id were erased."""
    key = keys.read(connection)
    if key is None or order.by_source_id or id_problem(identifier):
        return []
    projects = [order.project_id] if order.project_id is not None else records.projects(connection)
    sought = [digests.of_customer(key, each, identifier) for each in projects]
    return [*digest_list.find(connection, sought).values()]


def _projects_of(connection: Connection, positions: Iterable[int]) -> set[str]:
    """Return the projects of events without a customer."""
    positions = list(positions)
    places = subjects.places(connection, positions)
    for each in positions:
        place = places.get(each)
        if place is None:
            raise PositionUnknown(position=each, head=log_head.read(connection).position)
        reason = None
        if place.source == ERASED_SOURCE:
            reason = "it is erased"
        elif place.source == OWN_SOURCE:
            reason = "it tells of an erasure"
        elif place.stream_id is not None:
            reason = "it is of a customer"
        if reason is not None:
            raise PositionNotErasable(position=each, reason=reason)
    return {each.project_id for each in places.values()}
