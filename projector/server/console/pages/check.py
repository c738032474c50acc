"""The comparison of one customer with the source: what is known of it, and its form."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from starlette.responses import RedirectResponse, Response

from projector.envelope import CustomerKey
from projector.errors import CredentialsMissing, CustomerNotFound
from projector.operate.jobs import Job, JobKind, unended_jobs
from projector.operate.tokens import Scope
from projector.queries.customers import find_keys
from projector.server import problems
from projector.server.actions import start
from projector.server.console.page import PageRoute, Visit
from projector.server.console.pages.customer_names import names_of
from projector.server.console.pages.subject import Subject, read_names
from projector.server.console.words import check_words, reconcile_words
from projector.server.job_requests import ReconcileRequest
from projector.server.voucherify_access import find_access_problem

RECONCILE_PATH = "/console/operations/reconcile"


@frozen(kw_only=True)
class Check:
    """What is known of comparisons, and whether another one can be asked for."""

    text: str
    key: CustomerKey
    #: Why none can be asked for, in a sentence or two; None if one can.
    problem: str | None
    #: The job that compares the customer now.
    job_id: int | None


def find_check(visit: Visit, about: Subject) -> Check | None:
    """Return what the page of today says; None for other days, or if nothing is known."""
    moment = about.moment
    if about.state is None or moment.as_of is not None or moment.known is not None:
        return None
    return Check(
        text=check_words.of_state(about.state, about.person, visit.zone),
        key=about.key,
        problem=_problem(about.key.project_id),
        job_id=_job_id(visit, about.key),
    )


def _problem(project_id: str) -> str | None:
    error = find_access_problem(project_id)
    if error is None:
        return None
    if isinstance(error, CredentialsMissing):
        return (
            f"To compare this with Voucherify, the server needs credentials of its API for the"
            f" project {project_id}, and has none."
        )
    found = problems.describe(error, "")
    return f"This cannot be compared with Voucherify. {found.detail} {found.hint}"


def _job_id(visit: Visit, key: CustomerKey) -> int | None:
    for job in unended_jobs(visit.database):
        asked = (job.arguments.get("project"), job.arguments.get("customer"))
        if job.kind is JobKind.RECONCILE and asked == (key.project_id, key.customer_id):
            return job.job_id
    return None


def compared_values(visit: Visit, job: Job) -> dict[str, Any]:
    """Return what the page of a job shows of a comparison; of another kind of job, nothing."""
    values: dict[str, Any] = {"compared": None, "differences": (), "problems": ()}
    customer_id, project_id = job.arguments.get("customer"), job.arguments.get("project")
    if job.kind is not JobKind.RECONCILE or customer_id is None or project_id is None:
        return values
    values["compared"] = (project_id, customer_id)
    values["names"] = names_of(visit.database, [customer_id])
    if job.result is not None:
        names = read_names(visit.database, project_id)
        values["differences"] = reconcile_words.lines(job.result, names)
        values["problems"] = reconcile_words.problems(job.result)
    return values


def _ask(visit: Visit) -> Response:
    """Ask for a comparison, unless one is waiting or running."""
    key = CustomerKey(visit.form.get("project", ""), visit.form.get("customer", ""))
    with visit.database.reading() as connection:
        is_known = bool(find_keys(connection, key.customer_id, key.project_id, False))
    if not is_known:
        raise CustomerNotFound(identifier=key.customer_id, where="")
    job_id = _job_id(visit, key)
    if job_id is None:
        request = ReconcileRequest(customer=key.customer_id, project=key.project_id)
        asked_by = visit.visitor.name if visit.visitor else ""
        job_id = start(visit.context, request, asked_by).job_id
    return RedirectResponse(f"/console/operations/jobs/{job_id}", 303)


PAGES = (
    PageRoute(
        path="/operations/reconcile",
        name="consoleReconcile",
        run=_ask,
        methods=("POST",),
        scope=Scope.ADMIN,
    ),
)
