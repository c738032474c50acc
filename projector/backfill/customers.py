"""Chooses the customers of a backfill, chunk by chunk: any number of them, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from projector.backfill.id_files import IdFile
from projector.backfill.log_customers import CHUNK_CUSTOMERS, in_doubt, in_log
from projector.backfill.options import (
    CustomerChoice,
    CustomersInFile,
    KnownCustomers,
    ListedCustomers,
    NamedCustomers,
    Scope,
    SuspiciousCustomers,
)
from projector.errors import VoucherifyUnexpected
from projector.store import activity, suspects
from projector.store.database import Database
from projector.voucherify import listing
from projector.voucherify.client import Client
from projector.voucherify.listing import (
    CustomerList,
    CustomerPage,
    ListedCustomer,
    read_customer_page,
)
from projector.voucherify.pages import PageUnreadable

#: The beginning of Voucherify's ids of customers; any other id may be the shop's own.
_ID_PREFIX = "cust_"


class Target(NamedTuple):
    """A customer whose activity is to be read."""

    identifier: str
    #: Whether the identifier may be the shop's own, so that the API must be asked for its own.
    may_be_source_id: bool = False


class Chunk(NamedTuple):
    """Some customers to read, and the number of those beside them who are fresh."""

    targets: list[Target]
    fresh: int


class Tally(NamedTuple):
    """Numbers of customers: to read, of these by the shop's own id, and fresh ones."""

    customers: int
    by_source_id: int
    fresh: int


class CustomerListing:
    """The list of customers of the API, of which the first page may be read in advance."""

    def __init__(self, client: Client, segment_id: str | None) -> None:
        self._client = client
        self._list = CustomerList(segment_id=segment_id)
        self._first: CustomerPage | None = None

    def total(self) -> int | None:
        """Return how many customers the API lists, if it says so."""
        if self._first is None:
            self._first = self._request()
        return self._first.total

    def chunks(self) -> Iterator[list[str]]:
        """Yield the ids of all customers."""
        for customers in self.pages():
            yield [each.customer_id for each in customers]

    def pages(self) -> Iterator[list[ListedCustomer]]:
        """Yield all customers, each once or, if the list changes meanwhile, seldom twice."""
        while not self._list.is_done:
            page, self._first = self._first or self._request(), None
            new = set(self._list.follow(page))
            yield [each for each in page.customers if each.customer_id in new]

    def _request(self) -> CustomerPage:
        answer = self._client.get(listing.PATH, self._list.query())
        try:
            return read_customer_page(answer.body)
        except PageUnreadable as error:
            raise VoucherifyUnexpected(host=self._client.host, reason=error) from None


class CustomerSelection:
    """The customers of a backfill; close it."""

    def __init__(
        self,
        database: Database,
        project_id: str,
        choice: CustomerChoice,
        *,
        scopes: Sequence[Scope],
        fresh_since: datetime | None,
        client: Callable[[], Client],
    ) -> None:
        self._database = database
        self._project_id = project_id
        self._scopes = scopes
        # Who is named is meant.
        self._fresh_since = None if isinstance(choice, NamedCustomers) else fresh_since
        self._choice = choice
        self._file = IdFile(choice.path) if isinstance(choice, CustomersInFile) else None
        self._listing: CustomerListing | None = None
        self._client = client

    def close(self) -> None:
        """Delete temporary files."""
        if self._file is not None:
            self._file.close()

    def count(self) -> Tally | None:
        """Count the customers; None if only the API knows them."""
        if isinstance(self._choice, ListedCustomers):
            return None
        customers = by_source_id = fresh = 0
        for chunk in self.chunks():
            customers += len(chunk.targets)
            by_source_id += sum(each.may_be_source_id for each in chunk.targets)
            fresh += chunk.fresh
        return Tally(customers, by_source_id, fresh)

    def ask_total(self) -> int | None:
        """Return how many customers the API lists, by a request; None if it does not say so."""
        return self._listed().total()

    def chunks(self) -> Iterator[Chunk]:
        """Yield the customers, each chunk as it is found."""
        for identifiers in self._identifiers():
            with self._database.reading() as connection:
                unique = list(dict.fromkeys(identifiers))
                known = suspects.known_among(connection, self._project_id, unique)
                fresh = self._fresh(unique)
            targets = [
                Target(each, not (each in known or each.startswith(_ID_PREFIX)))
                for each in unique
                if each not in fresh
            ]
            yield Chunk(targets, len(fresh))

    def _listed(self) -> CustomerListing:
        segment_id = self._choice.segment_id if isinstance(self._choice, ListedCustomers) else None
        if self._listing is None:
            self._listing = CustomerListing(self._client(), segment_id)
        return self._listing

    def is_fresh(self, customer_id: str) -> bool:
        """Return whether a customer was read lately."""
        return bool(self._fresh([customer_id]))

    def _fresh(self, customer_ids: Sequence[str]) -> set[str]:
        """Return those customers of whom every scope was read lately."""
        found = set(customer_ids if self._fresh_since is not None else ())
        with self._database.reading() as connection:
            for scope in self._scopes:
                if found and self._fresh_since is not None:
                    found &= activity.read_at_since(
                        connection,
                        self._project_id,
                        list(found),
                        scope=scope.text,
                        since=self._fresh_since,
                    )
        return found

    def _identifiers(self) -> Iterator[Sequence[str]]:
        match self._choice:
            case NamedCustomers(identifiers):
                yield from _pieces(iter(identifiers))
            case CustomersInFile() if self._file is not None:
                yield from _pieces(self._file.read())
            case ListedCustomers():
                yield from self._listed().chunks()
            case KnownCustomers():
                yield from in_log(self._database, self._project_id)
            case SuspiciousCustomers():
                yield from in_doubt(self._database, self._project_id)


def _pieces(identifiers: Iterator[str]) -> Iterator[list[str]]:
    piece: list[str] = []
    for each in identifiers:
        piece.append(each)
        if len(piece) == CHUNK_CUSTOMERS:
            yield piece
            piece = []
    if piece:
        yield piece
