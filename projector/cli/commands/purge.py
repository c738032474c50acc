"""The `purge` command: removes erased bytes from the files of the database."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Flag, Json, Url
from projector.config import read_settings
from projector.errors import PurgeUnconfirmed

if TYPE_CHECKING:
    from projector.app import Projector
    from projector.store.erasure.purge import PurgeReport


def purge(*, url: Url, full: Flag = False, yes: Flag = False, json: Json = False) -> None:
    """Remove what was erased from the files of the database, as `forget` does in the end.

    It lists what is left to the operator. Exit code 1: it is in the files still.

    Parameters
    ----------
    full
        Write the SQLite file, or each table of Postgres, anew. Nothing can be written meanwhile,
        and on Postgres not even read from the table; it takes the space once more.
    yes
        Do not ask before a full purge; needed where no terminal can be asked.
    json
        Print one JSON document.
    """
    direct_url = read_settings().direct_database_url
    with open_projector(url, direct_url=direct_url) as projector:
        if full and not yes:
            _confirm(projector)
        with progress.phases_bar("purging") as advance:
            report = projector.purge(full=full, on_progress=advance)
    if json:
        output.document(report)
    else:
        _show(report)


def _confirm(projector: Projector) -> None:
    """Name what is written anew, and ask; raises PurgeUnconfirmed."""
    parts = projector.purge_parts()
    total = sum(each.bytes for each in parts)
    for each in parts:
        output.line(f"{each.name}: {each.bytes} bytes", stderr=True)
    one_by_one = "it" if projector.database.is_sqlite else "each, one after another,"
    output.line(
        f"A full purge writes {one_by_one} anew, {total} bytes in all, and keeps writers out "
        "meanwhile.",
        stderr=True,
    )
    if not sys.stdin.isatty():
        raise PurgeUnconfirmed
    output.line("Go on? [y/N]", stderr=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise PurgeUnconfirmed


def _show(report: PurgeReport) -> None:
    count = len(report.erasures)
    erasures = "no erasure waited for it" if not count else f"erasures: {count}"
    done = "were written anew" if report.full else "were overwritten"
    output.line(f"Purged ({erasures}); {report.cleaned_bytes} bytes {done}.")
    output.line("This is left to you:")
    for each in report.left:
        output.line(f"- {each}")
