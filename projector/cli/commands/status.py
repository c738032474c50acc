"""status: the head of the log, how far each projection is, quarantine and dead letters."""

from __future__ import annotations

from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Json, Url, app

#: How much of a digest people see, enough to tell two apart; --json has all of it.
DIGEST_SHOWN = 12


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
    for each in found.projections:
        if each.error is not None:
            output.line(f"{each.name} does not run: {each.error}")
    if found.quarantine:
        output.table("Quarantine", ("reason", "deliveries"), list(found.quarantine.items()))
