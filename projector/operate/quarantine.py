"""The quarantine for operators: list its entries, show one."""

from __future__ import annotations

import base64

from attrs import asdict, frozen

from projector.envelope import DeliveryDefaults, id_problem
from projector.errors import BadIdentifier, QuarantineEntryNotFound
from projector.store import quarantine
from projector.store.database import Database
from projector.store.quarantine import QuarantineEntry
from projector.text import paging


@frozen(kw_only=True)
class QuarantinePage:
    """A page of entries, in the order of their arrival."""

    quarantine: tuple[QuarantineEntry, ...]
    #: The total number of waiting entries, by reason.
    counts: dict[str, int]
    #: The cursor to give as `after` for the next page; None on the last page.
    next: str | None


@frozen(kw_only=True)
class QuarantineEntryDetail(QuarantineEntry):
    """An entry with its body, and with the defaults that its sender or caller gave."""

    defaults: DeliveryDefaults
    #: The body as text; None if it is not UTF-8.
    body: str | None
    #: The body in base64 if it is not UTF-8, else None.
    body_base64: str | None


def list_quarantine(
    database: Database,
    *,
    reason: str | None = None,
    resolved: bool = False,
    after: str | None = None,
    limit: int,
) -> QuarantinePage:
    """Return a page of the waiting entries, or of all entries with `resolved`.

    Raises BadCursor, BadNumber, or BadIdentifier for a reason that cannot be stored.
    """
    paging.check_limit(limit)
    check_reason(reason)
    [last] = paging.from_cursor(after, tuple[paging.Number]) or (0,)
    with database.reading() as connection:
        found = quarantine.page(
            connection, reason=reason, resolved=resolved, after=last, limit=limit + 1
        )
        counts = quarantine.counts(connection)
    entries = found[:limit]
    has_more = len(found) > limit
    return QuarantinePage(
        quarantine=tuple(entries),
        counts=counts,
        next=paging.to_cursor([entries[-1].quarantine_id]) if has_more else None,
    )


def show_entry(database: Database, quarantine_id: int) -> QuarantineEntryDetail:
    """Return an entry with its body; raises QuarantineEntryNotFound."""
    with database.reading() as connection:
        found = quarantine.find(connection, [quarantine_id])
        if not found:
            raise QuarantineEntryNotFound(quarantine_id=quarantine_id)
        [(body, defaults)] = quarantine.bodies(connection, [quarantine_id]).values()
    try:
        text, encoded = body.decode(), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(body).decode()
    fields = asdict(found[0], recurse=False)
    return QuarantineEntryDetail(**fields, defaults=defaults, body=text, body_base64=encoded)


def check_reason(reason: str | None) -> None:
    """Check a reason that is a filter; raises BadIdentifier."""
    problem = None if reason is None else id_problem(reason)
    if problem:
        # Such a text cannot be a parameter of a SQL statement.
        raise BadIdentifier(name="the reason", text=reason, reason=problem)
