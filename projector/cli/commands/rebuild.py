"""rebuild: the tables, computed anew from the log."""

from __future__ import annotations

from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Flag, Json, Url, Whole, app, catch_up
from projector.errors import BadNumber, CustomerNotGiven, NotOne
from projector.projections import named
from replay import CustomerRebuild, RebuildReport
from replay.impact import GroupChange, Impact

#: How many segments or tiers people see.
GROUPS_SHOWN_MAX = 50


@app.command
def rebuild(
    *names: str,
    url: Url,
    engine: str | None = None,
    workers: Whole | None = None,
    dry_run: Flag = False,
    max_change: float | None = None,
    customer: str | None = None,
    project: str | None = None,
    source_id: Flag = False,
    json: Json = False,
) -> None:
    """Fold the whole log anew, beside the live tables, then take their place.

    With --customer only the rows of one customer are computed anew, and at once.

    Parameters
    ----------
    names
        The projections; all of them if none is named.
    engine
        Who folds: in-process or parallel; by default what suits the size of the log.
    workers
        How many processes the parallel engine uses; by default as many as there are cores.
    dry_run
        Leave the tables as they are, and say what would change.
    max_change
        Leave them so, too, if more customers than this percentage gain or lose a segment or tier.
    customer
        The id of the one customer whose rows are to be computed anew.
    project
        The customer's project, where several have that id.
    source_id
        The customer is given by the shop's own id.
    json
        Print one JSON document.
    """
    named(list(names))
    is_of_all = engine or workers is not None or dry_run or max_change is not None
    if customer is not None and is_of_all:
        raise NotOne(options="--customer, or --engine, --workers, --dry-run and --max-change")
    if customer is None and (project or source_id):
        raise CustomerNotGiven
    if workers is not None and workers < 1:
        raise BadNumber(name="--workers", value=workers, range="1 upwards")
    if max_change is not None and not 0 <= max_change <= 100:
        raise BadNumber(name="--max-change", value=max_change, range="0 to 100")
    with open_projector(url) as projector:
        if customer is not None:
            one = projector.rebuild_customer(
                customer, *names, project_id=project, by_source_id=source_id
            )
            _show_repaired(one, json)
            return
        with progress.phases_bar("rebuilding") as advance:
            done = projector.rebuild(
                *names,
                engine=engine,
                workers=workers,
                dry_run=dry_run,
                change_percent_max=max_change,
                on_progress=advance,
            )
        if json:
            output.document(done)
        else:
            _show(done)
        if done.swapped:
            catch_up(projector)


def _show_repaired(done: CustomerRebuild, json: bool) -> None:
    if json:
        output.document(done)
        return
    output.line(f"Computed anew: {done.customer_id} in {done.project_id}.")
    output.table("Rows", ("projection", "rows"), list(done.rows.items()))


def _show(done: RebuildReport) -> None:
    if done.found_leftovers:
        output.line("A rebuild that was killed had left tables or files; they were removed.")
    _show_projections(done)
    if done.impact is not None:
        _show_impact(done.impact)
    speed = done.events / done.seconds if done.seconds else 0
    words = f"{done.events} events in {done.seconds:.1f} s, {speed:,.0f} a second."
    if done.swapped:
        words += f" Writers had to wait for {done.pause_seconds * 1000:.0f} ms."
    output.line(words)
    for what in done.dependents:
        output.line(f"Rows were moved, and not tables, for this to stay: {what}.")


def _show_projections(done: RebuildReport) -> None:
    columns = ["projection", "rows", "position", "dead letters"]
    rows = [[each.name, each.rows, each.position, each.dead_letters] for each in done.rebuilt]
    if done.swapped:
        columns.append("as before")
        for row, each in zip(rows, done.rebuilt, strict=True):
            row.append(each.matched)
    if done.impact is not None:
        columns += ["rows new", "rows gone"]
        for row, change in zip(rows, done.impact.rows, strict=True):
            row += [change.rows_new, change.rows_gone]
    output.table("Rebuilt" if done.swapped else "Would be rebuilt", columns, rows)


def _show_impact(impact: Impact) -> None:
    output.line(
        f"Customers who gain or lose a segment or tier: {impact.customers}, {impact.percent:.2f} %."
    )
    for title, changes in (("Segments", impact.segments), ("Tiers", impact.tiers)):
        if changes:
            output.table(
                title,
                ("id", "name", "gaining", "losing", "for instance"),
                [_row(each) for each in changes[:GROUPS_SHOWN_MAX]],
            )
        if len(changes) > GROUPS_SHOWN_MAX:
            output.line(f"And {len(changes) - GROUPS_SHOWN_MAX} more; --json has them.")


def _row(change: GroupChange) -> tuple[object, ...]:
    examples = (*change.gaining_examples, *change.losing_examples)
    return change.id, change.name, change.gaining, change.losing, examples[:3]
