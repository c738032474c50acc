"""The `export` command: the states of all customers, for other programs."""

from __future__ import annotations

from cyclopts import App

from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Json, Url, Whole, app

export = App(name="export", help="Write all customers' states as NDJSON.")
app.command(export)


@export.command
def customers(*, url: Url, at_position: Whole | None = None, json: Json = False) -> None:
    """Write every customer's state, one JSON document a line, ordered by project and customer.

    Parameters
    ----------
    at_position
        The states as they were known when the log ended at this position.
    json
        Has no effect: the output is NDJSON in any case.
    """
    with open_projector(url) as projector:
        for answer in projector.export_customers(at_position=at_position):
            output.document(answer)
