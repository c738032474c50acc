"""`why` as people read it: the steps as a table, and in sentences what follows from them."""

from typing import Any

import pytest

from projector.cli.why_output import arrival
from tests.cli.conftest import Cli, Write
from tests.support.given import (
    Delivery,
    deleted,
    entered,
    expiration_changed,
    joined,
    left,
    prolonged,
    tier,
    tier_left,
)
from tests.support.stories import UPS_AND_DOWNS


@pytest.fixture
def told(cli: Cli, write: Write) -> Cli:
    """Calls `why cust_1` when the story has been told."""
    cli("ingest", write(*UPS_AND_DOWNS))
    return lambda *arguments: cli("why", "cust_1", *arguments)


def test_people_see_every_step_and_what_is_true_in_the_end(told: Cli) -> None:
    done = told("--campaign", "camp_1")
    assert done.code == 0
    for said in (
        "campaign Campaign camp_1 (camp_1)",
        "loyalty.tier.upgraded",
        "Silver",
        "-> Gold",
        "2024-06-30",
        "decides",
        "On Silver (ltr_1) since 2024-07-01 10:00:00Z.",
        "This was decided by customer.loyalty.tier.downgraded (event down at position 4), "
        "which occurred at 2024-07-01 10:00:00Z and arrived",
        "position 7",
        "Nothing is known to be missing.",
    ):
        assert said in done.out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param(
            ["--not", "ltr_2"],
            [
                "is not on tier Gold (ltr_2).",
                "taken away by customer.loyalty.tier.downgraded (event down at position 4), "
                "which occurred",
                "The change was: Gold until 2024-06-30 -> Silver.",
                "had been given by customer.loyalty.tier.upgraded (event up at position 3)",
                "every event that concerns it: projector why cust_1 --campaign camp_1",
            ],
            id="taken",
        ),
        pytest.param(
            ["--not", "ltr_1"],
            ["is on tier Silver (ltr_1).", "was given by", "(event down at position 4)"],
            id="holds",
        ),
        pytest.param(
            ["--not", "seg_2"],
            ["is not in segment seg_2.", "No event ever gave it.", "why cust_1 --segment seg_2"],
            id="never given",
        ),
        pytest.param(
            ["--not", "ltr_2", "--as-of", "2024-03-01T00:00:00Z"],
            ["not on tier ltr_2.", "No event ever gave it.", "As of 2024-03-01 00:00:00Z. "],
            id="not yet",
        ),
        pytest.param(
            ["--segment", "seg_1"],
            [
                "Not a member since 2024-01-03",
                "; before that, a member since 2024-01-02",
                "(late: a newer event arrived before it).",
            ],
            id="left",
        ),
        pytest.param(
            ["--segment", "seg_2"],
            ["gap", "the time of entry is unknown, because its delivery was lost", "lost: 1"],
            id="gap",
        ),
        pytest.param(
            ["--segment", "seg_1", "--at-position", "5"],
            ["A member since 2024-01-02 00:00:00Z.", "As of position 5."],
            id="known then",
        ),
    ],
)
def test_people_are_told_in_sentences(told: Cli, asked: list[str], said: list[str]) -> None:
    done = told(*asked)
    assert done.code == 0
    for each in said:
        assert each in done.out


def test_what_is_on_the_record_is_told(told: Cli, cli: Cli, write: Write) -> None:
    again = UPS_AND_DOWNS[4]
    unreadable = entered("cust_1", {"name": "of no id"}, at="2024-01-04T00:00:00Z", id="bad")
    other = left("cust_1", "seg_1", at="2024-01-02T00:00:00Z", id="in")
    cli("ingest", write(again, again, unreadable, other))
    out = told("--segment", "seg_1").out
    assert "Delivered again: event in at position 5, 2 times." in out
    assert "Dead letter: event bad at position 8 has no effect. The data do not state" in out
    assert "Conflict: another delivery of event in, received at" in out
    assert "with other facts" in out
    assert "Incomplete: an event of this customer could not be applied (dead letter)." in out
    assert "Incomplete" in told("--not", "seg_1").out
    assert "Incomplete" not in told("--not", "ltr_2").out


