"""The `quarantine` command: list, show and retry deliveries that could not be appended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Flag, Json, Url, Whole, catch_up, delivery_defaults
from projector.errors import NotOne
from projector.operate.quarantine_retry import QuarantineRetryReport
from projector.store.quarantine import QuarantineEntry

quarantine = App(
    name="quarantine", help="List, show and retry deliveries that could not be appended."
)

EntryId = Annotated[Whole, Parameter(name="ID")]


@quarantine.default
@quarantine.command(name="list")
def list_quarantine(
    *,
    url: Url,
    reason: str | None = None,
    resolved: Flag = False,
    limit: Whole = 100,
    after: str | None = None,
    json: Json = False,
) -> None:
    """List the waiting entries of the quarantine, with a count per reason.

    Parameters
    ----------
    reason
        Only entries with this reason.
    resolved
        Include entries that a retry has resolved.
    limit
        The maximum number of entries on a page.
    after
        The cursor at the end of the previous page.
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        page = projector.quarantine(reason=reason, resolved=resolved, after=after, limit=limit)
    if json:
        output.document(page)
        return
    if page.counts:
        output.table("Waiting", ("reason", "deliveries"), list(page.counts.items()))
    else:
        output.line("No entries are waiting in the quarantine.")
    if page.quarantine:
        _entries(page.quarantine)
        output.line("Run `projector quarantine show ID` to see one with its body.")
    output.next_page(page.next)


def _entries(found: Sequence[QuarantineEntry]) -> None:
    columns: dict[str, list[Any]] = {
        "id": [each.quarantine_id for each in found],
        "reason": [each.reason for each in found],
        "received": [each.received_at for each in found],
        "event": [each.event_id for each in found],
        "resolved by": [each.resolved_position for each in found],
        "detail": [each.detail for each in found],
    }
    # Leave out the columns without any value: the sentences of `detail` need the width.
    known = {name: values for name, values in columns.items() if {*values} != {None}}
    output.table("Entries", list(known), list(zip(*known.values(), strict=True)))


@quarantine.command(name="show")
def show_quarantine(identifier: EntryId, /, *, url: Url, json: Json = False) -> None:
    """Show one entry, with its body as it was received.

    Parameters
    ----------
    identifier
        The id of the entry.
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        found = projector.quarantine_entry(identifier)
    if json:
        output.document(found)
        return
    output.fields(
        {
            "entry": found.quarantine_id,
            "reason": found.reason,
            "detail": found.detail,
            "received": found.received_at,
            "project": found.project_id or found.defaults.project_id,
            "event": found.event_id,
            "default type": found.defaults.type,
            "default time": found.defaults.occurred_at,
            "default customer": found.defaults.customer_id,
            "resolved": found.resolved_at,
            "resolved by position": found.resolved_position,
        }
    )
    output.line("body:" if found.body is not None else "body, which is not UTF-8, in base64:")
    output.line(found.body if found.body is not None else str(found.body_base64))


@quarantine.command(name="retry")
def retry_quarantine(
    *ids: EntryId,
    url: Url,
    all: Flag = False,
    reason: str | None = None,
    project: str | None = None,
    type: str | None = None,
    occurred_at: str | None = None,
    customer: str | None = None,
    json: Json = False,
) -> None:
    """Read entries again: events that can be read now are appended, and are in the tables then.

    Parameters
    ----------
    ids
        The ids of the entries to retry.
    all
        Retry all waiting entries.
    reason
        Retry all waiting entries with this reason.
    project
        The project of deliveries that do not name one.
    type
        The event type of deliveries that do not name one.
    occurred_at
        The time (RFC 3339) of events in deliveries that do not state one.
    customer
        The customer of deliveries that do not name one; those that name another are quarantined.
    json
        Print one JSON document.
    """
    if sum((bool(ids), all, reason is not None)) != 1:
        raise NotOne(options="ID, --reason or --all")
    defaults = delivery_defaults(project, type, occurred_at, customer)
    with open_projector(url) as projector:
        with progress.count_bar("reading again", "entries") as advance:
            found = projector.retry_quarantine(
                list(ids) if ids else None, reason=reason, defaults=defaults, on_piece=advance
            )
        try:
            catch_up(projector)
        finally:
            # What was filed is in the log, even if a projection failed on it.
            _show_retried(found, json)


def _show_retried(found: QuarantineRetryReport, json: bool) -> None:
    if json:
        output.document(found)
        return
    erased = f"erased {found.suppressed}, " if found.suppressed else ""
    output.line(f"Tried {found.tried}: resolved {found.resolved}, {erased}waiting {found.waiting}.")
    if found.reasons:
        output.table("Still waiting", ("reason", "deliveries"), list(found.reasons.items()))
