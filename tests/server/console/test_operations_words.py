"""What jobs and reasons are called, and text from outside that stays text."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape

from projector.operate.jobs import Job, JobKind, JobState
from projector.server.console.pages.job_words import (
    has_bad_result,
    outcome,
    pace,
    suggested_limit,
    time_left,
    title,
)
from projector.server.console.words.raw_text import raw, visible
from projector.server.console.words.reasons import (
    REASONS,
    detail,
    failure_reason,
    quarantine_reason,
    table_title,
)
from projector.server.job_end import LIST_MAX, end_of

_NOW = datetime(2024, 3, 1, 10, tzinfo=UTC)
_DOCS = Path(__file__).parents[3] / "docs"


def _job(kind: JobKind, result: dict[str, Any] | None = None, **more: Any) -> Job:
    state = JobState.DONE if result is not None else JobState.WAITING
    fields: dict[str, Any] = {
        "job_id": 1,
        "state": state,
        "arguments": {},
        "asked_by": "Ada",
        "asked_at": _NOW,
        "began_at": None,
        "ended_at": None,
        "phase": None,
        "phase_began_at": None,
        "done": None,
        "total": None,
        "exit_code": None if result is None else 0,
        "problem": None,
    }
    return Job(kind=kind, result=result, **{**fields, **more})


@pytest.mark.parametrize(
    ("kind", "arguments", "expected"),
    [
        (JobKind.QUARANTINE_RETRY, {"ids": [17]}, "Try delivery 17 again"),
        (JobKind.QUARANTINE_RETRY, {"ids": [1, 2]}, "Try 2 deliveries again"),
        (
            JobKind.QUARANTINE_RETRY,
            {"reason": "missing_time"},
            "Try again: Does not say when it happened",
        ),
        (JobKind.QUARANTINE_RETRY, {"all": True}, "Try all deliveries in the quarantine again"),
        (JobKind.DEAD_LETTER_RETRY, {"positions": [20]}, "Try event 20 again"),
        (JobKind.DEAD_LETTER_RETRY, {"positions": [20, 21]}, "Try 2 events again"),
        (
            JobKind.DEAD_LETTER_RETRY,
            {"projection": "loyalty_tier"},
            "Try the dead letters of “Tiers now” again",
        ),
        (JobKind.DEAD_LETTER_RETRY, {"all": True}, "Try all dead letters again"),
        (JobKind.REBUILD, {}, "Rebuild of all tables"),
        (
            JobKind.REBUILD,
            {"dry_run": True, "projections": ["customer", "shop_points"]},
            "Trial of a rebuild of “Customers”, “Shop points”",
        ),
        (JobKind.VERIFY, {"sample": 1000}, "Verification of all tables, 1,000 customers at random"),
        (JobKind.VERIFY, {}, "Verification of all tables, all customers"),
    ],
)
def test_a_job_has_a_title(kind: JobKind, arguments: dict[str, Any], expected: str) -> None:
    assert title(_job(kind, arguments=arguments)) == expected


_TRIED = {"tried": 17, "resolved": 3, "waiting": 14, "reasons": {}}
_ALL_RIGHT: dict[str, Any] = {
    "checked": 2404,
    "differing": 0,
    "customers": [],
    "projections": [{"digest": "a", "recomputed": None}, {"digest": "a", "recomputed": "a"}],
    "sizes": [],
    "log": [],
}
_REBUILT: dict[str, Any] = {"rebuilt": [{}], "swapped": True, "events": 1, "impact": None}


@pytest.mark.parametrize(
    ("kind", "result", "expected"),
    [
        (JobKind.QUARANTINE_RETRY, _TRIED, "Tried 17: 3 filed, 14 still wait."),
        (
            JobKind.DEAD_LETTER_RETRY,
            {"tried": 1, "resolved": 0, "waiting": 1},
            "Tried 1: 0 now in the tables, 1 still waits.",
        ),
        (JobKind.REBUILD, _REBUILT, "1 table is new, made of 1 event."),
        (
            JobKind.REBUILD,
            {**_REBUILT, "swapped": False, "impact": {"customers": 12, "percent": 0.031}},
            "Customers who gain or lose: 12, 0.03\u00a0%. Nothing was changed.",
        ),
        (JobKind.VERIFY, _ALL_RIGHT, "Compared 2,404 customers: all right."),
        (
            JobKind.VERIFY,
            {**_ALL_RIGHT, "differing": 2},
            "Compared 2,404 customers: 2 differ from the log. Rebuild the tables.",
        ),
        (
            JobKind.VERIFY,
            {**_ALL_RIGHT, "log": ["x"]},
            "Compared 2,404 customers: the log itself has problems. Restore it from a backup.",
        ),
        (
            JobKind.VERIFY,
            {**_ALL_RIGHT, "projections": [{"digest": "a", "recomputed": "b"}]},
            "Compared 2,404 customers: sums over the tables are wrong. Rebuild the tables.",
        ),
    ],
)
def test_what_came_of_a_job_is_a_sentence(
    kind: JobKind, result: dict[str, Any], expected: str
) -> None:
    assert outcome(_job(kind, result)) == expected


def test_a_job_that_is_not_done_says_so() -> None:
    assert outcome(_job(JobKind.VERIFY)) == "Waits for its turn."
    running = _job(JobKind.VERIFY, state=JobState.RUNNING, began_at=_NOW)
    assert outcome(running) == "Is being done."
    failed = _job(JobKind.VERIFY, state=JobState.FAILED, problem="It broke.")
    assert (outcome(failed), has_bad_result(failed)) == ("It broke.", True)
    assert has_bad_result(_job(JobKind.VERIFY, _ALL_RIGHT, exit_code=1))
    assert not has_bad_result(running)


def test_the_time_left_follows_from_the_phase() -> None:
    job = _job(JobKind.REBUILD, phase_began_at=_NOW, done=500, total=2000)
    found = pace(job, _NOW + timedelta(seconds=10))
    assert (found.rate, found.seconds_left) == (50, 30)
    assert pace(job, _NOW + timedelta(seconds=1)).rate is None
    assert [time_left(each) for each in (0.2, 30, 100, 9000)] == [
        "about 1 second",
        "about 30 seconds",
        "about 2 minutes",
        "about 2 hours",
    ]
    assert [suggested_limit(each) for each in (0.0, 0.031, 1.0)] == [0.1, 0.1, 1.2]


def test_every_reason_of_the_quarantine_has_words() -> None:
    page = (_DOCS / "operations.md").read_text()
    table = page.partition("| reason | the delivery |")[2].partition("\n\n")[0]
    documented = [
        code for row in table.splitlines()[2:] for code in re.findall("`(.+?)`", row.split("|")[1])
    ]
    assert sorted(documented) == sorted(REASONS)
    assert quarantine_reason("very_new").title == "Very new"
    assert detail("It has no project. Give it with --project.") == "It has no project."


def test_a_reason_of_a_dead_letter_has_words() -> None:
    texts = (
        "The data do not state a x: y.",
        "The customer object is unreadable: y.",
        "KeyError: x",
    )
    assert len({failure_reason(each).title for each in texts}) == 3
    assert table_title("shop_points") == "Shop points"


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300)), st.booleans())
@example("\u202eabc\x00\ud800", True)
@example("<" * 300, True)
@example("Zoë".encode()[:3], False)
def test_a_body_from_outside_is_short_and_visible(body: bytes | str, is_whole: bool) -> None:
    found = raw(body, is_whole=is_whole, bytes_max=200)
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", found.text)
    if not found.is_hex:
        assert len(str(escape(found.text)).encode(errors="replace")) <= 200
        text = body if isinstance(body, str) else body.decode(errors="ignore")
        assert visible(text).startswith(found.text)
        assert found.is_cut or found.text == visible(text)
    else:
        assert len(found.text) <= 200 * 3


def test_a_cut_character_at_the_end_of_a_beginning_is_left_out() -> None:
    assert raw("Zoë".encode()[:3], is_whole=False, bytes_max=100).text == "Zo"
    assert raw("Zoë".encode()[:3], is_whole=True, bytes_max=100).is_hex


def test_the_end_of_a_job_is_a_result_or_a_sentence() -> None:
    done = end_of(1, b'{"customers": [%s]}' % b",".join([b"1"] * 99), b"".decode(), at=_NOW)
    assert done.result is not None
    assert done.result.count("1") == LIST_MAX
    assert done.problem is None
    cases = [
        (3, b"", "error: Not found.\nhint: Look.\n", "Not found."),
        (-9, b'{"tried": 1}', "", "The command was ended by the signal SIGKILL."),
        (
            1,
            b"no JSON",
            "Traceback\n",
            "The command failed with the exit code 1; the server's log has the reason.",
        ),
    ]
    for code, out, err, problem in cases:
        found = end_of(code, out, err, at=_NOW)
        assert (found.result, found.problem) == (None, problem)
    assert end_of(0, b'{"x": "%s"}' % (b"x" * 2_000_000), "", at=_NOW).result is None