def test_an_unreadable_event_may_be_all_that_there_is(cli: Cli, write: Write) -> None:
    cli("ingest", write(entered("cust_1", {"name": "of no id"}, at="2024-01-04T00:00:00Z")))
    out = cli("why", "cust_1", "--segment", "seg_1").out
    assert "No readable event says anything about it." in out
    assert "decided" not in out


_TIMES = ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        pytest.param(
            [joined("cust_1", "ltr_1", at=_TIMES[0]), deleted("cust_1", at=_TIMES[1])],
            ["On no tier since 2024-01-02 00:00:00Z; before that, on ltr_1.", "deleted"],
            id="deleted",
        ),
        pytest.param(
            [joined("cust_1", "ltr_1", at=_TIMES[0]), tier_left("cust_1", "ltr_3", at=_TIMES[1])],
            ["This is not certain: the customer later left another tier.", "uncertain"],
            id="uncertain",
        ),
        pytest.param(
            [
                joined("cust_1", tier("ltr_1", 0, 99), at=_TIMES[0]),
                joined("cust_1", tier("ltr_1", 5, 99), at=_TIMES[1]),
            ],
            ["points_from"],
            id="only the points",
        ),
        pytest.param(
            [prolonged("cust_1", "ltr_1", at=_TIMES[0])], ["On Tier ltr_1 (ltr_1)."], id="no since"
        ),
        pytest.param(
            [expiration_changed("cust_1", "ltr_1", at=_TIMES[0], expiration_date="2024-12-31")],
            ["loyalty.tier.expiration.", "until 2024-12-31"],
            id="a long type",
        ),
        pytest.param(
            [joined("cust_1", tier("ltr_1", name="A\nposition 9\x1b[2J"), at=_TIMES[0])],
            ["On A position 9\N{REPLACEMENT CHARACTER}[2J (ltr_1)"],
            id="a name that means harm",
        ),
    ],
)
def test_a_tier_is_described_in_a_few_words(
    cli: Cli, write: Write, events: list[Delivery], said: list[str]
) -> None:
    cli("ingest", write(*events))
    out = cli("why", "cust_1", "--campaign", "camp_1").out
    for each in said:
        assert each in out


@pytest.mark.parametrize(
    ("occurred_at", "arrived"),
    [
        ("2024-01-01T00:00:00Z", "d later"),
        ("2100-01-01T00:00:00Z", "d earlier"),
    ],
)
def test_how_late_it_came_is_told(cli: Cli, write: Write, occurred_at: str, arrived: str) -> None:
    cli("ingest", write(entered("cust_1", "seg_1", at=occurred_at)))
    assert arrived in cli("why", "cust_1", "--segment", "seg_1").out


@pytest.mark.parametrize(
    ("seconds", "late", "said"),
    [
        (0.9, False, "at once"),
        (1.0, False, "1 s later"),
        (119.9, False, "119 s later"),
        (120.0, True, "late, 2 min later"),
        (7_199.0, False, "119 min later"),
        (3 * 3_600.0, True, "late, 3 h later"),
        (48 * 3_600.0, False, "2 d later"),
        (-5.0, False, "5 s earlier"),
        (0.0, True, "late, at once"),
    ],
)
def test_a_duration_is_printed_in_one_unit(seconds: float, late: bool, said: str) -> None:
    from types import SimpleNamespace

    step: Any = SimpleNamespace(lateness_seconds=seconds, late=late)
    assert arrival(step) == said


def test_why_fits_into_a_hundred_columns_without_splitting_ids(
    cli: Cli, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    event_id = "evcus_4df799ee4c15ee7eaa"
    long = tier("ltr_1", name="Platinum", expiration={"expiration_date": "2024-12-31"})
    change = expiration_changed(
        "cust_1", long, at="2024-02-01T00:00:00Z", id=event_id, expiration_date="2025-12-31"
    )
    cli("ingest", write(joined("cust_1", long, at="2024-01-01T00:00:00Z"), change))
    table = [
        line
        for line in cli("why", "cust_1", "--campaign", "camp_1").out.splitlines()
        if line.startswith(("│", "┃", "┏", "└"))
    ]
    assert max(map(len, table)) <= 100
    assert any(event_id in line for line in table)
