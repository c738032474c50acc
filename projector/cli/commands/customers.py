"""The `customer` command: the state of one customer, now or in the past."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Flag, Json, Url, Whole, app
from projector.text.instants import parse_option


@app.command
def customer(
    identifier: Annotated[str, Parameter(name="ID")],
    /,
    *,
    url: Url,
    project: str | None = None,
    source_id: Flag = False,
    as_of: str | None = None,
    at_position: Whole | None = None,
    json: Json = False,
) -> None:
    """Show a customer's segments and tiers, as they are now or as they were.

    Parameters
    ----------
    identifier
        The customer's id (cust_...).
    project
        The project, if several projects have a customer with this id.
    source_id
        Look the customer up by ID as the shop's own id (source_id).
    as_of
        The state at this instant (RFC 3339), according to all events known today.
    at_position
        The state as it was known when the log ended at this position.
    json
        Print one JSON document.
    """
    then = parse_option(as_of)
    with open_projector(url) as projector:
        answer = projector.customer(
            identifier,
            project_id=project,
            by_source_id=source_id,
            as_of=then,
            at_position=at_position,
        )
    if json:
        output.document(answer)
    else:
        output.print_customer(answer, as_of=then)
