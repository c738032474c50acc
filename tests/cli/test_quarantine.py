"""`quarantine`: what could not be filed is listed, shown, and read again after a fix."""

import base64
import json
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.cli.conftest import Cli, Write
from tests.support.command import Done
from tests.support.given import created, delivery, entered, in_shape

MONDAY = "2024-03-04T10:00:00Z"
_KNOWN = entered("cust_9", "seg_1", at=MONDAY, id="e9")
_OTHER = entered("cust_9", "seg_2", at=MONDAY, id="e9")


def _unfiled(number: int) -> dict[str, Any]:
    """A delivery that does not tell its project."""
    return in_shape("activity", created(f"cust_{number}", at=MONDAY, id=f"e{number}"))


@pytest.fixture
def full(cli: Cli, write: Write) -> Cli:
    """The command, with six entries of four reasons in the quarantine."""
    file = write(
        _unfiled(1), _KNOWN, b"{", _unfiled(2), b"\xff\x00\xfe", _OTHER, b'{"tab":\t"\\u00e9"'
    )
    assert cli("ingest", file, "--json").json["quarantined"] == 5
    return cli


_REASONS = [
    (1, "missing_project"), (2, "broken_json"), (3, "missing_project"), (4, "not_utf8"),
    (5, "conflict"), (6, "broken_json"),
]  # fmt: skip
_COUNTS = {"broken_json": 2, "conflict": 1, "missing_project": 2, "not_utf8": 1}


def _listed(done: Done) -> list[tuple[int, str]]:
    assert done.code == 0
    return [(each["quarantine_id"], each["reason"]) for each in done.json["quarantine"]]


def test_the_list_has_its_keys_in_their_order(full: Cli) -> None:
    found = full("quarantine", "list", "--json").json
    assert list(found) == ["quarantine", "counts", "next"]
    assert list(found["quarantine"][0]) == [
        "quarantine_id", "reason", "detail", "project_id", "event_id", "received_at",
        "resolved_at", "resolved_position",
    ]  # fmt: skip
    assert list(found["counts"].items()) == list(_COUNTS.items())
    assert found["next"] is None


def test_the_command_alone_lists(full: Cli) -> None:
    assert _listed(full("quarantine", "--json")) == sorted(_reasons(full))
    assert full("quarantine").out == full("quarantine", "list").out
    assert full("quarantine", "--limit", "1").out == full("quarantine", "list", "--limit", "1").out


def _reasons(cli: Cli) -> list[tuple[int, str]]:
    return _listed(cli("quarantine", "list", "--json"))


def test_entries_are_listed_in_the_order_in_which_they_came_page_by_page(full: Cli) -> None:
    everyone = _reasons(full)
    assert sorted(reason for _, reason in everyone) == sorted(reason for _, reason in _REASONS)
    found: list[tuple[int, str]] = []
    sizes: list[int] = []
    cursor: list[str] = []
    while True:
        done = full("quarantine", "list", "--limit", "4", *cursor, "--json")
        found += _listed(done)
        sizes.append(len(done.json["quarantine"]))
        assert done.json["counts"] == _COUNTS
        if done.json["next"] is None:
            break
        cursor = ["--after", done.json["next"]]
    assert (found, sizes) == (everyone, [4, 2])
    assert full("quarantine", "list", "--limit", "6", "--json").json["next"] is None
    assert "For the next page: --after " in full("quarantine", "list", "--limit", "4").out


def test_the_entries_of_a_reason_are_listed(full: Cli) -> None:
    for reason, count in _COUNTS.items():
        found = _listed(full("quarantine", "list", "--reason", reason, "--json"))
        assert [each for _, each in found] == [reason] * count
    assert _listed(full("quarantine", "list", "--reason", "none_such", "--json")) == []
    first = full("quarantine", "list", "--reason", "broken_json", "--limit", "1", "--json")
    rest = full("quarantine", "--reason", "broken_json", "--after", first.json["next"], "--json")
    assert len(_listed(first)) == len(_listed(rest)) == 1
    assert _listed(first) < _listed(rest)
    assert rest.json["next"] is None


def test_resolved_quarantine_entries_are_listed_on_request_and_not_counted(full: Cli) -> None:
    everyone = _reasons(full)
    waiting = [each for each in everyone if each[1] != "missing_project"]
    full("quarantine", "retry", "--reason", "missing_project", "--project", "proj_1")
    assert _reasons(full) == waiting
    done = full("quarantine", "list", "--resolved", "--json")
    assert _listed(done) == everyone
    assert "missing_project" not in done.json["counts"]
    assert "missing_project" not in full("status", "--json").json["quarantine"]
    positions = {
        each["reason"]: each["resolved_position"]
        for each in done.json["quarantine"]
        if each["resolved_at"] is not None
    }
    assert positions == {"missing_project": 3}
    assert "resolved by" in full("quarantine", "list", "--resolved").out
    assert "resolved by" not in full("quarantine", "list").out


