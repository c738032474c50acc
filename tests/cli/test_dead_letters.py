"""`dead-letters`: what could not be folded is listed, shown, and folded anew after a fix."""

import json

import pytest
from sqlalchemy import make_url

from projector.app import projector as app
from projector.facts import codec
from projector.facts.events import CustomerFact, SegmentEntered, UndecodableFact
from tests.cli.conftest import Cli, Write
from tests.support.command import Done
from tests.support.given import created, delivery, entered, joined, left, upgraded
from tests.support.oracle import FUSSY

MONDAY, TUESDAY = "2024-03-04T10:00:00Z", "2024-03-05T10:00:00Z"
_BAD_SEGMENT = entered("cust_1", {"name": "of no id"}, at=MONDAY, id="bad")
_BAD_TIER = upgraded("cust_2", "ltr_1", None, at=TUESDAY)
_OF_NOBODY = delivery("customer.segment.left", None, at=MONDAY, segment={"id": "seg_1"})
_LETTERS = [
    ("customer", 5), ("loyalty_tier", 4), ("loyalty_tier_history", 4), ("segment_membership", 2),
    ("segment_membership", 5), ("segment_membership_history", 2), ("segment_membership_history", 5),
]  # fmt: skip


@pytest.fixture
def full(cli: Cli, write: Write) -> Cli:
    """The command, with three dead letters of several projections."""
    good = created("cust_1", at=MONDAY), joined("cust_2", "ltr_1", at=MONDAY)
    cli("ingest", write(good[0], _BAD_SEGMENT, good[1], _BAD_TIER, _OF_NOBODY))
    return cli


def _listed(done: Done) -> list[tuple[str, int]]:
    assert done.code == 0
    return [
        (refusal["projection"], each["position"])
        for each in done.json["dead_letters"]
        for refusal in each["failures"]
    ]


def test_the_list_has_its_keys_in_their_order(full: Cli) -> None:
    found = full("dead-letters", "list", "--json").json
    assert list(found) == ["dead_letters", "counts", "next"]
    assert list(found["dead_letters"][0]) == [
        "position", "project_id", "customer_id", "event_id", "type", "occurred_at", "failures",
    ]  # fmt: skip
    assert list(found["dead_letters"][0]["failures"][0]) == ["projection", "reason"]
    assert list(found["counts"][0]) == ["projection", "reason", "count"]
    assert found["next"] is None


def test_the_command_alone_lists(full: Cli) -> None:
    assert _listed(full("dead-letters", "--json")) == _LETTERS
    assert full("dead-letters").out == full("dead-letters", "list").out


def test_letters_are_counted_by_projection_and_reason(full: Cli) -> None:
    counts = full("dead-letters", "--limit", "1", "--json").json["counts"]
    by_projection = {
        name: sum(each["count"] for each in counts if each["projection"] == name)
        for name, _ in _LETTERS
    }
    status = full("status", "--json").json["projections"]
    assert by_projection == {each["name"]: each["dead_letters"] for each in status}
    reasons = {each["reason"] for each in counts if each["projection"] == "segment_membership"}
    assert len(reasons) == 2
    assert "The event names no customer." in reasons


def test_letters_are_listed_page_by_page(full: Cli) -> None:
    found: list[tuple[str, int]] = []
    sizes: list[int] = []
    cursor: list[str] = []
    while True:
        done = full("dead-letters", "list", "--limit", "4", *cursor, "--json")
        found += _listed(done)
        sizes.append(len(done.json["dead_letters"]))
        if done.json["next"] is None:
            break
        cursor = ["--after", done.json["next"]]
    assert (found, sizes) == (_LETTERS, [4, 3])
    assert "For the next page: --after " in full("dead-letters", "--limit", "4").out


def test_the_letters_of_a_projection_are_listed(full: Cli) -> None:
    mine = ("dead-letters", "--projection", "segment_membership", "--json")
    first = full(*mine, "--limit", "1")
    rest = full(*mine, "--after", first.json["next"])
    assert _listed(first) + _listed(rest) == _LETTERS[3:5]
    assert {each["projection"] for each in first.json["counts"]} == {"segment_membership"}
    assert rest.json["next"] is None


def test_people_see_the_reasons_and_how_to_see_more(full: Cli) -> None:
    out = full("dead-letters").out
    for said in (
        "The event names no customer.",
        "`$.loyalty_tier_to`",
        "cust_2",
        "dead-letters show POSITION",
    ):
        assert said in out


