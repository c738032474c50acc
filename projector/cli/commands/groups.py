"""The `members`, `segments` and `tiers` commands: customers per group, as a list or a count."""

from __future__ import annotations

from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Json, Url, Whole, app
from projector.text.instants import parse_option


@app.command
def members(
    *,
    url: Url,
    segment: str | None = None,
    tier: str | None = None,
    project: str | None = None,
    as_of: str | None = None,
    limit: Whole = 100,
    after: str | None = None,
    json: Json = False,
) -> None:
    """List the customers in a segment or on a tier, one page at a time.

    Parameters
    ----------
    segment
        The segment's id (seg_...).
    tier
        The tier's id (ltr_...).
    project
        Only customers of this project.
    as_of
        The members at this instant (RFC 3339), according to all events known today.
    limit
        The maximum number of customers on a page.
    after
        The cursor at the end of the previous page.
    json
        Print one JSON document.
    """
    then = parse_option(as_of)
    with open_projector(url) as projector:
        page = projector.members(
            segment_id=segment,
            tier_id=tier,
            project_id=project,
            as_of=then,
            after=after,
            limit=limit,
        )
    if json:
        output.document(page)
        return
    output.table(
        "Members",
        ("customer", "project", "source id", "name", "since"),
        [
            (each.customer_id, each.project_id, each.source_id, each.name, each.since)
            for each in page.members
        ],
    )
    output.next_page(page.next)


@app.command
def segments(*, url: Url, project: str | None = None, json: Json = False) -> None:
    """List the segments, each with its name and number of members.

    Parameters
    ----------
    project
        Only segments of this project.
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        found = projector.segments(project_id=project)
    if json:
        output.document({"segments": found})
        return
    output.table(
        "Segments",
        ("segment", "name", "project", "members"),
        [(each.segment_id, each.name, each.project_id, each.members) for each in found],
    )


@app.command
def tiers(*, url: Url, project: str | None = None, json: Json = False) -> None:
    """List the tiers, each with its name and number of members.

    Parameters
    ----------
    project
        Only tiers of this project.
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        found = projector.tiers(project_id=project)
    if json:
        output.document({"tiers": found})
        return
    output.table(
        "Tiers",
        ("campaign", "tier", "name", "project", "members"),
        [
            (
                each.campaign_name or each.campaign_id,
                each.tier_id,
                each.name,
                each.project_id,
                each.members,
            )
            for each in found
        ],
    )
