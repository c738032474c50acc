"""`customer`: the answer, its keys in their order, and who is meant by an id."""

from typing import Any

import pytest

from tests.cli.conftest import Cli, Write
from tests.support.given import created, deleted, delivery, segments_seen
from tests.support.stories import ALEX


def test_the_answer_has_its_keys_in_their_order(cli: Cli, write: Write) -> None:
    cli("ingest", write(*ALEX))
    answer = cli("customer", "cust_1", "--json").json
    assert answer == {
        "project_id": "proj_1",
        "customer_id": "cust_1",
        "source_id": "a-tst",
        "name": "Alex Test",
        "email": None,
        "deleted_at": None,
        "segments": [
            {
                "segment_id": "seg_1",
                "name": "Segment seg_1",
                "entered_at": "2024-03-01T10:00:00.000250Z",
                "seen_at": None,
            },
            {
                "segment_id": "seg_2",
                "name": "Segment seg_2",
                "entered_at": "2024-03-01T10:00:00.000Z",
                "seen_at": None,
            },
        ],
        "tiers": [
            {
                "campaign_id": "camp_1",
                "campaign_name": "Campaign camp_1",
                "tier_id": "ltr_1",
                "name": "Tier ltr_1",
                "points_from": 151,
                "points_to": 250,
                "joined_at": "2024-03-14T09:29:32.501Z",
                "seen_at": None,
                "expires_on": None,
                "certain": True,
                "overdue": False,
            }
        ],
        "complete": True,
        "gaps": 1,
        "gaps_open": 1,
        "position": 7,
        "last_event_at": "2024-03-15T00:00:00.000001Z",
        "checked_at": None,
    }
    assert list(answer) == [
        "project_id", "customer_id", "source_id", "name", "email", "deleted_at",
        "segments", "tiers", "complete", "gaps", "gaps_open", "position", "last_event_at",
        "checked_at",
    ]  # fmt: skip
    assert list(answer["segments"][0]) == ["segment_id", "name", "entered_at", "seen_at"]
    assert list(answer["tiers"][0]) == [
        "campaign_id", "campaign_name", "tier_id", "name", "points_from", "points_to",
        "joined_at", "seen_at", "expires_on", "certain", "overdue",
    ]  # fmt: skip


def test_people_see_the_same_and_whether_to_trust_it(cli: Cli, write: Write) -> None:
    cli("ingest", write(*ALEX))
    done = cli("customer", "cust_1")
    assert done.code == 0
    for said in ("Alex Test", "a-tst", "Segment seg_1", "Tier ltr_1", "151-250", "position 7"):
        assert said in done.out
    assert "lost: 1" in done.out
    assert "seg_3" not in done.out


def test_an_event_that_could_not_be_read_makes_the_answer_incomplete(
    cli: Cli, write: Write
) -> None:
    bad = delivery("customer.segment.entered", "cust_1", at="2024-04-01T00:00:00Z", segment=None)
    cli("ingest", write(*ALEX, bad, created("cust_2", at="2024-01-01T00:00:00Z")))
    assert cli("customer", "cust_1", "--json").json["complete"] is False
    assert cli("customer", "cust_2", "--json").json["complete"] is True
    assert "Incomplete" in cli("customer", "cust_1").out
    letters = {
        each["name"]: each["dead_letters"] for each in cli("status", "--json").json["projections"]
    }
    assert letters["segment_membership"] == 1


def test_a_customer_of_whom_only_an_unreadable_event_is_known_is_known(
    cli: Cli, write: Write
) -> None:
    bad = delivery("customer.segment.entered", "cust_1", at="2024-04-01T00:00:00Z", segment=None)
    cli("ingest", write(bad))
    answer = cli("customer", "cust_1", "--json").json
    assert (answer["complete"], answer["last_event_at"]) == (False, "2024-04-01T00:00:00.000Z")


def _in_projects(*project_ids: str) -> list[dict[str, Any]]:
    return [
        created("cust_1", at="2024-01-01T00:00:00Z", project_id=each, source_id="shop", name=each)
        for each in project_ids
    ]