def test_in_a_terminal_of_a_hundred_columns_no_word_is_cut(
    cli: Cli, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    customer_id = "cust_Priya6nRb4HzKt9XwLm3Gs7Jq"
    cli("ingest", write(entered(customer_id, {}, at=MONDAY)))
    out = cli("dead-letters").out
    assert max(map(len, out.splitlines())) <= 100
    for said in (customer_id, "segment_membership_history", "2024-03-04 10:00:00Z"):
        assert said in out


@pytest.mark.usefixtures("empty_database")
def test_the_list_of_no_dead_letters_says_so(cli: Cli) -> None:
    assert cli("dead-letters").out == "There are no dead letters.\n"
    assert cli("dead-letters", "--json").out == '{"dead_letters":[],"counts":[],"next":null}\n'


def test_a_letter_is_shown_with_its_body(full: Cli) -> None:
    found = full("dead-letters", "show", "2", "--json").json
    assert list(found) == [
        "position", "project_id", "customer_id", "event_id", "type", "occurred_at", "failures",
        "received_at", "source", "body",
    ]  # fmt: skip
    assert found["body"] == json.dumps(_BAD_SEGMENT)
    assert [each["projection"] for each in found["failures"]] == [
        name for name, position in _LETTERS if position == 2
    ]
    out = full("dead-letters", "show", "2").out
    for said in (json.dumps(_BAD_SEGMENT), "customer: cust_1", "failed in segment_membership: "):
        assert said in out


@pytest.mark.parametrize("position", ["1", "6", "0", "99999999999999999999999999"])
def test_a_position_of_no_dead_letter_ends_with_3(full: Cli, position: str) -> None:
    for command in (["show", position], ["show", position, "--json"], ["retry", "2", position]):
        done = full("dead-letters", *command)
        assert done.code == 3
        assert done.failed_in_a_sentence
        assert position in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["retry"], id="nothing to retry"),
        pytest.param(["retry", "2", "--all"], id="positions and all"),
        pytest.param(["retry", "two"], id="a position that is no number"),
        pytest.param(["list", "--projection", "custommer"], id="unknown projection"),
        pytest.param(["list", "--projection", "\udcff"], id="projection that is no text"),
        pytest.param(["list", "--limit", "0"], id="no letters"),
        pytest.param(["list", "--after", "nonsense"], id="no cursor"),
        pytest.param(["list", "--after", "WzJd"], id="the cursor of another list"),
        pytest.param(["show"], id="show nothing"),
        pytest.param(["2"], id="a position alone"),
    ],
)
@pytest.mark.usefixtures("empty_database")
def test_wrong_usage_ends_with_2(cli: Cli, arguments: list[str]) -> None:
    done = cli("dead-letters", *arguments)
    assert done.code == 2, done.err
    assert done.failed_in_a_sentence


def test_retrying_dead_letters_without_a_fix_leaves_all_waiting(full: Cli) -> None:
    before = full("dead-letters", "--json").out
    found = full("dead-letters", "retry", "--all", "--json").json
    assert list(found.items()) == [("tried", 7), ("resolved", 0), ("waiting", 7)]
    assert full("dead-letters", "retry", "2").out == "Tried 2: resolved 0, waiting 2.\n"
    assert full("dead-letters", "--json").out == before


@pytest.mark.parametrize("asked", [["--all"], ["1", "2"]], ids=["all", "positions"])
def test_after_a_fix_of_the_fold_the_answers_are_complete(
    cli: Cli, write: Write, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(app, "discover", lambda: FUSSY)
        cli("ingest", write(*(left(f"cust_{n}", "seg_1", at=MONDAY) for n in (1, 2))))
    assert cli("customer", "cust_1", "--json").json["complete"] is False
    done = cli("dead-letters", "retry", *asked)
    assert done.out == "Tried 2: resolved 2, waiting 0.\n"
    answer = cli("customer", "cust_1", "--json").json
    assert (answer["complete"], answer["gaps"]) == (True, 1)
    assert cli("dead-letters").out == "There are no dead letters.\n"


def test_after_a_fix_of_the_decoder_the_rows_are_those_of_a_rebuild(
    cli: Cli, write: Write, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = ("--db", str(make_url(postgres_url).set(drivername="postgresql")))
    cli("migrate", *url)
    with monkeypatch.context() as patched:
        patched.setattr(codec, "decode_body", _refuse)
        cli("ingest", write(entered("cust_1", "seg_1", at=MONDAY)), *url)
    assert cli("dead-letters", "show", str(2**70), *url).code == 3
    assert cli("dead-letters", "retry", "1", *url, "--json").json["resolved"] == 2
    retried = cli("status", "--json", *url).out
    cli("rebuild", *url)
    assert cli("status", "--json", *url).out == retried
    assert len(cli("customer", "cust_1", "--json", *url).json["segments"]) == 1


def _refuse(*_: object, **_named: object) -> UndecodableFact:
    return UndecodableFact(SegmentEntered, "not yet known", CustomerFact())
