"""`customer`: the answer, its keys in their order, and who is meant by an id."""

from typing import Any

import pytest

from tests.cli.conftest import Cli, Write
from tests.given import created, deleted, delivery, entered, joined, left, tier, updated

_STORY = [
    created(
        "cust_1",
        at="2024-01-01T00:00:00Z",
        source_id="a-tst",
        name="Alex Test",
        email=None,
        metadata={"x": 1},
    ),
    entered("cust_1", "seg_2", at="2024-03-01T10:00:00Z"),
    entered("cust_1", "seg_1", at="2024-03-01T10:00:00.000250Z"),
    entered("cust_1", "seg_3", at="2024-03-02T10:00:00Z"),
    left("cust_1", "seg_3", at="2024-03-03T10:00:00Z"),
    joined("cust_1", tier("ltr_1", 151, 250), at="2024-03-14T09:29:32.501Z"),
    left("cust_1", "seg_9", at="2024-03-15T00:00:00.000001Z"),
]


def test_the_answer_has_its_keys_in_their_order(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
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
            },
            {
                "segment_id": "seg_2",
                "name": "Segment seg_2",
                "entered_at": "2024-03-01T10:00:00.000Z",
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
                "expires_on": None,
                "certain": True,
            }
        ],
        "complete": True,
        "gaps": 1,
        "position": 7,
        "last_event_at": "2024-03-15T00:00:00.000001Z",
    }
    assert list(answer) == [
        "project_id", "customer_id", "source_id", "name", "email", "deleted_at",
        "segments", "tiers", "complete", "gaps", "position", "last_event_at",
    ]  # fmt: skip
    assert list(answer["segments"][0]) == ["segment_id", "name", "entered_at"]
    assert list(answer["tiers"][0]) == [
        "campaign_id", "campaign_name", "tier_id", "name", "points_from", "points_to",
        "joined_at", "expires_on", "certain",
    ]  # fmt: skip