@pytest.mark.parametrize("arguments", [["cust_1"], ["shop", "--source-id"]])
def test_an_id_of_several_projects_needs_one_of_them(
    cli: Cli, write: Write, arguments: list[str]
) -> None:
    cli("ingest", write(*_in_projects("proj_2", "proj_1", "proj_3")))
    done = cli("customer", *arguments, "--json")
    assert done.code == 2
    assert done.failed_in_a_sentence
    for project_id in ("proj_1", "proj_2", "proj_3"):
        assert project_id in done.err
        chosen = cli("customer", *arguments, "--project", project_id, "--json").json
        assert (chosen["project_id"], chosen["name"]) == (project_id, project_id)
    assert cli("customer", *arguments, "--project", "proj_4").code == 3


def test_a_customer_is_found_by_the_shops_own_id(cli: Cli, write: Write) -> None:
    cli("ingest", write(*ALEX))
    assert cli("customer", "a-tst", "--source-id", "--json").json["customer_id"] == "cust_1"
    assert cli("customer", "cust_1", "--source-id").code == 3
    assert cli("customer", "a-tst").code == 3


def test_the_shops_own_id_means_the_customer_that_lives(cli: Cli, write: Write) -> None:
    """After a deletion the shop's id may come back with another customer."""
    old = created("cust_old", at="2024-01-01T00:00:00Z", source_id="shop")
    gone = deleted("cust_old", at="2024-02-01T00:00:00Z", source_id="shop_deleted1706745600")
    new = created("cust_new", at="2024-03-01T00:00:00Z", source_id="shop")
    cli("ingest", write(old, gone))
    found = cli("customer", "shop", "--source-id", "--json").json
    assert (found["customer_id"], found["deleted_at"]) == ("cust_old", "2024-02-01T00:00:00.000Z")
    cli("ingest", write(new))
    assert cli("customer", "shop", "--source-id", "--json").json["customer_id"] == "cust_new"
    assert cli("customer", "cust_old", "--json").json["source_id"] == "shop"


def test_the_source_id_of_several_deleted_customers_means_the_last(cli: Cli, write: Write) -> None:
    for number in (2, 1, 3):
        cli(
            "ingest",
            write(
                created(f"cust_{number}", at=f"2024-0{number}-01T00:00:00Z", source_id="shop"),
                deleted(f"cust_{number}", at=f"2024-0{number}-02T00:00:00Z"),
            ),
        )
    assert cli("customer", "shop", "--source-id", "--json").json["customer_id"] == "cust_3"


def test_two_living_customers_with_one_id_of_the_shop_are_both_named(
    cli: Cli, write: Write
) -> None:
    cli(
        "ingest",
        write(
            created("cust_1", at="2024-01-01T00:00:00Z", source_id="shop"),
            created("cust_2", at="2024-01-01T00:00:00Z", source_id="shop"),
        ),
    )
    done = cli("customer", "shop", "--source-id", "--project", "proj_1")
    assert done.code == 2
    assert "cust_1 in proj_1, cust_2 in proj_1" in done.err


def test_an_id_is_taken_as_it_is(cli: Cli, write: Write) -> None:
    names = ["cust 1", "Cust_1", "é", "--", "%", "*", "null", "1", "true"]
    cli("ingest", write(*(created(each, at="2024-01-01T00:00:00Z") for each in names)))
    for name in names:
        assert cli("customer", "--json", "--", name).json["customer_id"] == name


@pytest.mark.usefixtures("empty_database")
def test_an_id_that_is_no_text_is_not_known(cli: Cli) -> None:
    """A shell can give bytes that are no UTF-8: Python hands them over as lone surrogates."""
    done = cli("customer", "\udcff")
    assert done.code in {2, 3}
    assert done.failed_in_a_sentence


def test_a_check_of_the_source_stands_beside_the_answer(cli: Cli, write: Write) -> None:
    """What was missing is told, and that nothing is known to be missing any more."""
    seen = segments_seen("cust_1", "seg_1", at="2026-11-20T10:00:00Z", id="obs_1")
    assert cli("ingest", write(created("cust_1", at="2024-03-01T10:00:00Z"), seen)).code == 0
    told = cli("customer", "cust_1").out
    assert "unknown," in told
    assert "seen by 2026-11-20 10:00:00Z" in told
    assert (
        "Nothing is known to be missing. "
        "Checked with the source 2026-11-20 10:00Z; 1 delivery was missing before."
    ) in told
    explained = cli("why", "cust_1", "--segment", "seg_1").out
    assert "repaired" in explained
    assert "A member since 2026-11-20 10:00:00Z at the latest." in explained
    assert "missing since" in explained
    steps = cli("why", "cust_1", "--segment", "seg_1", "--json").json["steps"]
    assert ["projector.segments.observed" in step["body"] for step in steps] == [True]