def test_people_see_what_waits_and_how_to_see_more_of_it(full: Cli) -> None:
    out = full("quarantine").out
    for said in (*_COUNTS, "The event stands at position 1", "quarantine show ID", "e9"):
        assert said in out


def test_in_a_terminal_of_a_hundred_columns_no_word_is_cut(
    full: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    out = full("quarantine").out
    assert max(map(len, out.splitlines())) <= 100
    for said in ("missing_project", ":", "readable"):
        assert said in out
    received = full("quarantine", "--json").json["quarantine"][0]["received_at"]
    assert f"{received[:10]} {received[11:19]}Z" in out


@pytest.mark.usefixtures("empty_database")
def test_the_list_of_an_empty_quarantine_says_so(cli: Cli) -> None:
    assert cli("quarantine").out == "No entries are waiting in the quarantine.\n"
    assert cli("quarantine", "--json").json == {"quarantine": [], "counts": {}, "next": None}


def test_an_entry_is_shown_byte_for_byte(full: Cli) -> None:
    bodies = {
        "missing_project": json.dumps(_unfiled(1)).encode(),
        "conflict": json.dumps(_OTHER).encode(),
        "not_utf8": b"\xff\x00\xfe",
    }
    for number, reason in _reasons(full):
        found = full("quarantine", "show", str(number), "--json").json
        assert (found["quarantine_id"], found["reason"]) == (number, reason)
        body, encoded = found["body"], found["body_base64"]
        assert (body is None) != (encoded is None)
        assert (encoded is not None) is (reason == "not_utf8")
        raw = base64.b64decode(encoded) if body is None else body.encode()
        if reason in bodies:
            assert raw == bodies.pop(reason)
    assert bodies == {}


def test_an_entry_has_its_keys_in_their_order(cli: Cli, write: Write) -> None:
    cli("ingest", write(b"{"), "--project", "proj_1", "--occurred-at", MONDAY)
    found = cli("quarantine", "show", "1", "--json").json
    assert list(found) == [
        "quarantine_id", "reason", "detail", "project_id", "event_id", "received_at",
        "resolved_at", "resolved_position", "defaults", "body", "body_base64",
    ]  # fmt: skip
    assert found["defaults"] == {
        "project_id": "proj_1",
        "type": None,
        "occurred_at": "2024-03-04T10:00:00.000Z",
        "customer_id": None,
    }
    assert (found["body"], found["body_base64"]) == ("{", None)


def test_people_are_shown_an_entry_too(full: Cli) -> None:
    shown = {
        reason: full("quarantine", "show", str(number)).out for number, reason in _reasons(full)
    }
    assert json.dumps(_OTHER) in shown["conflict"]
    assert "stands at position 1" in shown["conflict"]
    assert "project: proj_1" in shown["conflict"]
    assert base64.b64encode(b"\xff\x00\xfe").decode() in shown["not_utf8"]
    assert "resolved" not in shown["missing_project"]


@pytest.mark.parametrize("number", ["7", "0", "99999999999999999999999999"])
def test_an_unknown_entry_ends_with_3(full: Cli, number: str) -> None:
    for command in (["show", number], ["show", number, "--json"], ["retry", number]):
        done = full("quarantine", *command)
        assert done.code == 3
        assert done.failed_in_a_sentence
        assert number in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["retry"], id="nothing to retry"),
        pytest.param(["retry", "--project", "proj_1"], id="nothing to retry, with a project"),
        pytest.param(["retry", "1", "--all"], id="ids and all"),
        pytest.param(["retry", "1", "--reason", "conflict"], id="ids and a reason"),
        pytest.param(["retry", "--all", "--reason", "conflict"], id="all and a reason"),
        pytest.param(["retry", "1", "--all", "--reason", "conflict"], id="all three"),
        pytest.param(["retry", "one"], id="an id that is no number"),
        pytest.param(["retry", "--all", "--project", ""], id="empty project"),
        pytest.param(["retry", "--all", "--type", "x" * 201], id="long type"),
        pytest.param(["retry", "--all", "--occurred-at", "2024-03-04"], id="no time"),
        pytest.param(["retry", "--reason", ""], id="retry of an empty reason"),
        pytest.param(["retry", "--reason", "\udcff"], id="retry of a reason that is no text"),
        pytest.param(["list", "--reason", "\udcff"], id="a reason that is no text"),
        pytest.param(["list", "--limit", "0"], id="no entries"),
        pytest.param(["list", "--limit", "10001"], id="too many entries"),
        pytest.param(["list", "--after", "nonsense"], id="no cursor"),
        pytest.param(["list", "--after", "Wy0xXQ"], id="a cursor before all"),
        pytest.param(["show"], id="show nothing"),
        pytest.param(["show", "1", "2"], id="show two"),
        pytest.param(["1"], id="an id alone"),
    ],
)
def test_wrong_usage_ends_with_2_and_changes_nothing(full: Cli, arguments: list[str]) -> None:
    before = full("quarantine", "--resolved", "--json").out
    done = full("quarantine", *arguments)
    assert done.code == 2, done.err
    assert done.failed_in_a_sentence
    assert full("quarantine", "--resolved", "--json").out == before


