"""What no job can be made of is refused at once; what looks like an option is a value."""

from typing import Any

import pytest

from projector.errors import JobNotFound, JobsWaiting
from projector.operate.jobs import UNENDED_MAX, JobKind, ask_job, list_jobs, show_job
from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.support.http_client import Client


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/quarantine:retry", {}, "not_one"),
        ("/quarantine:retry", {"ids": [1], "all": True}, "not_one"),
        ("/quarantine:retry", {"all": True, "occurred_at": "yesterday"}, "bad_instant"),
        ("/quarantine:retry", {"reason": "a\0b"}, "bad_identifier"),
        ("/quarantine:retry", {"ids": ["--all"]}, "bad_body"),
        ("/dead-letters:retry", {"projection": "--all"}, "projection_unknown"),
        ("/rebuilds", {"projections": ["--db=sqlite:///x"]}, "projection_unknown"),
        ("/rebuilds", {"dryrun": True}, "bad_body"),
        ("/verifications", {"sample": 0}, "bad_body"),
    ],
)
def test_a_body_without_a_command_is_refused_at_once(
    client: Client, path: str, body: object, code: str
) -> None:
    before = [each["job_id"] for each in client.get("/jobs").json["jobs"]]
    assert client.post(path, body).refusal == (400, code)
    assert [each["job_id"] for each in client.get("/jobs").json["jobs"]] == before


def test_a_value_that_looks_like_an_option_is_a_value(client: Client) -> None:
    bodies = [
        {"reason": text, "project": text, "customer": text} for text in ("--all", "-h", "a b=c")
    ]
    for body in bodies:
        found = _ended(client, client.post("/quarantine:retry", body).headers["location"])
        assert (found["problem"], found["result"]["tried"]) == (None, 0)
        assert found["arguments"] == body
    for unknown in ("/jobs/0", "/jobs/x", "/jobs/99999999999999999999"):
        assert client.get(unknown).refusal == (404, "job_not_found")


def _ended(client: Client, path: str) -> Any:
    within(30, lambda: client.get(path).json["ended_at"] is not None)
    return client.get(path).json


def test_only_so_many_jobs_wait(database: Database) -> None:
    for number in range(1, UNENDED_MAX + 1):
        job = ask_job(database, JobKind.VERIFY, {"sample": number}, asked_by="Ada")
        assert job == show_job(database, number)
    with pytest.raises(JobsWaiting):
        ask_job(database, JobKind.VERIFY, {}, asked_by="Ada")
    with pytest.raises(JobNotFound):
        show_job(database, UNENDED_MAX + 1)
    assert [each.job_id for each in list_jobs(database).jobs] == [*range(UNENDED_MAX, 0, -1)]
