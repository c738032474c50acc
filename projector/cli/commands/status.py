"""The `status` command: the log's head, the projections' lag, dead letters and the quarantine."""

from __future__ import annotations

from datetime import UTC

from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Json, Url
from projector.store.erasure.counts import ErasureCounts

#: The number of characters of a digest for people, enough to distinguish two; --json has all.
DIGEST_SHOWN = 12


def status(*, url: Url, json: Json = False) -> None:
    """Show the log's head, each projection's position, lag and dead letters, and the quarantine.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        found = projector.status()
    if json:
        output.document(found)
        return
    output.line(f"The log is at position {found.head}.")
    output.table(
        "Projections",
        ("projection", "position", "lag", "dead letters", "digest"),
        [
            (each.name, each.position, each.lag, each.dead_letters, each.digest[:DIGEST_SHOWN])
            for each in found.projections
        ],
    )
    for each in found.projections:
        if each.error is not None:
            output.line(f"{each.name} does not run: {each.error}")
    if found.overdue:
        output.line(f"Tiers whose last day is over, nothing heard since: {found.overdue}.")
    _print_erased(found.erased)
    if found.quarantine:
        output.table("Quarantine", ("reason", "deliveries"), list(found.quarantine.items()))


def _print_erased(erased: ErasureCounts) -> None:
    if erased.last is not None:
        output.line(
            f"Erased: {_count(erased.customers, 'customer')} with "
            f"{_count(erased.events, 'event')}, the last time on "
            f"{erased.last.astimezone(UTC).date()}."
        )
    if erased.unpurged:
        are = "is" if erased.unpurged == 1 else "are"
        output.line(
            f"{_count(erased.unpurged, 'erasure')} {are} not finished: what was erased may still "
            "be in the files of the database; run `projector purge`."
        )


def _count(number: int, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"
