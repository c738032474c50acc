"""The `reconcile` command: compares customers with Voucherify, and repairs what differs."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from projector.app import Projector, open_projector
from projector.backfill.options import KnownCustomers, NamedCustomers, SuspiciousCustomers
from projector.cli import output, progress
from projector.cli.application import Flag, Json, Url, Whole, catch_up
from projector.cli.commands.backfill import STOPPED
from projector.cli.signals import stopped_by_signals
from projector.config import read_settings, read_voucherify_access
from projector.envelope import id_problem
from projector.errors import (
    BadIdentifier,
    BudgetTooSmall,
    NotOfFiles,
    ProjectNotGiven,
    RecordUnknown,
)
from projector.intake.files import size
from projector.reconcile.cost import sentence
from projector.reconcile.options import (
    Choice,
    ReconcileOptions,
    Record,
    SampledCustomers,
    SegmentMembers,
    check,
    check_choice,
    parse_duration,
    parse_segments,
    parse_share,
)
from projector.text.encode import as_json
from projector.text.instants import parse_option, to_text

if TYPE_CHECKING:
    from projector.reconcile.comparison import Difference
    from projector.reconcile.cost import Cost
    from projector.reconcile.reconcile import Reconcile
    from projector.reconcile.report import ReconcileProgress, ReconcileReport

#: The value of --from for the API.
_API = "api"

#: The differences and problems that are printed for people.
_ROWS_MAX = 50


def reconcile(
    *ids: str,
    url: Url,
    project: str | None = None,
    known: Flag = False,
    suspicious: Flag = False,
    segment: str | None = None,
    sample: Whole | None = None,
    from_: Annotated[str, Parameter(name="--from")] = _API,
    observed_at: str | None = None,
    segments: str = "active",
    tiers: bool = True,
    settle: str = "10m",
    margin: str | None = None,
    record: str = "differences",
    repair: Flag = False,
    repair_max: str = "1%",
    no_activity: Flag = False,
    rate: float = 60.0,
    reserve: float = 30.0,
    requests_max: Whole = 10_000,
    workers: Whole = 4,
    dry_run: Flag = False,
    no_catch_up: Flag = False,
    ndjson: Flag = False,
    json: Json = False,
) -> int:
    """Compare customers' segments and tiers with Voucherify; repair what differs with --repair.

    Voucherify's answer is compared with the state as of the instant at which it was read. The
    credentials come from PROJECTOR_VOUCHERIFY_APP_ID and PROJECTOR_VOUCHERIFY_APP_TOKEN.

    Parameters
    ----------
    ids
        Customers, by Voucherify's ids or the shop's own.
    project
        The project of the credentials. Default: the only one that they name.
    known
        All customers of the log, by Voucherify's lists.
    suspicious
        The customers with a gap, an uncertain tier or a dead letter. This is the default.
    segment
        The members of a segment, by Voucherify or by the tables.
    sample
        This many customers of the log, chosen at random.
    from_
        `api`, or a file: NDJSON, or CSV of one segment (with --segment); - is standard input.
    observed_at
        When the file was written (RFC 3339), unless its lines have an observed_at.
    segments
        `active` (those that send events), `all`, or ids that are separated by commas.
    tiers
        Compare tiers.
    settle
        How long what is on its way may take to arrive.
    margin
        How long an event may take to appear at Voucherify. Default: 60s; 10m for a file.
    record
        Which observations --repair files: `differences`, or `all`, also those that agree.
    repair
        Repair what differs: by the customer's activity, and what is left by observations.
    repair_max
        The greatest share of the customers that --repair may change; up to 10 it always may.
    no_activity
        Do not read the activity before observations are filed.
    rate
        The most requests a minute.
    reserve
        The percentage of the plan's requests that is left to others.
    requests_max
        The most requests of this run.
    workers
        The most requests at one time.
    dry_run
        State the cost only, without a request.
    no_catch_up
        Leave the tables as they are, before and after.
    ndjson
        Print a JSON document for each difference, and then one of all without them.
    json
        Print one JSON document.
    """
    file = None if from_ == _API else from_
    choice = _choice(
        ids, known=known, suspicious=suspicious, segment=segment, sample=sample, file=file
    )
    options = ReconcileOptions(
        segments=parse_segments(segments),
        tiers=tiers,
        settle=parse_duration(settle),
        margin=None if margin is None else parse_duration(margin),
        record=_record(record),
        repair=repair,
        activity=not no_activity,
        repair_percent_max=parse_share(repair_max),
        observed_at=parse_option(observed_at),
        per_minute=rate,
        reserve_percent=reserve,
        requests_max=requests_max,
        workers=workers,
    )
    check(options, now=datetime.now(UTC))
    access, project_id = None, project
    if file is None or (repair and not no_activity):
        access = read_voucherify_access(project)
        project_id = access.project_id
    if file is not None:
        size(file)
        _check_project(project_id)
    direct_url = read_settings().direct_database_url
    stop = Event()
    with open_projector(url, create=True, direct_url=direct_url) as projector:
        if not no_catch_up and not dry_run:
            # The lists are compared with the tables, so these should be of now.
            catch_up(projector)
        with projector.reconcile(
            access, choice, options, project_id=project_id, file=file, stop=stop
        ) as prepared:
            cost = prepared.estimate(may_ask=not dry_run)
            if dry_run:
                return _show_cost(cost, rate, json or ndjson)
            output.line(sentence(cost, rate), stderr=True)
            report = _run(projector, prepared, stop, catches_up=repair and not no_catch_up)
    _print(report, json=json, ndjson=ndjson)
    return int(
        report.remaining > 0
        or report.unsettled > 0
        or report.failed > 0
        or report.refused
        or report.stopped is not None
    )


def _run(
    projector: Projector, prepared: Reconcile, stop: Event, *, catches_up: bool
) -> ReconcileReport:
    """Run it with a progress bar; a signal ends it after what is being filed."""
    try:
        with (
            stopped_by_signals(stop),
            progress.noted_bar("reconciling", "customers", None) as advance,
        ):
            return prepared.run(lambda now: advance(now.done, _note(now)))
    finally:
        # What is in the log is there, even if the API failed then.
        if catches_up and not stop.is_set():
            catch_up(projector)


def _choice(
    ids: tuple[str, ...],
    *,
    known: bool,
    suspicious: bool,
    segment: str | None,
    sample: int | None,
    file: str | None,
) -> Choice:
    """Return of whom the state is compared; raises NotOne, BadIdentifier, BadNumber, NotOfFiles."""
    given: list[Choice] = []
    given += [NamedCustomers(ids)] if ids else []
    given += [KnownCustomers()] if known else []
    given += [SuspiciousCustomers()] if suspicious else []
    given += [] if sample is None else [SampledCustomers(sample)]
    if file is not None and given:
        names = ("IDs", "--known", "--suspicious", "--sample")
        chosen = (ids, known, suspicious, sample is not None)
        raise NotOfFiles(
            option=next(name for name, used in zip(names, chosen, strict=True) if used)
        )
    given += [] if segment is None else [SegmentMembers(segment)]
    return check_choice(given)


def _record(text: str) -> Record:
    try:
        return Record(text)
    except ValueError:
        raise RecordUnknown(text=text) from None


def _check_project(project_id: str | None) -> None:
    if project_id is None:
        raise ProjectNotGiven
    if problem := id_problem(project_id):
        raise BadIdentifier(name="--project", text=project_id, reason=problem)


def _note(now: ReconcileProgress) -> str:
    note = f"{now.phase}, {now.requests:,} requests"
    return f"{note}, waiting {now.held_seconds:.0f} s" if now.held_seconds >= 1 else note


def _show_cost(cost: Cost, rate: float, json: bool) -> int:
    if json:
        output.document(cost)
    else:
        output.line(sentence(cost, rate))
    if cost.requests is not None and cost.requests > cost.requests_max:
        raise BudgetTooSmall(needed=cost.requests, requests_max=cost.requests_max)
    return 0


def _print(report: ReconcileReport, *, json: bool, ndjson: bool) -> None:
    if ndjson:
        for each in report.differences:
            output.document(each)
        output.document({**as_json(report), "differences": []})
    elif json:
        output.document(report)
    else:
        _show(report)


def _show(report: ReconcileReport) -> None:
    for each in report.differences[:_ROWS_MAX]:
        output.line(_line(each))
    if len(report.differences) > _ROWS_MAX:
        output.line(f"And {len(report.differences) - _ROWS_MAX:,} more: see --ndjson.")
    for problem in report.problems[:_ROWS_MAX]:
        where = problem.customer_id or problem.segment_id or ""
        output.line(f"{where}: {problem.reason}. {problem.detail}")
    output.line(
        f"Compared {report.compared:,} customers: {report.agree:,} agree, "
        f"{report.unsettled:,} kept changing, {report.absent:,} are not there, "
        f"{report.failed:,} could not be read. Requests: {report.requests:,}."
    )
    output.line(
        f"Differences: {len(report.differences):,}, repaired {report.repaired:,}, "
        f"remaining {report.remaining:,}. Observations filed: {report.recorded:,}."
    )
    if report.refused:
        output.line("Nothing was repaired: more differ than --repair-max allows.")
    if report.stopped is not None:
        reason = STOPPED.get(report.stopped, report.stopped)
        output.line(f"Stopped, because {reason}. Run it again.")


def _line(difference: Difference) -> str:
    """Return a difference as a line for people."""
    where = difference.segment_id or difference.campaign_id or ""
    ours, theirs = difference.ours or "none", difference.theirs or "none"
    done = f", repaired by {difference.repaired_by}" if difference.repaired_by else ""
    return (
        f"{difference.customer_id} {difference.kind} {where}".rstrip()
        + f": ours {ours}, Voucherify's {theirs} at {to_text(difference.as_of)}"
        + f" ({difference.reason}{done})"
    )
