"""The `dead-letters` command: list, show and retry events that could not be folded."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Flag, Json, Url, Whole
from projector.errors import NotOne

dead_letters = App(name="dead-letters", help="List, show and retry events that failed to fold.")

Position = Annotated[Whole, Parameter(name="POSITION")]


@dead_letters.default
@dead_letters.command(name="list")
def list_dead_letters(
    *,
    url: Url,
    projection: str | None = None,
    limit: Whole = 100,
    after: str | None = None,
    json: Json = False,
) -> None:
    """List the dead letters: events that a projection could not fold, with a count per reason.

    Parameters
    ----------
    projection
        Only the dead letters of this projection.
    limit
        The maximum number of entries on a page.
    after
        The cursor at the end of the previous page.
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        page = projector.dead_letters(projection=projection, after=after, limit=limit)
    if json:
        output.document(page)
        return
    if not page.counts:
        output.line("There are no dead letters.")
        return
    output.table(
        "Reasons",
        ("projection", "reason", "events"),
        [(each.projection, each.reason, each.count) for each in page.counts],
    )
    if page.dead_letters:
        output.table(
            "Dead letters",
            # The type is left out because it would make rows wider than most terminals.
            ("position", "projection", "customer", "occurred"),
            [
                (each.position, failure.projection, each.customer_id, each.occurred_at)
                for each in page.dead_letters
                for failure in each.failures
            ],
        )
        output.line("Run `projector dead-letters show POSITION` to see one with its body.")
    output.next_page(page.next)


@dead_letters.command(name="show")
def show_dead_letter(position: Position, /, *, url: Url, json: Json = False) -> None:
    """Show one dead letter, with its body as it was received.

    Parameters
    ----------
    position
        The position of the event.
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        found = projector.dead_letter(position)
    if json:
        output.document(found)
        return
    event_fields: dict[str, Any] = {
        "position": found.position,
        "event": found.event_id,
        "type": found.type,
        "project": found.project_id,
        "customer": found.customer_id,
        "occurred": found.occurred_at,
        "received": found.received_at,
    }
    output.fields(
        {**event_fields, **{f"failed in {each.projection}": each.reason for each in found.failures}}
    )
    output.line("body:")
    output.line(found.body)


@dead_letters.command(name="retry")
def retry_dead_letters(
    *positions: Position,
    url: Url,
    all: Flag = False,
    projection: str | None = None,
    json: Json = False,
) -> None:
    """Fold the customers of dead letters again: events that now succeed are in the tables then.

    Parameters
    ----------
    positions
        The positions of the dead letters to retry.
    all
        Retry all dead letters.
    projection
        Retry all dead letters of this projection.
    json
        Print one JSON document.
    """
    if sum((bool(positions), all, projection is not None)) != 1:
        raise NotOne(options="POSITION, --projection or --all")
    with (
        open_projector(url) as projector,
        progress.count_bar("folding again", "dead letters") as advance,
    ):
        found = projector.retry_dead_letters(
            list(positions) if positions else None, projection=projection, on_piece=advance
        )
    if json:
        output.document(found)
    else:
        output.line(f"Tried {found.tried}: resolved {found.resolved}, waiting {found.waiting}.")
