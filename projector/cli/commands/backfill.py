"""The `backfill` command: reads customers' activity from Voucherify's API into the log."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING

from projector.app import open_projector
from projector.backfill.cost import Estimate, sentence
from projector.backfill.options import (
    BackfillOptions,
    CustomerChoice,
    CustomersInFile,
    KnownCustomers,
    ListedCustomers,
    NamedCustomers,
    SuspiciousCustomers,
    check,
    check_choice,
)
from projector.cli import output, progress
from projector.cli.application import Flag, Json, Url, Whole, catch_up
from projector.cli.signals import stopped_by_signals
from projector.config import read_settings, read_voucherify_access
from projector.errors import BudgetTooSmall
from projector.intake.files import size
from projector.text.instants import parse_option
from projector.voucherify.manners import StopReason

if TYPE_CHECKING:
    from projector.backfill.backfill import Backfill
    from projector.backfill.report import BackfillProgress, BackfillReport

#: Why a run of requests stopped, as the end of a sentence.
STOPPED = {
    StopReason.BUDGET: "the requests of --requests-max are used up",
    StopReason.CYCLE_QUOTA: "few or no requests of the plan's billing cycle are left",
    StopReason.RATE_LIMIT: "Voucherify asks to wait for more than ten minutes",
    StopReason.FAILURES: "too many customers in a row could not be read",
    StopReason.INTERRUPTED: "it was interrupted",
}


def backfill(
    *ids: str,
    url: Url,
    project: str | None = None,
    customers: str | None = None,
    known: Flag = False,
    all: Flag = False,
    suspicious: Flag = False,
    segment: str | None = None,
    since: str | None = None,
    types: str | None = None,
    rate: float = 60.0,
    reserve: float = 30.0,
    requests_max: Whole = 10_000,
    workers: Whole = 4,
    again: Flag = False,
    unread_since: str | None = None,
    dry_run: Flag = False,
    no_catch_up: Flag = False,
    json: Json = False,
) -> int:
    """Read customers' activity from Voucherify's API into the log, then update the tables.

    It is idempotent, and goes on where an earlier one stopped. The credentials come from
    PROJECTOR_VOUCHERIFY_APP_ID and PROJECTOR_VOUCHERIFY_APP_TOKEN.

    Parameters
    ----------
    ids
        Customers, by Voucherify's ids or the shop's own.
    project
        The project of the credentials. Default: the only one that they name.
    customers
        A file of ids, one a line, or CSV with a column id or source_id; - is standard input.
    known
        All customers of the log.
    all
        All customers whom Voucherify has.
    suspicious
        The customers with a gap, an uncertain tier or a dead letter. This is the default.
    segment
        The members of a segment, as Voucherify lists them.
    since
        Only events from this time (RFC 3339) on.
    types
        Only events of these types, separated by commas; each is a request of its own.
    rate
        The most requests a minute.
    reserve
        The percentage of the plan's requests that is left to others.
    requests_max
        The most requests of this run.
    workers
        The most requests at one time.
    again
        Read from the beginning, also what was read before.
    unread_since
        Leave out customers who were read at this time or later. Default: a day ago.
    dry_run
        State the cost only, without a request.
    no_catch_up
        Append to the log only, and leave the tables as they are.
    json
        Print one JSON document.
    """
    choice = _choice(ids, customers, known=known, all_=all, suspicious=suspicious, segment=segment)
    options = BackfillOptions(
        since=parse_option(since),
        types=tuple(filter(None, map(str.strip, (types or "").split(",")))),
        per_minute=rate,
        reserve_percent=reserve,
        requests_max=requests_max,
        workers=workers,
        again=again,
        unread_since=parse_option(unread_since),
    )
    check(options, now=datetime.now(UTC))
    if isinstance(choice, CustomersInFile):
        size(choice.path)
    access = read_voucherify_access(project)
    direct_url = read_settings().direct_database_url
    stop = Event()
    with (
        open_projector(url, create=True, direct_url=direct_url) as projector,
        projector.backfill(access, choice, options, stop=stop) as prepared,
    ):
        cost = prepared.estimate(may_ask=not dry_run)
        if dry_run:
            return _show_cost(cost, rate, json)
        output.line(sentence(cost, rate), stderr=True)
        try:
            report = _run(prepared, cost, stop)
        finally:
            # What is in the log is there, even if the API failed then.
            if not no_catch_up and not stop.is_set():
                catch_up(projector)
    if json:
        output.document(report)
    else:
        _show(report)
    return int(report.stopped is not None or report.failed > 0)


def _choice(
    ids: tuple[str, ...],
    file: str | None,
    *,
    known: bool,
    all_: bool,
    suspicious: bool,
    segment: str | None,
) -> CustomerChoice:
    """Return whose activity is meant; raises NotOne or BadIdentifier."""
    given: list[CustomerChoice] = []
    given += [NamedCustomers(ids)] if ids else []
    given += [] if file is None else [CustomersInFile(file)]
    given += [KnownCustomers()] if known else []
    given += [ListedCustomers()] if all_ else []
    given += [SuspiciousCustomers()] if suspicious else []
    given += [] if segment is None else [ListedCustomers(segment)]
    return check_choice(given)


def _run(prepared: Backfill, cost: Estimate, stop: Event) -> BackfillReport:
    """Run it with a progress bar; a signal ends it after the page that is being filed."""
    with (
        stopped_by_signals(stop),
        progress.noted_bar("backfilling", "customers", cost.customers) as advance,
    ):
        return prepared.run(lambda now: advance(now.customers, _note(now)))


def _note(now: BackfillProgress) -> str:
    note = f"{now.requests:,} requests, {now.per_minute:.0f}/min, {now.appended:,} new events"
    return f"{note}, waiting {now.held_seconds:.0f} s" if now.held_seconds >= 1 else note


def _show_cost(cost: Estimate, rate: float, json: bool) -> int:
    if json:
        output.document(cost)
    else:
        output.line(sentence(cost, rate))
    if cost.requests is not None and cost.requests > cost.requests_max:
        raise BudgetTooSmall(needed=cost.requests, requests_max=cost.requests_max)
    return 0


def _show(report: BackfillReport) -> None:
    erased = f"erased here {report.erased:,}, " if report.erased else ""
    suppressed = f", suppressed {report.suppressed:,}" if report.suppressed else ""
    output.line(
        f"Customers: {report.customers:,}. Read {report.done:,}, absent {report.absent:,}, "
        f"failed {report.failed:,}, {erased}left out {report.fresh:,} that were read lately. "
        f"Requests: {report.requests:,}."
    )
    output.line(
        f"Read {report.read:,} events: appended {report.appended:,}, "
        f"duplicates {report.duplicates:,}, conflicts {report.conflicts:,}, "
        f"quarantined {report.quarantined:,}{suppressed}. The log is at position {report.head:,}."
    )
    if report.absent and not report.done:
        output.line("None of them exists there: are these the credentials of this project?")
    if report.failed:
        output.line("The table activity has the problems of those that failed.")
    if report.stopped is not None:
        reason = STOPPED.get(report.stopped, report.stopped)
        output.line(f"Stopped, because {reason}. Run it again to go on.")
    if report.stopped is StopReason.INTERRUPTED:
        output.line("The tables are as before: the next catch-up brings them up to date.")
