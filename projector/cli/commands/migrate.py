"""The `migrate` command: upgrades the schema of the database."""

from __future__ import annotations

from projector.cli import output
from projector.cli.application import Flag, Json, Url
from projector.projections import discover
from projector.queries.status import read_status
from projector.store import log_head, schema
from projector.store.database import Database
from projector.store.log_head import HeadRepair


def migrate(
    *, url: Url, drop: str | None = None, repair_head: Flag = False, json: Json = False
) -> None:
    """Upgrade the schema of the database to the newest revision, and report the revisions.

    The tables of other packages' projections are created, too, if they are missing.

    Parameters
    ----------
    drop
        Drop the table of this projection, whose package is no longer installed.
    repair_head
        Set the head of the log to its end, which a restore of the data alone leaves behind.
    json
        Print one JSON document.
    """
    database = Database(url)
    try:
        done = schema.migrate(database)
        if drop is not None:
            schema.drop_projection(database, drop)
        repaired = log_head.repair(database) if repair_head else None
        behind = any(each.lag for each in read_status(database, discover()).projections)
    finally:
        database.close()
    if json:
        head = {} if repaired is None else {"head": repaired.as_dict()}
        output.document({"before": done.before, "after": done.after, **head})
        return
    if done.before == done.after:
        output.line(f"The schema is already at revision {done.after}.")
    else:
        output.line(
            f"The schema was upgraded from revision {done.before or 'none'} to {done.after}."
        )
    if repaired is not None:
        _show_repair(repaired)
    if drop is not None:
        output.line(f"Dropped the projection {drop}.")
    if done.before != done.after and behind:
        output.line(
            "Tables are behind the log now. Run `projector rebuild` to bring them up to date."
        )


def _show_repair(repaired: HeadRepair) -> None:
    if repaired.before == repaired.after:
        output.line(f"The head of the log is right: position {repaired.after.position}.")
        return
    before = "missing" if repaired.before is None else f"at position {repaired.before.position}"
    output.line(
        f"The head of the log was {before}, and is now at position {repaired.after.position}. "
        "Run `projector verify` to compare the tables with the log."
    )
