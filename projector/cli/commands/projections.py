"""status, rebuild, migrate: the tables and how they are kept."""

from __future__ import annotations

import replay
from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.app import Json, Url, app, catch_up
from projector.errors import EngineUnknown
from projector.projections import named
from projector.store import schema
from projector.store.engine import Database
from replay.engines import ENGINES


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
        ("projection", "position", "lag", "dead letters"),
        [(each.name, each.position, each.lag, each.dead_letters) for each in found.projections],
    )
    if found.quarantine:
        output.table("Quarantine", ("reason", "deliveries"), list(found.quarantine.items()))


@app.command
def rebuild(
    *names: str,
    url: Url,
    engine: str = "in-process",
    json: Json = False,
) -> None:
    """Fold the whole log anew, beside the live tables, then take their place.

    Parameters
    ----------
    names
        The projections; all of them if none is named.
    engine
        Who folds: in-process.
    json
        Print one JSON document.
    """
    projections = named(list(names))
    if engine not in ENGINES:
        raise EngineUnknown(name=engine, known=", ".join(ENGINES))
    with open_projector(url) as projector:
        with progress.count_bar("rebuilding", "ranges of streams") as advance:
            rebuilt = replay.rebuild(
                projector.database, projections, ENGINES[engine], on_range=advance
            )
        catch_up(projector)
    if json:
        output.document({"rebuilt": rebuilt})
        return
    output.table(
        "Rebuilt",
        ("projection", "rows", "position", "dead letters"),
        [(each.name, each.rows, each.position, each.dead_letters) for each in rebuilt],
    )


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
    finally:
        database.close()
    if json:
        output.document(done)
    elif done.before == done.after:
        output.line(f"The schema is at revision {done.after} already.")
    else:
        output.line(f"The schema went from revision {done.before or 'none'} to {done.after}.")