def test_retrying_the_quarantine_prints_the_result(full: Cli) -> None:
    found = full("quarantine", "retry", "--all", "--project", "proj_1", "--json").json
    reasons = {"broken_json": 2, "conflict": 1, "not_utf8": 1}
    assert list(found.items()) == [
        ("tried", 6), ("resolved", 2), ("suppressed", 0), ("waiting", 4), ("reasons", reasons),
    ]  # fmt: skip
    assert full("quarantine", "--json").json["counts"] == reasons
    again = full("quarantine", "retry", "--all", "--project", "proj_1")
    assert "Tried 4: resolved 0, waiting 4." in again.out
    assert "broken_json" in again.out
    assert again.err == ""


def test_a_retried_delivery_is_projected(full: Cli) -> None:
    ids = [str(number) for number, reason in _reasons(full) if reason == "missing_project"]
    assert full("customer", "cust_1").code == 3
    done = full("quarantine", "retry", *ids, "--project", "proj_1")
    assert done.out == "Tried 2: resolved 2, waiting 0.\n"
    for customer in ("cust_1", "cust_2"):
        assert full("customer", customer, "--json").json["complete"] is True
    assert {each["lag"] for each in full("status", "--json").json["projections"]} == {0}


def test_the_defaults_of_a_retry_apply_to_deliveries_without_these_values(
    cli: Cli, write: Write
) -> None:
    bare = {"customer": {"id": "cust_1", "name": "Ada"}}
    cli("ingest", write(bare))
    told = ["--type", "customer.created", "--occurred-at", MONDAY, "--project", "proj_1"]
    assert cli("quarantine", "retry", "--all", *told, "--json").json["resolved"] == 1
    answer = cli("customer", "cust_1", "--json").json
    assert (answer["name"], answer["last_event_at"]) == ("Ada", "2024-03-04T10:00:00.000Z")


def test_entries_of_another_customer_than_the_callers_wait_with_the_caller_shown(
    cli: Cli, write: Write
) -> None:
    told = ["--project", "proj_1", "--customer", "cust_2"]
    assert cli("ingest", write(_unfiled(1)), *told, "--json").json["quarantined"] == 1
    assert cli("quarantine", "--json").json["counts"] == {"other_customer": 1}
    assert "default customer: cust_2" in cli("quarantine", "show", "1").out
    done = cli("quarantine", "retry", "--all", "--customer", "cust_1", "--json").json
    assert done["reasons"] == {"other_customer": 1}, "the first caller's word stands"


def test_a_retry_names_the_customer_of_entries_without_one(cli: Cli, write: Write) -> None:
    nameless = in_shape("activity", delivery("customer.created", None, at=MONDAY))
    cli("ingest", write(nameless))
    told = ["--project", "proj_1", "--customer", "cust_1"]
    assert cli("quarantine", "retry", "--all", *told, "--json").json["resolved"] == 1
    assert cli("customer", "cust_1").code == 0


def test_the_quarantine_on_postgres(cli: Cli, write: Write, postgres_url: str) -> None:
    url = ("--db", str(make_url(postgres_url).set(drivername="postgresql")))
    cli("migrate", *url)
    cli("ingest", write(_unfiled(1), b"{"), *url)
    assert cli("quarantine", *url, "--json").json["counts"] == {
        "broken_json": 1, "missing_project": 1,
    }  # fmt: skip
    assert cli("quarantine", "show", str(2**70), *url).code == 3
    done = cli("quarantine", "retry", "--all", "--project", "proj_1", *url, "--json").json
    assert (done["resolved"], done["waiting"]) == (1, 1)
    assert cli("customer", "cust_1", *url).code == 0


def test_deliveries_do_not_steer_the_terminal(cli: Cli, write: Write) -> None:
    cli("ingest", write(b'{"id": "\x1b]0;owned\x07'))
    for command in (["quarantine"], ["quarantine", "show", "1"]):
        assert "\x1b" not in cli(*command).out
    assert "owned" in cli("quarantine", "show", "1").out
