"""reconcile: what it prints, how it ends, and that it shows no secret."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from projector.store.database import Database
from tests.cli.conftest import Cli
from tests.support.sources import Shop
from tests.support.voucherify_api import (
    APP_ID,
    APP_TOKEN,
    Reply,
    VoucherifyApi,
    voucherify_api,
)

_FAST = ("--rate", "100000", "--settle", "0")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[VoucherifyApi]:
    """The API, to which the environment leads."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    with voucherify_api() as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def shop(api: VoucherifyApi, empty_database: None, folder: Path) -> Iterator[Shop]:
    """A shop of two customers: one entry is lost, another is in no activity either."""
    with closing(Database(f"sqlite:///{folder / 'projector.db'}")) as database:
        found = Shop(api, database, datetime.now(UTC))
        for number in range(2):
            found.customer(f"cust_{number}")
        found.enter("cust_1", "seg_1", hours_ago=5, delivered=False, remembered=False)
        yield found


def test_it_prints_one_document_and_repairs(cli: Cli, shop: Shop) -> None:
    done = cli("reconcile", "cust_0", "cust_1", *_FAST, "--json")
    assert (done.code, done.err) == (
        1,
        "2 customers: 6 requests or more, 1 s at 100000 a minute. The budget is 10,000.\n",
    )
    [difference] = done.json["differences"]
    assert difference.pop("as_of") < shop.at(0)
    assert difference == {
        "customer_id": "cust_1",
        "project_id": "proj_1",
        "kind": "missing_entry",
        "segment_id": "seg_1",
        "campaign_id": None,
        "ours": "out",
        "theirs": "in",
        "reason": "not_fed",
        "lost_event": None,
        "repaired_by": None,
    }
    assert done.json["run"].startswith("rec_")
    assert {name: done.json[name] for name in ("compared", "agree", "requests", "stopped")} == {
        "compared": 2,
        "agree": 1,
        "requests": 6,
        "stopped": None,
    }
    done = cli("reconcile", "cust_1", *_FAST, "--repair", "--ndjson")
    first, last = map(json.loads, done.out.splitlines())
    assert (done.code, first["repaired_by"]) == (0, "observation")
    assert (last["differences"], last["repaired"], last["remaining"]) == ([], 1, 0)
    found = cli("customer", "cust_1", "--json").json
    assert [each["segment_id"] for each in found["segments"]] == ["seg_1"]
    assert cli("verify", "--json").json["differing"] == 0


def test_it_tells_people_what_came_of_it(cli: Cli, shop: Shop) -> None:
    done = cli("reconcile", "cust_1", "cust_unknown", *_FAST)
    assert done.code == 1
    for words in (
        "missing_entry",
        "not_fed",
        "Compared 2 customers: 1 agree, 0 kept changing, 1 are not there, 0 could not be read.",
        "Differences: 1, repaired 0, remaining 1. Observations filed: 0.",
    ):
        assert words in done.out
    assert cli("reconcile", "cust_0", *_FAST).code == 0


def test_a_dry_run_states_the_cost_and_sends_no_request(cli: Cli, shop: Shop) -> None:
    done = cli("reconcile", "cust_0", "cust_1", "--dry-run", "--json")
    assert (done.code, done.json["customers"], done.json["requests"]) == (0, 2, None)
    done = cli("reconcile", "cust_0", "cust_1", "--dry-run", "--no-tiers")
    assert (
        done.out == "2 customers: 5 requests or more, 5 s at 60 a minute. The budget is 10,000.\n"
    )
    assert cli("reconcile", "--known", "--no-tiers", "--dry-run", "--requests-max", "1").code == 2
    assert shop.api.requests == []


