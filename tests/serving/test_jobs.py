"""A job is done once, by one of the servers, and ends with it."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from projector.erasure import forget
from projector.operate.tokens import create_token
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.server.child_command import _PROGRAM
from projector.server.job_end import ERASED_MEANWHILE, SERVER_ENDED
from projector.store.append import append
from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.serving.servers import LEASE_SECONDS, LONG, QUICK, Serving, serving
from tests.support.given import RECEIVED_AT, entered, envelope
from tests.support.http_client import Client
from tests.support.quarantine import arrive, unfiled

_QUICK_JOBS = f"""
from projector.server import jobs
jobs.INTERVALS = jobs.JobIntervals(
    poll_seconds=0.1, look_seconds=0.05, heartbeat_seconds=0.2, lease_seconds={LEASE_SECONDS}
)
"""

#: A verification tells that one of ten is done, and goes on once a file is there.
_SLOW = """
import time
from pathlib import Path
from projector.app import Projector
verify = Projector.verify
def wait(self, *names, on_piece, **more):
    on_piece(1, 10)
    while not Path({go!r}).exists():
        time.sleep(0.05)
    return verify(self, *names, on_piece=on_piece, **more)
Projector.verify = wait
"""

_AT = "2024-03-01T10:00:00Z"


def _changes(go: Path) -> str:
    program = (sys.executable, "-c", _SLOW.format(go=str(go)) + _PROGRAM[-1])
    patch = f"from projector.server import child_command\nchild_command._PROGRAM = {program!r}\n"
    return QUICK + _QUICK_JOBS + patch


@contextmanager
def _servers(url: str, go: Path, count: int = 1) -> Iterator[list[Serving]]:
    if count == 0:
        yield []
        return
    with serving(url, changes=_changes(go)) as first, _servers(url, go, count - 1) as others:
        yield [first, *others]


def _ask(server: Serving, path: str, body: Any, **headers: str) -> str:
    """Ask for a job; gives its path."""
    reply = Client(server.port).post(path, body, **headers)
    assert reply.status == 202, reply.body
    assert reply.headers["location"] == f"/jobs/{reply.json['job_id']}"
    return reply.headers["location"]


def _job(server: Serving, path: str, **headers: str) -> Any:
    return Client(server.port).get(path, **headers).json


def _is(server: Serving, path: str, *states: str) -> bool:
    return _job(server, path)["state"] in states


def _ended(server: Serving, path: str, **headers: str) -> Any:
    within(LONG, lambda: _job(server, path, **headers)["ended_at"] is not None)
    return _job(server, path, **headers)


def _begun(server: Serving, path: str) -> int:
    """Wait until a slow job is at work; gives the process that does it."""
    within(LONG, lambda: _job(server, path)["done"] == 1)
    return _children(server)[0]


def _children(server: Serving) -> list[int]:
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    return [int(pid) for each in tasks for pid in (each / "children").read_text().split()]


def _is_gone(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    # Its parent is gone, and whoever inherits it may be slow to bury it.
    return "\nState:\tZ" in status


def test_jobs_are_done_one_after_another_and_tell_what_came_of_them(
    migrated_url: str, tmp_path: Path
) -> None:
    with closing(Database(migrated_url)) as database:
        arrive(database, unfiled(entered("cust_1", "seg_1", at=_AT)), b"{")
        append(database, [envelope(entered("cust_2", None, at=_AT))], received_at=RECEIVED_AT)
        catch_up(database, discover())
        token = create_token(database, name="Ada's laptop", scopes=["admin"]).token
    admin = {"authorization": f"Bearer {token}"}
    (tmp_path / "go").touch()
    with _servers(migrated_url, tmp_path / "go") as [server]:
        paths = [
            _ask(server, "/quarantine:retry", {"all": True, "project": "proj_1"}, **admin),
            _ask(server, "/quarantine:retry", {"ids": [999]}, **admin),
            _ask(server, "/dead-letters:retry", {"projection": "segment_membership"}, **admin),
            _ask(server, "/rebuilds", {"dry_run": True}, **admin),
            _ask(server, "/rebuilds", {"projections": ["customer"], "max_change": 0.5}, **admin),
            _ask(server, "/verifications", {"sample": 5}, **admin),
        ]
        found = [_ended(server, path, **admin) for path in paths]
        listed = Client(server.port).get("/jobs", **admin).json["jobs"]
    quarantine, missing, letters, dry, rebuild, verify = (each["result"] for each in found)
    assert quarantine == {
        "tried": 2, "resolved": 1, "suppressed": 0, "waiting": 1, "reasons": {"broken_json": 1}
    }  # fmt: skip
    assert missing is None
    assert letters == {"tried": 1, "resolved": 0, "waiting": 1}
    assert (dry["swapped"], dry["impact"]["customers"]) == (False, 0)
    assert (rebuild["swapped"], len(rebuild["rebuilt"])) == (True, 1)
    assert (verify["checked"], verify["differing"]) == (2, 0)
    problems = [each["problem"] for each in found]
    assert problems == [None, "Quarantine entry 999 not found.", None, None, None, None]
    assert [each["exit_code"] for each in found] == [0, 3, 0, 0, 0, 0]
    assert [each["job_id"] for each in listed] == [6, 5, 4, 3, 2, 1]
    for before, after in pairwise(found):
        assert before["ended_at"] <= after["began_at"]
    assert {each["asked_by"] for each in found} == {"Ada's laptop"}
    told = [json.loads(line)["message"] for line in server.told if line.startswith("{")]
    assert len([line for line in told if line.startswith('"Ada\'s laptop" asked for job ')]) == 6


def test_nothing_is_kept_of_the_result_of_a_job_during_which_a_customer_was_erased(
    migrated_url: str, tmp_path: Path
) -> None:
    """It may name the customer, as a verification does."""
    with closing(Database(migrated_url)) as database:
        append(database, [envelope(entered("cust_2", None, at=_AT))], received_at=RECEIVED_AT)
        with _servers(migrated_url, tmp_path / "go") as [server]:
            path = _ask(server, "/verifications", {})
            _begun(server, path)
            forget(database, ["cust_2"])
            (tmp_path / "go").touch()
            found = _ended(server, path)
    assert (found["result"], found["problem"], found["exit_code"]) == (None, ERASED_MEANWHILE, 0)


def test_a_job_whose_process_is_killed_has_failed_and_the_next_one_is_done(
    migrated_url: str, tmp_path: Path
) -> None:
    with _servers(migrated_url, tmp_path / "go") as [server]:
        first = _ask(server, "/verifications", {})
        second = _ask(server, "/dead-letters:retry", {"all": True})
        child = _begun(server, first)
        assert _is(server, second, "waiting")
        os.kill(child, signal.SIGKILL)
        assert _ended(server, first)["problem"] == "The command was ended by the signal SIGKILL."
        assert _ended(server, second)["state"] == "done"


def test_a_job_ends_with_its_killed_server_and_the_next_server_says_so(
    migrated_url: str, tmp_path: Path
) -> None:
    with _servers(migrated_url, tmp_path / "go") as [server]:
        path = _ask(server, "/verifications", {})
        child = _begun(server, path)
        server.send(signal.SIGKILL)
        assert server.ended() == -signal.SIGKILL
        within(LONG, lambda: _is_gone(child))
    with _servers(migrated_url, tmp_path / "go") as [server]:
        found = _ended(server, path)
    assert (found["state"], found["problem"]) == ("failed", SERVER_ENDED)
    assert (found["phase"], found["done"], found["total"]) == ("verifying", 1, 10)


def test_a_job_ends_when_its_server_is_told_to_stop(migrated_url: str, tmp_path: Path) -> None:
    with _servers(migrated_url, tmp_path / "go") as [server]:
        path = _ask(server, "/verifications", {})
        waiting = _ask(server, "/dead-letters:retry", {"all": True})
        child = _begun(server, path)
        begin = time.monotonic()
        server.send(signal.SIGTERM)
        assert server.ended() == 0
        assert time.monotonic() - begin < 8
        assert _is_gone(child)
        assert server.tracebacks() == []
    with _servers(migrated_url, tmp_path / "go") as [server]:
        assert _job(server, path)["problem"] == SERVER_ENDED
        # What only waited is done by the next one.
        assert _ended(server, waiting)["state"] == "done"


@pytest.mark.parametrize("is_suspended", [False, True], ids=["alive", "suspended"])
def test_of_two_servers_one_does_a_job(
    migrated_url: str, tmp_path: Path, is_suspended: bool
) -> None:
    with _servers(migrated_url, tmp_path / "go", 2) as servers:
        path = _ask(servers[0], "/verifications", {})
        within(LONG, lambda: _job(servers[0], path)["done"] == 1)
        [worker] = [each for each in servers if _children(each)]
        [other] = [each for each in servers if each is not worker]
        [child] = _children(worker)
        later = _ask(other, "/dead-letters:retry", {"all": True})
        if is_suspended:
            # The other one takes over; the first one finds out, and ends what it does.
            worker.send(signal.SIGSTOP)
            assert _ended(other, later)["state"] == "done"
            worker.send(signal.SIGCONT)
            within(LONG, lambda: _is_gone(child))
            assert _job(other, path)["problem"] == SERVER_ENDED
            return
        time.sleep(2 * LEASE_SECONDS)
        assert (_children(worker), _children(other)) == ([child], [])
        assert _is(other, later, "waiting")
        (tmp_path / "go").touch()
        assert _ended(other, path)["state"] == "done"
        assert _ended(other, later)["state"] == "done"
