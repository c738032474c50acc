"""The `migrate` command: upgrades the schema of the database."""

from __future__ import annotations

from projector.cli import output
from projector.cli.application import Json, Url, app
from projector.projections import named
from projector.queries.status import read_status
from projector.store import schema
from projector.store.database import Database


@app.command
def migrate(*, url: Url, json: Json = False) -> None:
    """Upgrade the schema of the database to the newest revision, and report the revisions.

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
        output.line(f"The schema is already at revision {done.after}.")
    else:
        output.line(
            f"The schema was upgraded from revision {done.before or 'none'} to {done.after}."
        )
        if behind:
            output.line(
                "Tables are behind the log now. Run `projector rebuild` to bring them up to date."
            )
