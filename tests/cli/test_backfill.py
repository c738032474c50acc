"""backfill: what it prints, how it ends, and that it shows no secret."""

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.support.command import PROGRAM, environment
from tests.support.programs import free_port
from tests.support.voucherify_api import (
    APP_ID,
    APP_TOKEN,
    Reply,
    VoucherifyApi,
    entry,
    voucherify_api,
)

_FAST = ("--rate", "100000")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[VoucherifyApi]:
    """The API with two customers, to which the environment leads."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    with voucherify_api() as found:
        for number in range(2):
            at = f"2024-03-0{number + 1}T10:00:00.000Z"
            found.add(f"cust_{number}", entry(f"evcus_{number}", at, customer=f"cust_{number}"))
            found.created[f"cust_{number}"] = "2024-01-01T00:00:00.000Z"
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


def test_it_prints_one_document_and_updates_the_tables(cli: Cli, api: VoucherifyApi) -> None:
    done = cli("backfill", "cust_0", "cust_1", "cust_2", *_FAST, "--json")
    assert done.code == 0
    assert done.json == {
        "customers": 3,
        "fresh": 0,
        "erased": 0,
        "done": 2,
        "absent": 1,
        "failed": 0,
        "requests": 3,
        "read": 2,
        "appended": 2,
        "duplicates": 0,
        "conflicts": 0,
        "quarantined": 0,
        "suppressed": 0,
        "head": 2,
        "stopped": None,
    }
    assert done.err == (
        "3 customers: 3 requests or more, 1 s at 100000 a minute. The budget is 10,000.\n"
    )
    assert cli("customer", "cust_1", "--json").json["segments"][0]["segment_id"] == "seg_1"
    assert cli("verify", "--json").json["differing"] == 0


def test_it_tells_people_what_came_of_it(cli: Cli, api: VoucherifyApi) -> None:
    done = cli("backfill", "--all", *_FAST, "--no-catch-up")
    assert (done.code, done.out) == (
        0,
        "Customers: 2. Read 2, absent 0, failed 0, left out 0 that were read lately. "
        "Requests: 3.\n"
        "Read 2 events: appended 2, duplicates 0, conflicts 0, quarantined 0. "
        "The log is at position 2.\n",
    )
    assert cli("customer", "cust_1").code == 3, "the tables were left as they are"
    assert "None of them exists there" in cli("backfill", "cust_9", *_FAST).out
    api.replies = [Reply(status=429, headers={"X-Rate-Limit-Type": "api_calls_cycle"})]
    stopped = cli("backfill", "cust_0", *_FAST)
    assert stopped.code == 1
    assert "Stopped, because few or no requests of the plan's billing cycle are left" in stopped.out
    api.replies = [Reply(body=b"[]")]
    failed = cli("backfill", "cust_0", *_FAST)
    assert (failed.code, "The table activity has the problems" in failed.out) == (1, True)


def test_a_dry_run_states_the_cost_and_sends_no_request(cli: Cli, api: VoucherifyApi) -> None:
    done = cli("backfill", "cust_0", "shop-7", "--dry-run", "--json", "--rate", "2")
    assert done.json == {
        "customers": 2,
        "fresh": 0,
        "requests": 3,
        "seconds": 90,
        "requests_max": 10_000,
    }
    assert "Only Voucherify knows" in cli("backfill", "--all", "--dry-run").out
    beyond = cli("backfill", "cust_0", "cust_1", "--dry-run", "--requests-max", "1")
    assert (beyond.code, "may make 1" in beyond.err) == (2, True)
    assert api.requests == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--known", "--all"], "exactly one"),
        (["cust_0", "--segment", "seg_1"], "exactly one"),
        (["--customers", "nowhere"], "nowhere"),
        (["--since", "2999-01-01T00:00:00Z"], "lies in the future"),
        (["--since", "2024-01-01"], "Invalid timestamp"),
        (["--unread-since", "2999-01-01T00:00:00Z"], "lies in the future"),
        (["--rate", "0"], "--rate must be"),
        (["--rate", "nan"], "--rate must be"),
        (["--reserve", "100"], "--reserve must be"),
        (["--requests-max", "0"], "--requests-max must be"),
        (["--requests-max", "1.5"], "1.5"),
        (["--workers", "65"], "--workers must be"),
        (["--segment", ""], "Invalid identifier"),
        ([""], "Invalid identifier"),
        (["--project", "proj_2"], "No credentials"),
    ],
)
def test_wrong_usage_sends_no_request_and_creates_no_database(
    cli: Cli, api: VoucherifyApi, folder: Path, options: list[str], words: str
) -> None:
    done = cli("backfill", *options)
    assert (done.code, done.failed_in_a_sentence, api.requests) == (2, True, [])
    assert words in done.err
    assert not (folder / "projector.db").exists()


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"APP_ID": "", "APP_TOKEN": ""}, 2, "No credentials"),
        ({"APP_TOKEN": ""}, 2, "the application's token of the project proj_1 is missing"),
        ({"APP_TOKEN": "proj_1=wrong-token"}, 2, "refuses the credentials: 401"),
        ({"URL": "http://api.voucherify.test"}, 2, "unencrypted"),
        ({"URL": f"http://127.0.0.1:{free_port()}"}, 4, "accepts no connection"),
        ({"APP_ID": APP_ID, "APP_TOKEN": APP_TOKEN}, 2, "Which project"),
    ],
)
def test_a_wrong_set_up_is_explained_without_its_secrets(
    cli: Cli,
    api: VoucherifyApi,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    code: int,
    words: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"PROJECTOR_VOUCHERIFY_{name}", value)
    done = cli("backfill", "cust_0", *_FAST)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    for secret in (APP_TOKEN, APP_ID, "wrong-token"):
        assert secret not in done.err


def test_no_secret_is_stored_or_printed(cli: Cli, api: VoucherifyApi, folder: Path) -> None:
    """Not even by way of a server that repeats what it was sent."""
    echo = json.dumps({"message": f"{APP_ID} {APP_TOKEN}"}).encode()
    api.replies = [Reply(status=500, body=echo)] * 5
    done = cli("backfill", "cust_0", "cust_1", *_FAST, "--workers", "1")
    assert (done.code, "failed 1" in done.out) == (1, True)
    with closing(sqlite3.connect("projector.db")) as connection:
        [(problem,)] = connection.execute("SELECT problem FROM activity WHERE status = 'failed'")
    assert problem == "Voucherify's API failed: it answers with 500, *** ***."
    stored = b"".join(path.read_bytes() for path in folder.iterdir())
    for secret in (APP_TOKEN, APP_ID):
        assert secret not in done.out + done.err
        assert secret.encode() not in stored


def test_the_tables_have_what_was_read_before_an_error(cli: Cli, api: VoucherifyApi) -> None:
    api.replies = [Reply(), Reply(status=403)]
    done = cli("backfill", "cust_0", "cust_1", *_FAST, "--workers", "1")
    assert (done.code, done.out) == (2, "")
    assert cli("status", "--json").json["projections"][0]["position"] == 1


def test_customers_may_come_from_standard_input(cli: Cli, api: VoucherifyApi) -> None:
    done = cli("backfill", "--customers", "-", *_FAST, "--json", stdin=b"cust_0\ncust_1\n")
    assert done.json["done"] == 2


def test_without_the_extra_only_this_command_is_missing(tmp_path: Path, api: VoucherifyApi) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        without = f"import sys; sys.modules['urllib3'] = None; {PROGRAM[-1]}"
        return subprocess.run(
            [sys.executable, "-c", without, *arguments],
            cwd=tmp_path,
            env=environment(**api.environment),
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("backfill", "cust_0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'customer-state-projector[voucherify]'" in done.stderr
    assert run("status").returncode == 0
    assert "backfill" in run("--help").stdout


def test_a_terminal_shows_how_far_it_is(tmp_path: Path, api: VoucherifyApi) -> None:
    api.replies = [Reply(status=429, headers={"Retry-After": "1.5"})]
    reading, writing = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "backfill", "cust_0", *_FAST],
        cwd=tmp_path,
        env=environment(TERM="xterm", **api.environment),
        stdout=subprocess.DEVNULL,
        stderr=writing,
    ) as process:
        os.close(writing)
        shown = b""
        # Linux reports the end of a terminal as an error.
        with suppress(OSError):
            while chunk := os.read(reading, 65536):
                shown += chunk
        os.close(reading)
        assert process.wait() == 0
    text = shown.decode()
    assert "backfilling" in text
    assert "0/1" in text
    assert "1 requests" in text
    assert re.search("waiting [12] s", text)
