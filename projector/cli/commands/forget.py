"""The `forget` command: erases customers for good."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

from cyclopts import Parameter

from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Flag, Json, Url, Whole
from projector.errors import ConfirmationMissing, ErasureOptionUnfit, FileUnreadable, NotOne

if TYPE_CHECKING:
    from projector.app import Projector
    from projector.erasure import ErasureReport

#: Erases, or only tries to with the argument True.
_Erase = Callable[[bool], "list[ErasureReport]"]

_Repeated = Parameter(negative="", show_default=False)


def forget(
    *ids: str,
    url: Url,
    project: str | None = None,
    source_id: Flag = False,
    reference: str | None = None,
    also: Annotated[tuple[str, ...], _Repeated] = (),
    scan: Flag = False,
    position: Annotated[tuple[Whole, ...], _Repeated] = (),
    deleted_for: Whole | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    suppress_days: Whole | None = None,
    dry_run: Flag = False,
    yes: Flag = False,
    json: Json = False,
) -> int:
    """Erase customers for good: their events, their rows, and what the quarantine has of them.

    Their events become markers in the log, which keep their positions. What was erased is not let
    in again.

    Parameters
    ----------
    ids
        Customers of one project, by Voucherify's ids.
    project
        The project, if customers of several have the id.
    source_id
        The ids are the shop's own.
    reference
        A text for the record, such as the number of a ticket; it must not name the customer.
    also
        Another text that names the person, such as a name. Repeat it for several.
    scan
        Search the events of all others for texts that name the person. They stay; exit code 1.
    position
        The position of an event without a customer. Repeat it for several.
    deleted_for
        Erase the customers whom the sender deleted at least so many days ago.
    from_
        After a restore: erase whom a list names that `projector forgotten --export` wrote.
    suppress_days
        Stop keeping out what was erased more than so many days ago.
    dry_run
        Report what would be erased, and change nothing.
    yes
        Do not ask.
    json
        Print one JSON document.
    """
    is_named = bool(ids or position)
    chosen = [is_named, deleted_for is not None, from_ is not None]
    if sum(chosen) > 1 or not (any(chosen) or suppress_days is not None):
        raise NotOne(options="ID or --position, --deleted-for, --from or --suppress-days")
    of_events = {"--source-id": source_id, "--also": also, "--scan": scan}
    of_record = {"--project": project is not None, "--reference": reference is not None}
    if deleted_for is not None:
        _refuse(of_events, choice="--deleted-for")
    elif not is_named:
        _refuse(of_events | of_record, choice="--from" if from_ is not None else "--suppress-days")
    if suppress_days is not None:
        from projector.erasure.forget import days_ago

        # A wrong number is refused before anything is erased.
        days_ago(suppress_days)
    with open_projector(url) as projector:

        def erase(is_trial: bool) -> list[ErasureReport]:
            if deleted_for is not None:
                return projector.forget_deleted(
                    days=deleted_for, project_id=project, reference=reference, dry_run=is_trial
                )
            if from_ is not None:
                with _opened(from_) as lines:
                    return projector.forget_listed(lines, path=from_, dry_run=is_trial)
            if not is_named:
                return []
            report = projector.forget(
                *ids,
                project_id=project,
                by_source_id=source_id,
                positions=position,
                reference=reference,
                also=also,
                scan=scan,
                dry_run=is_trial,
            )
            return [report]

        if not (dry_run or yes or not any(chosen)):
            _confirm(erase)
        reports = erase(dry_run)
        if suppress_days is not None and not dry_run:
            _drop(projector, suppress_days)
    _show(reports, is_one=is_named, is_trial=dry_run, json=json)
    return int(not all(each.is_right for each in reports))


def _refuse(options: Mapping[str, object], *, choice: str) -> None:
    """Refuse options that would be passed over; raises ErasureOptionUnfit."""
    for option, is_given in options.items():
        if is_given:
            raise ErasureOptionUnfit(option=option, choice=choice)


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    try:
        with Path(path).open("rb") as file:
            yield file
    except OSError as error:
        raise FileUnreadable(path=path, reason=error.strerror or error) from error


def _confirm(erase: _Erase) -> None:
    """Ask on a terminal, after a trial; raises ConfirmationMissing."""
    if not _is_terminal():
        raise ConfirmationMissing()
    for each in erase(True):
        output.line(_sentence(each, is_trial=True), stderr=True)
    output.line("This cannot be undone. Erase? [y/N]", stderr=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfirmationMissing()


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _drop(projector: Projector, days: int) -> None:
    dropped = projector.drop_suppressions(days=days)
    output.line(f"Dropped {dropped:,} entries of what is kept out.", stderr=True)


def _show(reports: Sequence[ErasureReport], *, is_one: bool, is_trial: bool, json: bool) -> None:
    if json:
        from projector.erasure.report import ErasureReports

        output.document(reports[0] if is_one else ErasureReports(erasures=tuple(reports)))
        return
    for each in reports:
        output.line(_sentence(each, is_trial=is_trial))
        if each.mentions:
            places = ", ".join(map(str, each.mentions))
            output.line(f"Events of others that name the person, and stay: at {places}.")
        if each.purge_problem is not None:
            output.line(f"Erased, but not purged: {each.purge_problem}")
    if not reports:
        output.line("Nothing to erase.")


def _sentence(report: ErasureReport, *, is_trial: bool) -> str:
    if report.already is not None and not report.events and not report.customers:
        return f"Erased already, by erasure {report.already}."
    what = (
        f"{report.customers:,} customers, {report.events:,} events, "
        f"{sum(report.rows.values()):,} rows, {report.quarantined:,} quarantined deliveries"
    )
    if is_trial:
        return f"Would erase {what}."
    return f"Erasure {report.erasure_id}: erased {what}. Its event is at {report.position:,}."
