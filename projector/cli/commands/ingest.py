"""The `ingest` command: appends the deliveries of files to the log."""

from __future__ import annotations

from functools import reduce
from operator import add

from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Flag, Json, Url, catch_up, delivery_defaults
from projector.config import read_settings
from projector.errors import FileCorrupt, FileUnreadable
from projector.intake.files import read_chunks, size
from projector.intake.ingest import IngestReport


def ingest(
    file: str,
    /,
    *files: str,
    url: Url,
    project: str | None = None,
    type: str | None = None,
    occurred_at: str | None = None,
    customer: str | None = None,
    strict: Flag = False,
    no_catch_up: Flag = False,
    json: Json = False,
) -> int:
    """Append the deliveries of files to the log, then bring the tables up to date.

    Files are NDJSON, JSON arrays, or JSON documents of any layout, plain or packed by gzip, bzip2,
    xz or zip. Ingesting is idempotent: duplicates are counted and not appended again. Deliveries
    that cannot be read are kept in the quarantine.

    Parameters
    ----------
    file
        The files to read; - is standard input.
    project
        The project of deliveries that do not name one.
    type
        The event type of deliveries that do not name one.
    occurred_at
        The time (RFC 3339) of events in deliveries that do not state one.
    customer
        The customer of deliveries that do not name one; those that name another are quarantined.
    strict
        Exit with 1 if anything was quarantined.
    no_catch_up
        Append to the log only, and leave the tables as they are.
    json
        Print one JSON document.
    """
    defaults = delivery_defaults(project, type, occurred_at, customer)
    paths = (file, *files)
    sizes = {path: size(path) for path in paths}
    direct_url = read_settings().direct_database_url
    with open_projector(url, create=True, direct_url=direct_url) as projector:
        reports, broken = [], None
        for path in paths:
            with progress.bytes_bar(f"ingesting {path}", sizes[path]) as advance:
                try:
                    reports.append(projector.ingest(read_chunks(path, on_read=advance), defaults))
                except (FileCorrupt, FileUnreadable) as error:
                    broken = error
                    break
        try:
            if not no_catch_up:
                catch_up(projector)
        finally:
            # What is in the log is there, even if a projection failed on it.
            if broken is None:
                _show(report := reduce(add, reports), json)
        if broken is not None:
            raise broken
    # A conflicting delivery is kept in the quarantine too.
    return int(strict and report.quarantined + report.conflicts > 0)


def _show(report: IngestReport, json: bool) -> None:
    if json:
        output.document(report)
    else:
        suppressed = f", suppressed {report.suppressed}" if report.suppressed else ""
        output.line(
            f"Read {report.read}: appended {report.appended}, duplicates {report.duplicates}, "
            f"conflicts {report.conflicts}, quarantined {report.quarantined}{suppressed}. "
            f"The log is at position {report.head}."
        )
        if report.quarantined or report.conflicts:
            output.line(
                "Run `projector quarantine` to see the quarantined and the conflicting ones."
            )
