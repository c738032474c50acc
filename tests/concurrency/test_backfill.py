"""A backfill that is killed at any step, run twice at once, or told to end."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.concurrency.story import is_sqlite, tables_of
from tests.support.command import PROGRAM, environment
from tests.support.databases import migrated
from tests.support.items import read_log
from tests.support.voucherify_api import Reply, VoucherifyApi, entry, voucherify_api

_EVENTS = 40
_PAGE = 2
_SECONDS_MAX = 60

#: The program, which kills itself before or after the n-th call of one of its functions.
_DYING = """
import itertools, os, signal, sys
from projector.backfill import filing
from projector.store import activity
from projector.voucherify.client import Client

when, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
del sys.argv[1:4]
owner, name = {"request": (Client, "get"), "append": (filing, "append"),
               "save": (activity, "save")}[name]
function, calls = getattr(owner, name), itertools.count(1)

def dying(*arguments, **more):
    call = next(calls)
    if call == number and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done = function(*arguments, **more)
    if call == number and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return done

setattr(owner, name, dying)
from projector.cli import main
main()
"""

_STEPS = [(when, name) for name in ("request", "append", "save") for when in ("before", "after")]


@pytest.fixture
def api() -> Iterator[VoucherifyApi]:
    with voucherify_api() as found:
        found.page_max = _PAGE
        for number in range(3):
            customer = f"cust_{number}"
            found.add(customer, *(_event(customer, each) for each in range(_EVENTS)))
        yield found


def _event(customer: str, number: int) -> dict[str, object]:
    kind = "customer.segment.left" if number % 2 else "customer.segment.entered"
    at = f"2024-03-01T10:{number:02}:00.000Z"
    return entry(f"evcus_{customer}_{number:02}", at, kind, customer=customer)


@contextmanager
def _running(
    folder: Path, url: str, api: VoucherifyApi, *options: str, program: tuple[str, ...] = PROGRAM
) -> Iterator[subprocess.Popen[str]]:
    more = ("--rate", "100000", "--json", *options)
    with subprocess.Popen(
        [*program, "backfill", "cust_0", "cust_1", "cust_2", *more],
        cwd=folder,
        env=environment(PROJECTOR_DATABASE_URL=url, **api.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _prepare(url: str) -> None:
    if not is_sqlite(url):
        with migrated(url):
            pass


def _assert_complete(url: str, api: VoucherifyApi) -> None:
    """The log has each event once, and each customer's in their order."""
    with closing(Database(url)) as database:
        logged = read_log(database)
    for customer, entries in api.activity.items():
        ours = [each.event_id for each in logged if each.customer_id == customer]
        assert ours == [each["id"] for each in entries]
    assert len(logged) == 3 * _EVENTS


def test_killed_at_each_step_and_run_again_it_ends_as_an_undisturbed_one(
    database_url: str, api: VoucherifyApi, tmp_path: Path
) -> None:
    _prepare(database_url)
    for when, name in _STEPS:
        for number in (1, 3):
            dying = (sys.executable, "-c", _DYING, when, name, str(number))
            with _running(tmp_path, database_url, api, program=dying) as process:
                process.communicate(timeout=_SECONDS_MAX)
            assert process.returncode == -signal.SIGKILL, (when, name, number)
    with _running(tmp_path, database_url, api) as process:
        out, _ = process.communicate(timeout=_SECONDS_MAX)
    assert process.returncode == 0
    assert json.loads(out)["done"] == 3
    _assert_complete(database_url, api)
    undisturbed = f"sqlite:///{tmp_path / 'undisturbed.db'}"
    with _running(tmp_path, undisturbed, api) as process:
        process.communicate(timeout=_SECONDS_MAX)
    if is_sqlite(database_url):
        assert tables_of(database_url) == tables_of(undisturbed)


def test_two_at_once_file_each_event_once(
    database_url: str, api: VoucherifyApi, tmp_path: Path
) -> None:
    with migrated(database_url):
        pass
    with (
        _running(tmp_path, database_url, api) as one,
        _running(tmp_path, database_url, api) as other,
    ):
        outs = [each.communicate(timeout=_SECONDS_MAX) for each in (one, other)]
    assert [each.returncode for each in (one, other)] == [0, 0], outs
    reports = [json.loads(out) for out, _ in outs]
    assert sum(each["appended"] for each in reports) == 3 * _EVENTS
    assert sum(each["conflicts"] + each["quarantined"] for each in reports) == 0
    _assert_complete(database_url, api)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=429, headers={"Retry-After": "500"}),
        Reply(drips=(25.0,)),
    ],
    ids=["a wait", "a slow answer"],
)
def test_a_signal_ends_it_at_once_and_the_next_run_goes_on(
    migrated_sqlite_url: str,
    api: VoucherifyApi,
    tmp_path: Path,
    reply: Reply,
    number: signal.Signals,
) -> None:
    url = migrated_sqlite_url
    api.replies = [*[Reply()] * 9, reply]
    with _running(tmp_path, url, api, "--workers", "1") as process:
        within(_SECONDS_MAX, lambda: len(api.requests) >= 10)
        # Until the answer is there.
        time.sleep(0.3)
        begin = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=_SECONDS_MAX)
        seconds = time.monotonic() - begin
    assert process.returncode == 1
    report = json.loads(out)
    assert (report["stopped"], report["appended"], report["requests"]) == ("interrupted", 18, 10)
    assert "Traceback" not in err
    assert seconds < 5
    print(f"ended after {seconds:.2f} s")
    with _running(tmp_path, url, api) as process:
        process.communicate(timeout=_SECONDS_MAX)
    assert process.returncode == 0
    _assert_complete(url, api)
