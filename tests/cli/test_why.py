"""`why`: the events that have a say, as a document, and what cannot be asked."""

import pytest

from tests.cli.conftest import Cli, Write
from tests.support.given import tier_left, updated
from tests.support.stories import UPS_AND_DOWNS

_KEYS_OF_A_STEP = [
    "position", "event_id", "type", "occurred_at", "received_at", "late", "lateness_seconds",
    "effect", "reason", "before", "after", "decides", "duplicates", "body",
]  # fmt: skip


@pytest.fixture
def told(cli: Cli, write: Write) -> Cli:
    """Calls `why cust_1` when the story has been told."""
    cli("ingest", write(*UPS_AND_DOWNS))
    return lambda *arguments: cli("why", "cust_1", *arguments)


def test_a_segment_as_a_document_has_its_keys_in_their_order(told: Cli) -> None:
    found = told("--segment", "seg_1", "--json").json
    assert list(found) == [
        "project_id", "customer_id", "segment_id", "steps", "next", "conflicts", "current",
        "complete", "position",
    ]  # fmt: skip
    first, second = found["steps"]
    for step in (first, second):
        assert list(step) == _KEYS_OF_A_STEP
        lateness = step.pop("lateness_seconds")
        assert isinstance(lateness, float)
        assert step.pop("received_at").endswith("Z")
    membership = {
        "segment_id": "seg_1",
        "segment_name": "Segment seg_1",
        "is_member": True,
        "entered_at": "2024-01-02T00:00:00.000Z",
        "left_at": None,
        "ended_by_deletion": False,
        "gaps": 0,
        "changed_by": "in",
        "observed_at": None,
        "settled": 0,
        "seen_at": None,
        "silent": False,
    }
    ended = {"is_member": False, "left_at": "2024-01-03T00:00:00.000Z", "changed_by": "out"}
    assert first == {
        "position": 5,
        "event_id": "in",
        "type": "customer.segment.entered",
        "occurred_at": "2024-01-02T00:00:00.000Z",
        "late": True,
        "effect": "applied",
        "reason": None,
        "before": None,
        "after": membership,
        "decides": False,
        "duplicates": 0,
        "body": None,
    }
    assert (second["before"], second["after"]) == (membership, {**membership, **ended})
    assert list(second["after"]) == list(membership)
    rest = {key: value for key, value in found.items() if key != "steps"}
    assert rest == {
        "project_id": "proj_1",
        "customer_id": "cust_1",
        "segment_id": "seg_1",
        "next": None,
        "conflicts": [],
        "current": second["after"],
        "complete": True,
        "position": 7,
    }


def test_a_campaign_as_a_document_has_its_keys_in_their_order(
    told: Cli, cli: Cli, write: Write
) -> None:
    cli("ingest", write(tier_left("cust_1", "ltr_9", at="2024-03-01T10:00:00Z", id="up")))
    found = told("--campaign", "camp_1", "--json").json
    assert list(found) == [
        "project_id", "customer_id", "campaign_id", "steps", "next", "conflicts", "current",
        "overdue", "complete", "position",
    ]  # fmt: skip
    assert [(each["event_id"], each["decides"]) for each in found["steps"]] == [
        ("joined", False),
        ("up", False),
        ("down", True),
    ]
    assert found["current"] == found["steps"][-1]["after"]
    assert list(found["current"]) == [
        "campaign_id", "campaign_name", "tier_id", "tier_name", "points_from", "points_to",
        "joined_at", "expires_on", "previous_tier_id", "left_at", "certain", "gaps", "changed_by",
        "observed_at", "settled", "seen_at", "silent",
    ]  # fmt: skip
    assert found["steps"][1]["after"]["expires_on"] == "2024-06-30"
    [conflict] = found["conflicts"]
    assert list(conflict) == ["quarantine_id", "event_id", "received_at", "detail"]
    assert conflict["event_id"] == "up"


