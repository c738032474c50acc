"""customer: what is, and was, true of one customer."""

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
        The project, where several have that id.
    source_id
        ID is the shop's own id.
    as_of
        What was true at this instant (RFC 3339), by all that is known today.
    at_position
        What was known when the log ended here.
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
