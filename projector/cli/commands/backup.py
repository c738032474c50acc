"""The `backup` command: copies a SQLite database while it is used."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Json, Url
from projector.store.backup import require_sqlite
from projector.store.database import Database


def backup(
    file: Annotated[str, Parameter(name="FILE")], /, *, url: Url, json: Json = False
) -> None:
    """Copy a SQLite database into a new file, while other processes may use it.

    The copy is complete and consistent, as of one moment. For Postgres, use pg_dump.

    Parameters
    ----------
    file
        The file to create; it must not exist.
    json
        Print one JSON document.
    """
    # Before it connects to Postgres.
    require_sqlite(Database(url))
    with open_projector(url) as projector, progress.bytes_bar("copying", None) as advance:
        done = projector.backup(file, on_progress=advance)
    if json:
        output.document(done)
    else:
        output.line(
            f"Copied the database to {done.path}: {done.bytes} bytes, "
            f"with the log up to position {done.head}."
        )