def test_a_verdict_as_a_document_has_its_keys_in_their_order(told: Cli) -> None:
    found = told("--not", "ltr_2", "--json").json
    assert list(found) == [
        "project_id", "customer_id", "not", "kind", "verdict", "given_by", "taken_by",
        "campaign_id", "overdue", "complete", "gaps", "gaps_open", "position",
    ]  # fmt: skip
    for key in ("given_by", "taken_by"):
        assert list(found[key]) == _KEYS_OF_A_STEP
    assert (found["given_by"]["event_id"], found["taken_by"]["event_id"]) == ("up", "down")
    rest = {key: value for key, value in found.items() if not key.endswith("_by")}
    assert rest == {
        "project_id": "proj_1",
        "customer_id": "cust_1",
        "not": "ltr_2",
        "kind": "tier",
        "verdict": "taken",
        "campaign_id": "camp_1",
        "overdue": False,
        "complete": True,
        "gaps": 0,
        "gaps_open": 0,
        "position": 7,
    }
    assert told("--not", "ltr_1", "--json").json["verdict"] == "holds"
    never = told("--not", "seg_2", "--json").json
    assert [never[key] for key in ("kind", "verdict", "given_by", "taken_by", "campaign_id")] == [
        "segment",
        "never given",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing"),
        pytest.param(["--segment", "a", "--campaign", "b"], id="two things"),
        pytest.param(["--segment", "a", "--not", "b", "--campaign", "c"], id="three things"),
        pytest.param(["--not"], id="no value"),
        pytest.param(["--segment", "seg_1", "--as-of", "yesterday"], id="no time"),
        pytest.param(["--segment", "seg_1", "--at-position", "99"], id="a position to come"),
        pytest.param(["--segment", "seg_1", "--tier", "x"], id="an option of another command"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_sentence(told: Cli, arguments: list[str]) -> None:
    done = told(*arguments, "--json")
    assert done.code == 2, done.err
    assert done.failed_in_a_sentence
    assert "hint: " in done.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(["cust_1", "--segment", "seg_9"], ["cust_1", "seg_9"], id="segment"),
        pytest.param(["cust_1", "--campaign", "camp_9"], ["cust_1", "camp_9"], id="campaign"),
        pytest.param(["cust_1", "--not", "gold"], ["gold"], id="tier or segment"),
        pytest.param(["cust_1", "--segment", ""], ["cust_1"], id="empty"),
        pytest.param(["cust_1", "--not", ""], ["''"], id="nothing at all"),
        pytest.param(["cust_1", "--not", " ltr_1"], ["' ltr_1'"], id="an id as it is"),
        pytest.param(["cust_1", "--not", "\udcff"], [], id="no text"),
        pytest.param(["nobody", "--segment", "seg_1"], ["nobody"], id="customer"),
        pytest.param(["shop", "--not", "ltr_1"], ["shop"], id="the shop's id"),
        pytest.param(
            ["cust_1", "--segment", "seg_1", "--as-of", "2024-01-01T12:00:00Z"],
            ["seg_1", "as of 2024-01-01"],
            id="not yet",
        ),
        pytest.param(["cust_1", "--not", "ltr_1", "--project", "other"], ["other"], id="project"),
    ],
)
def test_asking_why_about_an_unknown_id_exits_with_3(
    told: Cli, cli: Cli, arguments: list[str], named: list[str]
) -> None:
    assert told("--segment", "seg_1").code == 0
    done = cli("why", *arguments, "--json")
    assert done.code == 3, done.err
    assert done.failed_in_a_sentence
    for each in named:
        assert each in done.err


def test_the_customer_is_found_as_everywhere(cli: Cli, write: Write) -> None:
    cli(
        "ingest",
        write(
            *UPS_AND_DOWNS,
            updated("cust_1", at="2024-01-01T00:00:00Z", project_id="proj_2"),
        ),
    )
    assert cli("why", "shop", "--source-id", "--segment", "seg_1").code == 0
    assert cli("why", "cust_1", "--segment", "seg_1").code == 2
    assert cli("why", "cust_1", "--segment", "seg_1", "--project", "proj_1").code == 0
    assert cli("why", "cust_1", "--segment", "seg_1", "--project", "proj_2").code == 3
