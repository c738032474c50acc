"""The `why` command: the events because of which a customer is, or is not, in a segment or tier."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from projector.app import open_projector
from projector.cli import output, why_output
from projector.cli.application import Flag, Json, Url, Whole
from projector.queries.why.explain import require_one_question
from projector.text.instants import parse_option


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
    limit: Whole = 100,
    after: str | None = None,
    json: Json = False,
) -> None:
    """Show why a customer is, or is not, in a segment or on a tier.

    Give exactly one of --segment, --campaign and --not.

    Parameters
    ----------
    identifier
        The customer's id (cust_...).
    segment
        Show every event that concerns this segment, in the order in which they occurred.
    campaign
        Show every event that concerns the tier in this campaign, in the same order.
    not_
        Show which event took this segment or tier away, or that no event ever gave it.
    project
        The project, if several projects have a customer with this id.
    source_id
        Look the customer up by ID as the shop's own id (source_id).
    as_of
        The state at this instant (RFC 3339), according to all events known today.
    at_position
        The state as it was known when the log ended at this position.
    limit
        The maximum number of events on a page.
    after
        The cursor at the end of the previous page.
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
            after=after,
            limit=limit,
        )
    if json:
        output.document(found)
    else:
        why_output.print_explanation(found, as_of=then)
