"""status, verify, migrate: the tables and how they are kept."""

from __future__ import annotations

from typing import Any

import replay
from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Json, Url, Whole, app
from projector.errors import BadNumber
from projector.projections import named
from projector.queries.status import read_status
from projector.store import schema
from projector.store.database import Database
from replay.comparison import Difference
from replay.verify import Verified

#: How much of a digest people see, enough to tell two apart; --json has all of it.
DIGEST_SHOWN = 12

#: How many differences people see.
ROWS_SHOWN_MAX = 50


@app.command
def status(*, url: Url, json: Json = False) -> None:
    """Show the head of the log, how far each projection is, and what is put aside.

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
    if found.quarantine:
        output.table("Quarantine", ("reason", "deliveries"), list(found.quarantine.items()))


@app.command
def verify(
    *names: str,
    url: Url,
    sample: Whole | None = None,
    json: Json = False,
) -> int:
    """Compute the tables' rows from the log and compare; exits with 1 if anything differs.

    Parameters
    ----------
    names
        The projections; all of them if none is named.
    sample
        Compare so many customers, chosen at random.
    json
        Print one JSON document.
    """
    projections = named(list(names))
    if sample is not None and sample < 1:
        raise BadNumber(name="--sample", value=sample, range="1 upwards")
    with (
        open_projector(url) as projector,
        progress.count_bar("verifying", "customers") as advance,
    ):
        found = replay.verify(projector.database, projections, sample=sample, on_piece=advance)
    if json:
        output.document(found)
    else:
        _verified(found)
    return int(not found.is_right)


def _verified(found: Verified) -> None:
    output.line(f"Compared {found.checked} customers: {found.differing} differ.")
    rows = [
        (customer.customer_id, each.projection, *_cell(each))
        for customer in found.customers
        for each in customer.differences
    ]
    if rows:
        columns = ("customer", "projection", "what", "by the log", "in the table")
        output.table("Differences", columns, rows[:ROWS_SHOWN_MAX])
    if len(rows) > ROWS_SHOWN_MAX:
        output.line(f"And {len(rows) - ROWS_SHOWN_MAX} more; --json has them.")
    for sentence in found.log:
        output.line(sentence)
    for projection in found.projections:
        if projection.recomputed not in (None, projection.digest):
            output.line(
                f"The digest of {projection.name} is {projection.digest}, "
                f"the log folds to {projection.recomputed}."
            )
    if not found.is_right:
        output.line("`projector rebuild` computes the tables anew from the log.")


def _cell(difference: Difference) -> tuple[str, Any, Any]:
    """Which row of the customer's, which of its columns, what should be there and what is."""
    key = " ".join(str(value) for value in difference.key.values())
    if difference.column is None:
        there = ["a row" if each else None for each in (difference.expected, difference.found)]
        return key, there[0], there[1]
    return f"{key} {difference.column}".strip(), difference.expected, difference.found


@app.command
def migrate(*, url: Url, json: Json = False) -> None:
    """Bring the database's schema up to date, and say what was done.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    database = Database(url)
    try:
        done = schema.migrate(database)
        behind = any(each.lag for each in read_status(database, named([])).projections)
    finally:
        database.close()
    if json:
        output.document(done)
    elif done.before == done.after:
        output.line(f"The schema is at revision {done.after} already.")
    else:
        output.line(f"The schema went from revision {done.before or 'none'} to {done.after}.")
        if behind:
            output.line(
                "Tables are behind the log now: `projector rebuild` brings them up to date."
            )
