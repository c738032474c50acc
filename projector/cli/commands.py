"""The commands: each opens the database, lets the library work, and prints what came of it."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from importlib.metadata import version
from operator import add
from typing import Annotated, Any

from cyclopts import App, Parameter

import replay
from projector import instants
from projector.app import Projector, open_projector
from projector.cli import output, progress
from projector.config import read_settings
from projector.envelope import Given, id_problem
from projector.errors import (
    BadIdentifier,
    BadInstant,
    EngineUnknown,
    FileCorrupt,
    FileUnreadable,
)
from projector.files import read_chunks, size
from projector.ingest import IngestReport
from projector.projections import named
from projector.store import schema
from projector.store.engine import Database
from replay.engines import ENGINES

app = App(
    name="projector",
    help="Which segments is this customer in, which loyalty tier, and can I trust the answer?",
    help_format="plaintext",
    console=output.console(),
    version=lambda: version("customer-state-projector"),
    result_action="return_value",
)

Url = Annotated[str, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    db: Annotated[str | None, Parameter(name="--db", show_default=False)] = None,
) -> Any:
    """Run a command.

    Parameters
    ----------
    db
        The database's URL; else PROJECTOR_DATABASE_URL, else sqlite:///projector.db.
    """
    if tokens[:1] == ("ingest",):
        # A lone hyphen looks like an option to the parser.
        tokens = tuple("/dev/stdin" if each == "-" else each for each in tokens)
    command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=False)
    if "url" in ignored:
        bound.arguments["url"] = db or read_settings().database_url
    return command(*bound.args, **bound.kwargs)


@app.command
def ingest(
    file: str,
    /,
    *files: str,
    url: Url,
    project: str | None = None,
    type: str | None = None,
    occurred_at: str | None = None,
    strict: Flag = False,
    no_project: Flag = False,
    json: Json = False,
) -> int:
    """Append the deliveries of files to the log, then bring the tables up to date.

    NDJSON, JSON arrays, documents of any layout, plain or gzip. What is in the log already is
    counted and not appended again; what cannot be read is kept in the quarantine.

    Parameters
    ----------
    file
        The files to read; - is standard input.
    project
        The project of deliveries that do not name theirs.
    type
        The event type of deliveries that do not tell theirs.
    occurred_at
        When the events happened, as RFC 3339, where deliveries do not tell.
    strict
        Exit with 1 if anything was quarantined.
    no_project
        Leave the tables as they are.
    json
        Print one JSON document.
    """
    given = _given(project, type, occurred_at)
    paths = (file, *files)
    sizes = {path: size(path) for path in paths}
    with open_projector(url) as projector:
        reports, broken = [], None
        for path in paths:
            with progress.bytes_bar(f"ingesting {path}", sizes[path]) as advance:
                try:
                    reports.append(projector.ingest(read_chunks(path, on_read=advance), given))
                except (FileCorrupt, FileUnreadable) as error:
                    broken = error
                    break
        if not no_project:
            _catch_up(projector)
        if broken is not None:
            raise broken
    return _ingested(reduce(add, reports), strict, json)


def _ingested(report: IngestReport, strict: bool, json: bool) -> int:
    if json:
        output.document(report)
    else:
        output.line(
            f"Read {report.read}: appended {report.appended}, duplicates {report.duplicates}, "
            f"conflicts {report.conflicts}, quarantined {report.quarantined}. "
            f"The log is at position {report.head}."
        )
        if report.quarantined or report.conflicts:
            output.line("`projector status` counts what was quarantined, by reason.")
    # A conflicting delivery is kept in the quarantine too.
    return int(strict and report.quarantined + report.conflicts > 0)


@app.command
def customer(
    identifier: Annotated[str, Parameter(name="ID")],
    /,
    *,
    url: Url,
    project: str | None = None,
    source_id: Flag = False,
    json: Json = False,
) -> None:
    """Show a customer's segments and tiers as they are now.

    Parameters
    ----------
    identifier
        The customer's id (cust_...).
    project
        The project, where several have that id.
    source_id
        ID is the shop's own id.
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        answer = projector.customer(identifier, project_id=project, by_source_id=source_id)
    if json:
        output.document(answer)
    else:
        output.answer(answer)


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
        _catch_up(projector)
    if json:
        output.document({"rebuilt": rebuilt})
        return
    output.table(
        "Rebuilt",
        ("projection", "rows", "position", "dead letters"),
        [(each.name, each.rows, each.position, each.dead_letters) for each in rebuilt],
    )


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


def _catch_up(projector: Projector) -> None:
    found = projector.status()
    with progress.count_bar("projecting", "events", found.head) as advance:
        projector.catch_up(on_batch=advance)


def _given(project: str | None, type_: str | None, occurred_at: str | None) -> Given:
    for name, value in (("--project", project), ("--type", type_)):
        problem = None if value is None else id_problem(value)
        if problem:
            raise BadIdentifier(name=name, text=value, reason=problem)
    return Given(project_id=project, type=type_, occurred_at=_instant(occurred_at))


def _instant(text: str | None) -> datetime | None:
    try:
        return None if text is None else instants.parse(text)
    except ValueError as error:
        raise BadInstant(text=text, reason=error) from error
