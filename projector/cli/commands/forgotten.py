"""The `forgotten` command: the record of erasures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Flag, Json, Url, Whole
from projector.errors import NotOne

if TYPE_CHECKING:
    from projector.erasure.forgotten import ErasureDetail, ErasureList


def forgotten(
    erasure: Annotated[Whole | None, Parameter(name="ERASURE")] = None,
    /,
    *,
    url: Url,
    export: Flag = False,
    allow: str | None = None,
    project: str | None = None,
    json: Json = False,
) -> None:
    """List the erasures: what was erased and when, and not of whom.

    Parameters
    ----------
    erasure
        Show one erasure, with the positions of its markers.
    export
        Write the list that `projector forget --from` reads after a restore. Keep it where the
        backups are not: it has the key of the digests.
    allow
        Let new events of this customer in again, by Voucherify's id.
    project
        With --allow: only in this project.
    json
        Print one JSON document.
    """
    if sum((erasure is not None, export, allow is not None)) > 1:
        raise NotOne(options="ERASURE, --export or --allow")
    with open_projector(url) as projector:
        if export:
            for line in projector.export_forgotten():
                output.write(line.decode())
        elif allow is not None:
            projects = projector.allow(allow, project_id=project)
            if json:
                output.document({"allowed": projects})
            else:
                output.line(
                    "New events of this customer are let in again; those that were erased stay out."
                )
        elif erasure is not None:
            _show_one(projector.erasure(erasure), json=json)
        else:
            _show_all(projector.forgotten(), json=json)


def _show_one(found: ErasureDetail, *, json: bool) -> None:
    if json:
        output.document(found)
        return
    output.fields(
        {
            "erasure": found.erasure_id,
            "project": found.project_id,
            "erased": found.erased_at,
            "reference": found.reference,
            "customers": found.customers,
            "events": found.events,
            "rows": found.rows,
            "quarantined": found.quarantined,
            "position": found.position,
            "purged": found.purged_at,
            "markers": ", ".join(f"{first} to {last}" for first, last in found.positions),
        }
    )


def _show_all(found: ErasureList, *, json: bool) -> None:
    if json:
        output.document(found)
        return
    if not found.erasures:
        output.line("Nothing was erased.")
        return
    output.table(
        "Erasures",
        ("erasure", "project", "erased", "reference", "customers", "events", "position", "purged"),
        [
            (
                each.erasure_id,
                each.project_id,
                each.erased_at,
                each.reference,
                each.customers,
                each.events,
                each.position,
                each.purged_at,
            )
            for each in found.erasures
        ],
    )
    output.line(f"Kept out: {found.suppressed:,} customers, events and deliveries.")
