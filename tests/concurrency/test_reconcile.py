"""A comparison that repairs: killed at any step, run twice at once, or told to end."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.support.command import PROGRAM, environment
from tests.support.databases import migrated
from tests.support.items import read_log
from tests.support.sources import Shop
from tests.support.voucherify_api import Reply, VoucherifyApi, voucherify_api

_SECONDS_MAX = 60

#: The program, which kills itself before or after the n-th call of one of its functions.
_DYING = """
import itertools, os, signal, sys
from projector.backfill import filing
from projector.reconcile import repairing, run
from projector.store import reconciliations
from projector.voucherify.client import Client

when, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
del sys.argv[1:4]
owner, name = {"request": (Client, "get"), "truth": (filing, "append"),
               "observation": (repairing, "append"), "begin": (reconciliations, "begin"),
               "compare": (run.Run, "_compare_again"), "end": (reconciliations, "end")}[name]
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

_STEPS = [
    (when, name, number)
    for name, number in (
        ("begin", 1),
        ("request", 4),
        ("truth", 1),
        ("compare", 2),
        ("observation", 1),
        ("end", 1),
    )
    for when in ("before", "after")
]


@pytest.fixture
def api() -> Iterator[VoucherifyApi]:
    with voucherify_api() as found:
        yield found


@contextmanager
def _running(
    folder: Path, url: str, api: VoucherifyApi, *options: str, program: tuple[str, ...] = PROGRAM
) -> Iterator[subprocess.Popen[str]]:
    more = ("--repair", "--rate", "100000", "--json", *(options or ("--settle", "0")))
    with subprocess.Popen(
        [*program, "reconcile", "cust_0", "cust_1", *more],
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


@contextmanager
def _shop(url: str, api: VoucherifyApi) -> Iterator[Shop]:
    """A shop with an entry that the activity has, and one that it has not."""
    with migrated(url):
        pass
    with closing(Database(url)) as database:
        shop = Shop(api, database, datetime.now(UTC))
        for number in range(2):
            shop.customer(f"cust_{number}")
            shop.enter(f"cust_{number}", "seg_1", hours_ago=9, delivered=False)
            shop.enter(f"cust_{number}", "seg_2", hours_ago=8, delivered=False, remembered=False)
        yield shop


def _assert_repaired(shop: Shop) -> None:
    """Every answer is the source's, each event is there once, and each gap is counted once."""
    events = read_log(shop.database)
    for number in range(2):
        assert shop.ours(f"cust_{number}") == shop.truth(f"cust_{number}")
        own = [each for each in events if each.customer_id == f"cust_{number}"]
        assert sum(each.type == "customer.segment.entered" for each in own) == 1
    with shop.database.reading() as connection:
        gaps = "SELECT segment_id, gaps FROM segment_membership ORDER BY 1, 2"
        assert connection.exec_driver_sql(gaps).all() == [
            ("seg_1", 0),
            ("seg_1", 0),
            ("seg_2", 1),
            ("seg_2", 1),
        ]


def test_killed_at_each_step_and_run_again_it_ends_as_an_undisturbed_one(
    database_url: str, api: VoucherifyApi, tmp_path: Path
) -> None:
    with _shop(database_url, api) as shop:
        for step in _STEPS:
            if step[1] in ("observation", "end"):
                # They follow what was repaired by then: so lose one entry more.
                at = f"seg_{step[0]}_{step[1]}"
                how = {"delivered": False, "remembered": False}
                shop.enter("cust_0", at, hours_ago=7, **how)
            dying = (sys.executable, "-c", _DYING, *map(str, step))
            with _running(tmp_path, database_url, api, program=dying) as process:
                process.communicate(timeout=_SECONDS_MAX)
            if step[1] not in ("truth", "compare") or process.returncode != 0:
                assert process.returncode == -signal.SIGKILL, step
        with _running(tmp_path, database_url, api) as process:
            _, err = process.communicate(timeout=_SECONDS_MAX)
        assert process.returncode == 0, err
        for number in range(2):
            assert shop.ours(f"cust_{number}") == shop.truth(f"cust_{number}")
        events = read_log(shop.database)
        ids = [(each.project_id, each.event_id) for each in events]
        assert len(ids) == len({*ids})
        with shop.database.reading() as connection:
            gaps = "SELECT segment_id, gaps FROM segment_membership"
            assert all(
                count == (0 if segment_id == "seg_1" else 1)
                for segment_id, count in connection.exec_driver_sql(gaps)
            )


def test_two_at_once_repair_as_one(database_url: str, api: VoucherifyApi, tmp_path: Path) -> None:
    with _shop(database_url, api) as shop:
        with (
            _running(tmp_path, database_url, api) as one,
            _running(tmp_path, database_url, api) as other,
        ):
            outs = [each.communicate(timeout=_SECONDS_MAX) for each in (one, other)]
        assert [each.returncode for each in (one, other)] == [0, 0], outs
        _assert_repaired(shop)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("reply", [None, Reply(drips=(25.0,))], ids=["settling", "a slow answer"])
def test_a_signal_ends_it_at_once_and_the_next_run_repairs(
    migrated_sqlite_url: str,
    api: VoucherifyApi,
    tmp_path: Path,
    reply: Reply | None,
    number: signal.Signals,
) -> None:
    url = migrated_sqlite_url
    with _shop(url, api) as shop:
        api.replies = [] if reply is None else [*[Reply()] * 3, reply]
        with _running(tmp_path, url, api, "--settle", "10m", "--workers", "1") as process:
            within(_SECONDS_MAX, lambda: len(api.requests) >= (6 if reply is None else 4))
            # Until the answer is there.
            time.sleep(0.3)
            begin = time.monotonic()
            process.send_signal(number)
            out, err = process.communicate(timeout=_SECONDS_MAX)
            seconds = time.monotonic() - begin
        assert process.returncode == 1, err
        report = json.loads(out)
        assert (report["stopped"], report["repaired"]) == ("interrupted", 0)
        assert "Traceback" not in err
        assert seconds < 5
        print(f"ended after {seconds:.2f} s")
        with _running(tmp_path, url, api) as process:
            process.communicate(timeout=_SECONDS_MAX)
        assert process.returncode == 0
        _assert_repaired(shop)