def test_people_see_the_same_and_whether_to_trust_it(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
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
    cli("ingest", write(*_STORY, bad, created("cust_2", at="2024-01-01T00:00:00Z")))
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
    assert (answer["complete"], answer["last_event_at"]) == (False, None)


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
    cli("ingest", write(*_STORY))
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


def test_of_several_deleted_ones_the_shops_own_id_means_the_last(cli: Cli, write: Write) -> None:
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


def test_an_id_that_is_no_text_is_not_known(cli: Cli) -> None:
    """A shell can give bytes that are no UTF-8: Python hands them over as lone surrogates."""
    done = cli("customer", "\udcff")
    assert done.code in {2, 3}
    assert done.failed_in_a_sentence


def test_as_of_an_instant_it_is_what_was_true_then(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
    for as_of, segments in (
        ("2024-01-01T00:00:00Z", []),
        ("2024-03-01T10:00:00.000249Z", ["seg_2"]),
        # The very instant is included, in whatever way it is written.
        ("2024-03-01T10:00:00.00025Z", ["seg_1", "seg_2"]),
        ("2024-03-01T15:45:00.000250+05:45", ["seg_1", "seg_2"]),
        ("2024-03-03T09:59:59.999999Z", ["seg_1", "seg_2", "seg_3"]),
        ("2024-03-03T10:00:00Z", ["seg_1", "seg_2"]),
    ):
        then = cli("customer", "cust_1", "--as-of", as_of, "--json").json
        assert [each["segment_id"] for each in then["segments"]] == segments
        assert (then["position"], then["tiers"], then["gaps"]) == (7, [], 0)
    now = cli("customer", "cust_1", "--json").json
    assert cli("customer", "cust_1", "--as-of", "9999-12-31T23:59:59Z", "--json").json == now


def test_at_a_position_it_is_what_was_known_then(cli: Cli, write: Write) -> None:
    # The last one comes first.
    coming = [*_STORY[::-1]]
    known = []
    for each in coming:
        cli("ingest", write(each))
        known.append(cli("customer", "cust_1", "--json").out)
    for position, said in enumerate(known, 1):
        assert cli("customer", "cust_1", "--at-position", str(position), "--json").out == said


def test_both_together_are_what_was_known_then_to_have_been_true_before(
    cli: Cli, write: Write
) -> None:
    early = left("cust_1", "seg_1", at="2024-01-03T00:00:00Z")
    late = entered("cust_1", "seg_1", at="2024-01-02T00:00:00Z")
    cli("ingest", write(created("cust_1", at="2024-01-01T00:00:00Z"), early))
    cli("ingest", write(late))

    def then(as_of: str, at_position: str) -> tuple[int, int, int]:
        asked = ["--as-of", as_of, "--at-position", at_position]
        found = cli("customer", "cust_1", *asked, "--json").json
        return len(found["segments"]), found["gaps"], found["position"]

    assert then("2024-01-02T12:00:00Z", "2") == (0, 0, 2)
    assert then("2024-01-02T12:00:00Z", "3") == (1, 0, 3)
    assert then("2024-01-04T00:00:00Z", "2") == (0, 1, 2)
    assert then("2024-01-04T00:00:00Z", "3") == (0, 0, 3)


@pytest.mark.parametrize(
    ("arguments", "moment"),
    [
        pytest.param(
            ["--as-of", "2023-12-31T23:59:59.999999Z"],
            "as of 2023-12-31T23:59:59.999999Z.",
            id="before the first event",
        ),
        pytest.param(
            ["--as-of", "2024-01-01T01:00:00+05:45"],
            "as of 2023-12-31T19:15:00.000Z.",
            id="before the first event, elsewhere",
        ),
        pytest.param(["--at-position", "0"], "at position 0.", id="before the log"),
        pytest.param(
            ["--as-of", "2023-12-31T00:00:00Z", "--at-position", "7"],
            "as of 2023-12-31T00:00:00.000Z at position 7.",
            id="both",
        ),
        pytest.param(
            ["--project", "proj_1", "--at-position", "0"],
            "in project 'proj_1' at position 0.",
            id="in a project",
        ),
    ],
)
@pytest.mark.parametrize("who", [["cust_1"], ["a-tst", "--source-id"]])
def test_who_was_not_known_then_ends_with_3_and_names_the_moment(
    cli: Cli, write: Write, who: list[str], arguments: list[str], moment: str
) -> None:
    cli("ingest", write(*_STORY))
    done = cli("customer", *who, *arguments, "--json")
    assert done.code == 3
    assert done.failed_in_a_sentence
    assert done.err.splitlines()[0] == f"error: No customer {who[0]!r} is known {moment}"


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2024-03-04", "2024-03-04T10:00:00", "0001-01-01T00:00:00+05:45", "", "\udcff"],
)
def test_a_time_that_cannot_be_placed_ends_with_2_and_says_what_can(cli: Cli, text: str) -> None:
    done = cli("customer", "cust_1", f"--as-of={text}")
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert "2024-03-01T10:00:00Z" in done.err


@pytest.mark.parametrize("position", ["-1", "8", "99999999999999999999", "x", "6.5", "1_0", ""])
def test_a_position_that_is_not_in_the_log_ends_with_2_and_a_sentence(
    cli: Cli, write: Write, position: str
) -> None:
    cli("ingest", write(*_STORY))
    done = cli("customer", "cust_1", f"--at-position={position}")
    assert done.code == 2
    assert done.failed_in_a_sentence


def test_people_see_of_when_an_answer_is(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
    done = cli("customer", "cust_1", "--as-of", "2024-03-02T12:00:00+02:00", "--at-position", "6")
    assert "As of 2024-03-02 10:00:00Z. As of position 6." in done.out


def test_the_shops_own_id_means_who_bore_it_then(cli: Cli, write: Write) -> None:
    """Who is deleted now, and whose id of the shop somebody else has taken over."""
    cli(
        "ingest",
        write(
            created("cust_old", at="2024-01-01T00:00:00Z", source_id="shop"),
            created("cust_new", at="2024-01-02T00:00:00Z", source_id="other"),
            deleted("cust_old", at="2024-02-01T00:00:00Z", source_id="shop_deleted1706745600"),
            updated("cust_new", at="2024-03-01T00:00:00Z", source_id="shop"),
        ),
    )
    for moment, who in (
        (["--as-of", "2024-01-01T12:00:00Z"], "cust_old"),
        (["--as-of", "2024-01-02T12:00:00Z"], "cust_old"),
        (["--as-of", "2024-02-02T00:00:00Z"], "cust_old"),
        (["--as-of", "2024-03-01T00:00:00Z"], "cust_new"),
        (["--at-position", "1"], "cust_old"),
        (["--at-position", "2"], "cust_old"),
        (["--at-position", "3"], "cust_old"),
        (["--at-position", "4"], "cust_new"),
        ([], "cust_new"),
    ):
        found = cli("customer", "shop", "--source-id", *moment, "--json").json
        assert found["customer_id"] == who, moment


def test_the_shops_own_id_finds_a_customer_also_as_it_was_before_it_had_that_id(
    cli: Cli, write: Write
) -> None:
    cli(
        "ingest",
        write(
            created("cust_1", at="2024-01-01T00:00:00Z"),
            updated("cust_1", at="2024-02-01T00:00:00Z", source_id="shop"),
            created("cust_2", at="2024-01-01T00:00:00Z", source_id="shop", project_id="proj_2"),
        ),
    )
    moment = ["--as-of", "2024-01-01T00:00:00Z"]
    one = cli("customer", "shop", "--source-id", "--project", "proj_1", *moment, "--json").json
    assert (one["customer_id"], one["source_id"]) == ("cust_1", None)
    # In another project there is another one.
    assert cli("customer", "shop", "--source-id", *moment).code == 2
