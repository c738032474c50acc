"""why: the events because of which a customer is, or is not, in a segment or on a tier."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from projector.app import open_projector
from projector.cli import output, why_output
from projector.cli.application import Flag, Json, Url, Whole, app
from projector.queries.why.explain import require_one_question
from projector.text.instants import parse_option


@app.command
def why(
    identifier: Annotated[str, Parameter(name="ID")],
    /,
    *,
    url: Url,
    segment: str | None = None,
    campaign: str | None = None,
    not_: Annotated[str | None, Parameter(name="--not")] = None,
    project: str | None = None,
    source_id: Flag = False,
    as_of: str | None = None,
    at_position: Whole | None = None,
    json: Json = False,
) -> None:
    """Show why a customer is, or is not, in a segment or on a tier; ask exactly one thing.

    Parameters
    ----------
    identifier
        The customer's id (cust_...).
    segment
        Every event that concerns this segment, in the order in which they occurred.
    campaign
        Every event that concerns the tier in this campaign.
    not_
        Which event took this segment or tier away, or that none ever gave it.
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
    require_one_question(segment, campaign, not_)
    with open_projector(url) as projector:
        found = projector.why(
            identifier,
            segment_id=segment,
            campaign_id=campaign,
            not_=not_,
            project_id=project,
            by_source_id=source_id,
            as_of=then,
            at_position=at_position,
        )
    if json:
        output.document(found)
    else:
        why_output.print_explanation(found, as_of=then)
