"""The `verify` command: compares the tables with what the log folds to."""

from __future__ import annotations

from typing import Any

from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Json, Url, Whole
from projector.errors import BadNumber
from replay.comparison import Difference
from replay.verify_report import VerifyReport

#: The maximum number of differences in a table for people.
ROWS_SHOWN_MAX = 50


def verify(
    *names: str,
    url: Url,
    sample: Whole | None = None,
    json: Json = False,
) -> int:
    """Compute the tables' rows from the log and compare; exit with 1 if anything differs.

    Parameters
    ----------
    names
        The projections to verify. Default: all.
    sample
        The number of customers to compare, chosen at random. Default: all.
    json
        Print one JSON document.
    """
    if sample is not None and sample < 1:
        raise BadNumber(name="--sample", value=sample, range="1 or more")
    with (
        open_projector(url) as projector,
        progress.count_bar("verifying", "customers") as advance,
    ):
        found = projector.verify(*names, sample=sample, on_piece=advance)
    if json:
        output.document(found)
    else:
        _verified(found)
    return int(not found.is_right)


def _verified(found: VerifyReport) -> None:
    output.line(f"Compared {found.checked} customers: {found.differing} differ.")
    rows = [
        (customer.customer_id, each.projection, *_cell(each))
        for customer in found.customers
        for each in customer.differences
    ]
    if rows:
        columns = ("customer", "projection", "row and column", "from the log", "in the table")
        output.table("Differences", columns, rows[:ROWS_SHOWN_MAX])
    if len(rows) > ROWS_SHOWN_MAX:
        output.line(f"And {len(rows) - ROWS_SHOWN_MAX} more; --json has them.")
    for sentence in (*found.sizes, *found.log):
        output.line(sentence)
    for projection in found.projections:
        if projection.recomputed not in (None, projection.digest):
            output.line(
                f"The digest of {projection.name} is {projection.digest}, "
                f"but the log folds to {projection.recomputed}."
            )
    if found.log:
        output.line(
            "The log has problems, which a rebuild does not solve. Restore it from a backup; if "
            "only its head is behind, run `projector migrate --repair-head`."
        )
    elif not found.is_right:
        output.line("Run `projector rebuild` to compute the tables from the log again.")


def _cell(difference: Difference) -> tuple[str, Any, Any]:
    """Return the row's key with the column, the expected value and the found value."""
    key = " ".join(str(value) for value in difference.key.values())
    if difference.column is None:
        expected, found = (
            "a row" if each else None for each in (difference.expected, difference.found)
        )
        return key, expected, found
    return f"{key} {difference.column}".strip(), difference.expected, difference.found
