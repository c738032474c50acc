"""Finds customers by what a person knows: an id, the beginning of a name, or an address."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey, id_problem
from projector.errors import BadNumber
from projector.projections import customer
from projector.store import customers, search, table_rows
from projector.store.database import Database
from projector.store.predicates import is_storable_text
from projector.text.search_keys import search_key

#: The greatest number of customers that a search returns.
LIMIT_MAX = 20


class Match(StrEnum):
    """How a customer matches what is searched."""

    #: The customer id, the source id or the e-mail address is the text.
    EXACT = "exact"
    #: The source id, the e-mail address or the name begins with the text.
    BEGINNING = "beginning"
    #: A word within the name begins with the text.
    WORD = "word"


@frozen(kw_only=True)
class SearchResult:
    """A customer who was found."""

    project_id: str
    customer_id: str
    source_id: str | None
    name: str | None
    email: str | None
    #: When the customer was deleted; deleted ones are found, too.
    deleted_at: datetime | None
    #: None if no event of the customer could be folded.
    last_event_at: datetime | None
    match: Match


def search_customers(
    database: Database, text: str, *, project_id: str | None = None, limit: int = LIMIT_MAX
) -> list[SearchResult]:
    """Return customers by an id, or by the beginning of a source id, an e-mail address or a name.

    Exact ids and addresses come first, then beginnings; only if none is exact and these are fewer
    than `limit`, words within names. Case, accents and the width of white space do not count.
    Raises BadNumber for a `limit` out of range.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise BadNumber(name="The limit", value=limit, range=f"1 to {LIMIT_MAX}")
    text = text.strip()
    if not text or not is_storable_text(text) or not is_storable_text(project_id):
        return []
    with database.reading_tables() as connection:
        matches: dict[CustomerKey, Match] = {}
        for key, match in _matches(connection, text, project_id, limit):
            matches.setdefault(key, match)
            if len(matches) == limit:
                break
        rows = table_rows.load(connection, customer.PROJECTION, matches)
        return [
            _result(key, match, next(iter(rows.get(key, ())), None))
            for key, match in matches.items()
        ]


def _matches(
    connection: Connection, text: str, project_id: str | None, limit: int
) -> Iterator[tuple[CustomerKey, Match]]:
    """Yield customers, the best matches first, some of them repeatedly.

    The caller stops when it has enough, so that the last searches are often never made.
    """
    only: Any = {"project_id": project_id, "limit": limit}
    key = search_key(text)
    exact = list(_exact(connection, text, key, **only))
    for each in exact:
        yield each, Match.EXACT
    for source_id in _cases(text):
        for each in search.by_beginning(connection, "source_id", source_id, **only):
            yield each, Match.BEGINNING
    if not key:
        return
    for column in ("search_name", "search_email"):
        for each in search.by_beginning(connection, column, key, **only):
            yield each, Match.BEGINNING
    # Whoever typed an id or an address does not mean a word within a name.
    if not exact and "@" not in key:
        for each in search.by_word(connection, key, **only):
            yield each, Match.WORD


def _exact(
    connection: Connection, text: str, key: str | None, *, project_id: str | None, limit: int
) -> Iterator[CustomerKey]:
    """Yield the customers with an id or an e-mail address."""
    if id_problem(text) is None:
        for each in customers.by_customer_id(connection, text):
            if project_id in (None, each.project_id):
                yield each
        for source_id in _cases(text):
            yield from search.by_value(
                connection, "source_id", source_id, project_id=project_id, limit=limit
            )
    if key:
        yield from search.by_value(
            connection, "search_email", key, project_id=project_id, limit=limit
        )


def _cases(source_id: str) -> list[str]:
    """Return an id as it was typed, in capitals and in small letters: its own case is one of them.

    It is looked up in the index of the ids as they are, where no case is left out.
    """
    return list(dict.fromkeys((source_id, source_id.upper(), source_id.lower())))


def _result(key: CustomerKey, match: Match, row: customer.Row | None) -> SearchResult:
    return SearchResult(
        project_id=key.project_id,
        customer_id=key.customer_id,
        source_id=None if row is None else row.source_id,
        name=None if row is None else row.name,
        email=None if row is None else row.email,
        deleted_at=None if row is None else row.deleted_at,
        last_event_at=None if row is None else row.last_event_at,
        match=match,
    )
