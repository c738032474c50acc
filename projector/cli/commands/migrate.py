"""The `migrate` command: upgrades the schema of the database."""

from __future__ import annotations

from projector.cli import output
from projector.cli.application import Json, Url, app
from projector.projections import discover
from projector.queries.status import read_status
from projector.store import schema
from projector.store.database import Database


@app.command
def migrate(*, url: Url, drop: str | None = None, json: Json = False) -> None:
    """Upgrade the schema of the database to the newest revision, and report the revisions.

    The tables of other packages' projections are created, too, if they are missing.

    Parameters
    ----------
    drop
        Drop the table of this projection, whose package is no longer installed.
    json
        Print one JSON document.
    """
    database = Database(url)
    try:
        done = schema.migrate(database)
        if drop is not None:
            schema.drop_projection(database, drop)
        behind = any(each.lag for each in read_status(database, discover()).projections)
    finally:
        database.close()
    if json:
        output.document(done)
        return
    if done.before == done.after:
        output.line(f"The schema is already at revision {done.after}.")
    else:
        output.line(
            f"The schema was upgraded from revision {done.before or 'none'} to {done.after}."
        )
    if drop is not None:
        output.line(f"Dropped the projection {drop}.")
    if done.before != done.after and behind:
        output.line(
            "Tables are behind the log now. Run `projector rebuild` to bring them up to date."
        )
