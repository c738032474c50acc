"""`forget` asks, erases, and says what; `forgotten` says what was erased, and not of whom."""

import json
from pathlib import Path

import pytest

from projector.errors import PurgeIncomplete
from projector.store.erasure import purge
from tests.cli.conftest import Cli, Write
from tests.support.forgetting import MONDAY, NEEDLES, others, seven
from tests.support.given import created, deleted

_KEYS = [
    *("erasure_id", "position", "erased_at", "reference", "customers", "events", "rows"),
    *("dead_letters", "duplicates", "quarantined", "suppressed", "mentions", "purged"),
    *("purge_problem", "already"),
]


@pytest.fixture
def filled(cli: Cli, write: Write, empty_database: None) -> None:
    events = [*seven(), *others(), b'{"customer": "cust_7"']
    assert cli("ingest", write(*events)).code == 0


@pytest.mark.usefixtures("filled")
def test_a_customer_is_forgotten(cli: Cli) -> None:
    trial = cli("forget", "cust_7", "--dry-run", "--json").json
    done = cli("forget", "cust_7", "--reference", "T-1", "--yes", "--scan", "--json")
    assert done.code == 0
    assert [*done.json] == [*trial] == _KEYS
    assert (done.json["erasure_id"], done.json["reference"], done.json["purged"]) == (
        1,
        "T-1",
        True,
    )
    assert done.json["mentions"] == []
    counted = ("customers", "events", "rows", "dead_letters", "quarantined", "suppressed")
    assert [done.json[each] for each in counted] == [trial[each] for each in counted]
    assert trial["erasure_id"] is None
    assert trial["mentions"] is None
    again = cli("forget", "cust_7", "--yes", "--json")
    assert (again.code, again.json["already"]) == (0, 1)
    assert cli("forget", "cust_7", "--yes").out == "Erased already, by erasure 1.\n"
    assert cli("customer", "cust_7").code == 3
    shown = cli("forgotten", "1", "--json").json
    assert (shown["position"], shown["customers"]) == (done.json["position"], 1)
    assert shown["positions"][0][0] == 1
    listed = cli("forgotten", "--json").json
    assert listed["erasures"] == [{key: shown[key] for key in listed["erasures"][0]}]
    assert listed["suppressed"] == done.json["suppressed"]
    for each in (done, cli("forgotten"), cli("forgotten", "1"), cli("forgotten", "--export")):
        assert each.code == 0
        assert not any(needle in each.out for needle in NEEDLES)


@pytest.mark.usefixtures("filled")
def test_without_a_terminal_it_must_be_confirmed(cli: Cli) -> None:
    refused = cli("forget", "cust_7")
    assert refused.code == 2
    assert refused.failed_in_a_sentence
    assert "--yes" in refused.err
    assert cli("forgotten").out == "Nothing was erased.\n"


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("no\n", 2), ("", 2)])
def test_on_a_terminal_it_asks(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr("projector.cli.commands.forget._is_terminal", lambda: True)
    done = cli("forget", "cust_7", stdin=answer.encode())
    assert done.code == code
    assert "Would erase 1 customers, 11 events" in done.err
    assert "[y/N]" in done.err
    assert len(cli("forgotten", "--json").json["erasures"]) == int(code == 0)


@pytest.mark.usefixtures("filled")
def test_other_events_that_name_the_person_are_an_exit_code(cli: Cli, write: Write) -> None:
    friend = created("cust_8", at=MONDAY, metadata={"friend": "Ada Seven"})
    cli("ingest", write(friend, name="more"))
    done = cli("forget", "cust_7", "--also", "ada seven", "--also", "Nobody", "--scan", "--yes")
    assert done.code == 1
    assert "Events of others that name the person, and stay: at" in done.out


@pytest.mark.usefixtures("filled")
def test_what_is_not_purged_is_an_exit_code(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(database: object) -> None:
        raise PurgeIncomplete(url=database, reason="a reader needs it.")

    monkeypatch.setattr(purge, "purge", fail)
    done = cli("forget", "cust_7", "--yes", "--json")
    assert (done.code, done.json["purged"], done.json["events"]) == (1, False, len(seven()))
    assert "a reader needs it." in done.json["purge_problem"]


@pytest.mark.usefixtures("filled")
def test_the_sender_s_deletions_are_carried_out(cli: Cli, write: Write) -> None:
    cli("ingest", write(deleted("cust_1", at=MONDAY), name="more"))
    assert cli("forget", "--deleted-for", "100000", "--yes").code == 2
    done = cli("forget", "--deleted-for", "30", "--yes", "--json")
    assert [each["customers"] for each in done.json["erasures"]] == [1]
    assert cli("forget", "--deleted-for", "30", "--yes", "--json").json == {"erasures": []}
    assert cli("forget", "--deleted-for", "30", "--yes").out == "Nothing to erase.\n"


@pytest.mark.usefixtures("filled")
def test_a_backup_forgets_by_the_list(cli: Cli, folder: Path) -> None:
    backup = (folder / "projector.db").read_bytes()
    cli("forget", "cust_7", "--yes")
    exported = cli("forgotten", "--export").out
    assert json.loads(exported.splitlines()[0])["type"] == "key"
    (folder / "erased.ndjson").write_text(exported)
    (folder / "projector.db").write_bytes(backup)
    done = cli("forget", "--from", "erased.ndjson", "--yes", "--json")
    assert [each["customers"] for each in done.json["erasures"]] == [1]
    assert cli("forget", "--from", "erased.ndjson", "--yes", "--json").json == {"erasures": []}
    assert cli("forget", "--from", "missing", "--yes").code == 2


@pytest.mark.usefixtures("filled")
def test_a_suppression_is_lifted_or_expires(cli: Cli) -> None:
    cli("forget", "cust_7", "--yes")
    cli("forget", "cust_1", "--yes")
    assert cli("forgotten", "--allow", "cust_7", "--json").json == {"allowed": 1}
    assert cli("forgotten", "--allow", "cust_7").code == 3
    assert cli("status", "--json").json["erased"]["unpurged"] == 0
    done = cli("forget", "--suppress-days", "0")
    assert done.code == 0
    assert "Dropped" in done.err
    assert cli("forgotten", "--json").json["suppressed"] == 0


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["forget"], 2),
        (["forget", "cust_7", "--from", "x", "--yes"], 2),
        (["forget", "--position", "1", "--deleted-for", "3", "--yes"], 2),
        (["forget", "cust_9", "--yes"], 3),
        (["forget", "cust_7", "--reference", "for cust_7", "--yes"], 2),
        (["forget", "cust_7", "--reference", "for ADA SEVEN", "--yes"], 2),
        (["forget", "--position", "1", "--yes"], 2),
        (["forget", "cust_7", "--also", '" "', "--yes"], 2),
        (["forget", "cust_7", "--also", "id", "--yes"], 2),
        (["forget", "cust_7", "--suppress-days", "-3", "--yes"], 2),
        (["forget", "--deleted-for", "0", "--also", "Ada Seven", "--yes"], 2),
        (["forget", "--from", "x", "--project", "proj_2", "--yes"], 2),
        (["forget", "--suppress-days", "0", "--project", "proj_2"], 2),
        (["forgotten", "7"], 3),
        (["forgotten", "1", "--export"], 2),
        (["forgotten", "--allow", "nobody"], 3),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else str(each),
)
def test_wrong_usage_is_told_in_a_sentence(cli: Cli, arguments: list[str], code: int) -> None:
    done = cli(*arguments)
    assert done.code == code
    assert done.failed_in_a_sentence
    assert cli("forgotten").out == "Nothing was erased.\n"
