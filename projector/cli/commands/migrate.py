"""migrate: the database's schema, brought up to date."""

from __future__ import annotations

from projector.cli import output
from projector.cli.application import Json, Url, app
from projector.projections import named
from projector.queries.status import read_status
from projector.store import schema
from projector.store.database import Database


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