def test_a_file_needs_no_credentials_unless_the_activity_is_read(
    cli: Cli, shop: Shop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROJECTOR_VOUCHERIFY_APP_ID")
    monkeypatch.delenv("PROJECTOR_VOUCHERIFY_APP_TOKEN")
    (folder / "seen").write_text('{"customer_id": "cust_1", "segments": ["seg_1"]}\n')
    asked = ("reconcile", "--project", "proj_1", "--from", "seen", "--observed-at", shop.at(1))
    assert cli(*asked, "--json").json["remaining"] == 1
    done = cli(*asked, "--repair")
    assert (done.code, "No credentials" in done.err) == (2, True)
    done = cli(*asked[:3], "--from", "-", *asked[5:], stdin=(folder / "seen").read_bytes())
    assert done.code == 1
    assert cli(*asked, "--repair", "--no-activity", "--json").json["repaired"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cust_1", "--known"), "Give exactly one of"),
        (("--sample", "0"), "--sample must be 1 to 1,000,000"),
        (("--settle", "soon"), "Invalid duration 'soon'"),
        (("--settle", "2d"), "Invalid duration"),
        (("--settle", "99h"), "--settle (in seconds) must be"),
        (("--margin", "1h"), "--margin (in seconds) must be 0 to 840"),
        (("--repair-max", "1"), "Invalid percentage '1'"),
        (("--repair-max", "101%"), "--repair-max must be 0 to 100"),
        (("--record", "some"), "Invalid --record 'some'"),
        (("--record", "all"), "Without --repair nothing is filed"),
        (("--segments", "a\0"), "Invalid identifier"),
        (("--rate", "0"), "--rate must be"),
        (("--observed-at", "2999-01-01T00:00:00Z"), "it lies in the future"),
        (("--observed-at", "yesterday"), "Invalid timestamp"),
        (("--from", "missing", "--project", "p"), "missing cannot be read"),
        (("--from", "seen"), "Which project is meant?"),
        (("--from", "seen", "--project", "p", "--known"), "--known cannot be used with --from"),
        (("--from", "seen", "--project", "p"), "does not say when it was written in line 1"),
        (("--from", "csv", "--project", "p"), "is CSV: of which segment"),
        (("--project", "proj_2"), "No credentials of Voucherify's API for the project proj_2"),
    ],
)
def test_wrong_usage_sends_no_request_and_changes_nothing(
    cli: Cli, shop: Shop, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    (folder / "seen").write_text('{"customer_id": "cust_1", "segments": []}\n')
    (folder / "csv").write_text("id\ncust_1\n")
    done = cli("reconcile", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err
    assert shop.api.requests == []
    with shop.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM reconciliation").scalar() == 0


@pytest.mark.parametrize(
    ("status", "code"), [(401, 2), (403, 2), (418, 1), (500, 4), (302, 2)], ids=str
)
def test_an_api_that_refuses_is_a_sentence(cli: Cli, shop: Shop, status: int, code: int) -> None:
    shop.api.replies, shop.api.repeats = [Reply(status=status)], True
    done = cli("reconcile", "cust_1", *_FAST, "--repair")
    assert done.code == code
    assert "Traceback" not in done.err
    assert shop.ours("cust_1") == ((), {})


def test_no_secret_is_stored_or_printed(cli: Cli, shop: Shop, folder: Path) -> None:
    shop.api.headers["X-Echo"] = APP_TOKEN
    printed = [
        cli("reconcile", "cust_1", *_FAST, "--repair", "--record", "all", "--json"),
        cli("reconcile", "cust_1", *_FAST),
    ]
    body = json.dumps({"code": 401, "message": f"Bad {APP_TOKEN} of {APP_ID}"}).encode()
    shop.api.replies, shop.api.repeats = [Reply(status=401, body=body)], True
    printed.append(cli("reconcile", "cust_1", *_FAST))
    texts = [*(each.out + each.err for each in printed)]
    stored = [each.read_bytes().decode("latin-1") for each in folder.glob("projector.db*")]
    for secret in (APP_TOKEN, APP_ID):
        assert not any(secret in each for each in texts + stored)
