"""The `rebuild` command: computes the tables from the log again."""

from __future__ import annotations

import re

from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Flag, Json, Url, Whole, catch_up
from projector.config import read_settings
from projector.errors import (
    ArchiveNotGiven,
    BadNumber,
    BadSparkSetting,
    CustomerNotGiven,
    NotOne,
    SparkNotChosen,
    WorkersOfSpark,
)
from projector.projections import named
from replay import CustomerRebuild, RebuildReport
from replay.engines import SparkOptions
from replay.impact import GroupChange, Impact

#: The maximum number of segments or tiers in a table for people.
GROUPS_SHOWN_MAX = 50


def rebuild(
    *names: str,
    url: Url,
    engine: str | None = None,
    workers: Whole | None = None,
    archive: str | None = None,
    spark: str | None = None,
    spark_conf: tuple[str, ...] = (),
    partitions: Whole | None = None,
    dry_run: Flag = False,
    max_change: float | None = None,
    customer: str | None = None,
    project: str | None = None,
    source_id: Flag = False,
    json: Json = False,
) -> None:
    """Fold the whole log into new tables beside the live ones, then swap them.

    With --customer, recompute the rows of one customer only, in the live tables.

    Parameters
    ----------
    names
        The projections to rebuild. Default: all.
    engine
        The engine that folds: in-process, parallel, or spark, which folds an archive. Default:
        in-process or parallel, chosen by the size of the log.
    workers
        The number of processes of the parallel engine. Default: the number of cores.
    archive
        The folder or URL of the archive for Spark. Default: PROJECTOR_ARCHIVE_URL.
    spark
        The master of the Spark cluster, such as spark://HOST:7077. Default:
        PROJECTOR_SPARK_MASTER, or else all cores of this machine.
    spark_conf
        A setting of Spark, such as spark.executor.memory=4g. May be repeated.
    partitions
        The number of tasks of Spark that fold. Default: one for about 50,000 events.
    dry_run
        Report what would change, and leave the tables as they are.
    max_change
        Do not swap if more than this percentage of customers gain or lose a segment or tier.
    customer
        The id of the one customer to rebuild.
    project
        The customer's project, if several projects have a customer with this id.
    source_id
        Look the customer up by the shop's own id (source_id).
    json
        Print one JSON document.
    """
    named(list(names))
    options = _spark_options(engine, archive, spark, spark_conf, partitions)
    has_full_options = engine or workers is not None or dry_run or max_change is not None
    if customer is not None and has_full_options:
        raise NotOne(
            options="--customer and the options of a full rebuild "
            "(--engine, --workers, --dry-run, --max-change)"
        )
    if customer is None and (project or source_id):
        raise CustomerNotGiven
    _require_numbers(workers, partitions, max_change)
    if options is not None and workers is not None:
        raise WorkersOfSpark
    with open_projector(url, direct_url=read_settings().direct_database_url) as projector:
        if customer is not None:
            rebuilt = projector.rebuild_customer(
                customer, *names, project_id=project, by_source_id=source_id
            )
            _show_customer(rebuilt, json)
            return
        with progress.phases_bar("rebuilding") as advance:
            done = projector.rebuild(
                *names,
                engine=engine if options is None else None,
                workers=workers,
                spark=options,
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


def _require_numbers(workers: int | None, partitions: int | None, max_change: float | None) -> None:
    for name, value in (("--workers", workers), ("--partitions", partitions)):
        if value is not None and value < 1:
            raise BadNumber(name=name, value=value, range="1 or more")
    if max_change is not None and not 0 <= max_change <= 100:
        raise BadNumber(name="--max-change", value=max_change, range="0 to 100")


def _spark_options(
    engine: str | None,
    archive: str | None,
    master: str | None,
    conf: tuple[str, ...],
    partitions: int | None,
) -> SparkOptions | None:
    """Return the options of the engine spark; None for another one."""
    if engine != "spark":
        if archive or master or conf or partitions is not None:
            raise SparkNotChosen
        return None
    settings = read_settings()
    url = archive or settings.archive_url
    if url is None:
        raise ArchiveNotGiven
    for each in conf:
        if not re.fullmatch(r"spark\.[^=\s]+=.*", each) or each.startswith("spark.master="):
            raise BadSparkSetting(setting=each)
    return SparkOptions(
        archive_url=url,
        master=master or settings.spark_master,
        conf=dict(each.split("=", 1) for each in conf),
        partitions=partitions,
    )


def _show_customer(done: CustomerRebuild, json: bool) -> None:
    if json:
        output.document(done)
        return
    output.line(f"Rebuilt customer {done.customer_id} in {done.project_id}.")
    output.table("Rows", ("projection", "rows"), list(done.rows.items()))


def _show(done: RebuildReport) -> None:
    if done.found_leftovers:
        output.line("Removed the tables or files that a killed rebuild had left.")
    _show_projections(done)
    if done.impact is not None:
        _show_impact(done.impact)
    speed = done.events / done.seconds if done.seconds else 0
    summary = f"{done.events} events in {done.seconds:.1f} s, {speed:,.0f} a second."
    if done.swapped:
        summary += f" Writers had to wait for {done.pause_seconds * 1000:.0f} ms."
    output.line(summary)
    if done.engine_position < done.events:
        output.line(
            f"Spark folded the archive's files up to position {done.engine_position}, and this"
            f" process the {done.events - done.engine_position} events behind it."
            " `projector archive write` archives what is new."
        )
    if done.engine_cost is not None:
        cost = done.engine_cost
        output.line(
            f"Executors took {cost.cpu_seconds:.1f} s of processor time in Python, and at most"
            f" {cost.memory_bytes_max / 2**20:,.0f} MiB of memory in one Python process."
        )
    for dependent in done.dependents:
        output.line(f"Copied rows instead of swapping tables, to keep: {dependent}.")


def _show_projections(done: RebuildReport) -> None:
    columns = ["projection", "rows", "position", "dead letters"]
    rows = [[each.name, each.rows, each.position, each.dead_letters] for each in done.rebuilt]
    if done.swapped:
        columns.append("unchanged")
        for row, each in zip(rows, done.rebuilt, strict=True):
            row.append(each.matched)
    if done.impact is not None:
        columns += ["new rows", "removed rows"]
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
                ("id", "name", "gaining", "losing", "examples"),
                [_row(each) for each in changes[:GROUPS_SHOWN_MAX]],
            )
        if len(changes) > GROUPS_SHOWN_MAX:
            output.line(f"And {len(changes) - GROUPS_SHOWN_MAX} more; --json has them.")


def _row(change: GroupChange) -> tuple[object, ...]:
    examples = (*change.gaining_examples, *change.losing_examples)
    return change.id, change.name, change.gaining, change.losing, examples[:3]
