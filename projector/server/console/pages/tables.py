"""The page of the tables, with rebuilds and verifications; and the pages of single jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from projector.errors import JobNotFound
from projector.operate.jobs import Job, JobKind, JobState, last_jobs, show_job
from projector.operate.tokens import Scope
from projector.projections import discover
from projector.queries.status import read_status
from projector.server.actions import start
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages import job_words
from projector.server.console.pages.check import compared_values
from projector.server.console.pages.customer_names import names_of
from projector.server.console.words.reasons import quarantine_reason, table_title
from projector.server.endpoints.shared import number_in
from projector.server.errors import BadForm
from projector.server.job_requests import RebuildRequest, VerifyRequest

REBUILD_PATH = "/console/operations/tables/rebuild"
VERIFY_PATH = "/console/operations/tables/verify"

#: The number of customers that a verification compares unless all are wanted.
SAMPLE = 1_000


def _list(visit: Visit) -> Page:
    status = read_status(visit.database, discover())
    found = last_jobs(visit.database)
    # Of several, the one that runs is the oldest.
    current = next((each for each in reversed(found) if each.ended_at is None), None)
    values = {
        "status": status,
        "versions": {each.name: each.version for each in discover()},
        "title_of": table_title,
        "jobs": found,
        "words": job_words,
        "current": current,
        "sample": SAMPLE,
        "rebuild_path": REBUILD_PATH,
        "verify_path": VERIFY_PATH,
        "projections": [each.name for each in discover()],
    }
    return Page(template="tables.html", values={**values, **_progress(current, visit)})


def _rebuild(visit: Visit) -> Response:
    """Try a rebuild, or do one that was tried."""
    name = visit.form.get("projection")
    names = (name,) if name else ()
    if "max_change" not in visit.form:
        return _started(visit, RebuildRequest(projections=names, dry_run=True))
    try:
        percent = float(visit.form["max_change"])
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise BadForm(reason="the limit of change must be a number from 0 to 100")
    return _started(visit, RebuildRequest(projections=names, max_change=percent))


def _verify(visit: Visit) -> Response:
    return _started(visit, VerifyRequest(sample=None if visit.form.get("all") else SAMPLE))


def _started(visit: Visit, request: RebuildRequest | VerifyRequest) -> Response:
    job = start(visit.context, request, visit.visitor.name if visit.visitor else "")
    return RedirectResponse(f"/console/operations/jobs/{job.job_id}", 303)


def _show(visit: Visit) -> Page:
    job = _job(visit)
    asked = job.arguments.get("projections", ())
    is_trial = job.kind is JobKind.REBUILD and "dry_run" in job.arguments
    impact = None if job.result is None else job.result.get("impact")
    values: dict[str, Any] = {
        "words": job_words,
        "title_of": table_title,
        "reason_of": lambda code: quarantine_reason(code).title,
        "impact": impact,
        "names": names_of(visit.database, _named_customers(job.result or {})),
        "projection": asked[0] if len(asked) == 1 else "",
        # A form names one table or all of them.
        "can_take_over": is_trial and job.state is JobState.DONE and len(asked) < 2,
        "limit": job_words.suggested_limit(impact["percent"]) if impact else None,
        "rebuild_path": REBUILD_PATH,
        **compared_values(visit, job),
    }
    return Page(template="job.html", values={**values, **_progress(job, visit)})


def _named_customers(result: Mapping[str, Any]) -> list[str]:
    """Return the ids of the customers that the result of a job names."""
    impact = result.get("impact") or {}
    groups = [*impact.get("segments", ()), *impact.get("tiers", ())]
    return [
        *(each["customer_id"] for each in result.get("customers", ())),
        *(who for each in groups for who in each["gaining_examples"] + each["losing_examples"]),
    ]


def _part(visit: Visit) -> Page:
    job = _job(visit)
    return Page(template="job_part.html", values=_progress(job, visit), is_part=True)


def _job(visit: Visit) -> Job:
    number = number_in(visit.ids["id"])
    if number is None:
        raise JobNotFound(job_id=visit.ids["id"])
    return show_job(visit.database, number)


def _progress(job: Job | None, visit: Visit) -> dict[str, Any]:
    """Return the values of `job_part.html`."""
    if job is None:
        return {"job": None}
    pace = job_words.pace(job, visit.now)
    left = pace.seconds_left
    return {
        "job": job,
        "title": job_words.title(job),
        "outcome": job_words.outcome(job),
        "rate": pace.rate,
        "time_left": None if left is None else job_words.time_left(left),
    }


PAGES = (
    PageRoute(path="/operations/tables", name="consoleTables", run=_list),
    PageRoute(
        path="/operations/tables/rebuild",
        name="consoleRebuild",
        run=_rebuild,
        methods=("POST",),
        scope=Scope.ADMIN,
    ),
    PageRoute(
        path="/operations/tables/verify",
        name="consoleVerify",
        run=_verify,
        methods=("POST",),
        scope=Scope.ADMIN,
    ),
    PageRoute(path="/operations/jobs/{id}", name="consoleJob", run=_show),
    PageRoute(path="/parts/job/{id}", name="consoleJobPart", run=_part),
)
