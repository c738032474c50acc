"""`customer` at another moment: what was true then, what was known then, and who was meant."""

import pytest

from tests.cli.conftest import Cli, Write
from tests.support.given import created, deleted, entered, left, updated
from tests.support.stories import ALEX


def test_as_of_an_instant_it_is_what_was_true_then(cli: Cli, write: Write) -> None:
    cli("ingest", write(*ALEX))
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
    coming = [*ALEX[::-1]]
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
def test_a_customer_unknown_at_the_moment_exits_with_3_and_names_the_moment(
    cli: Cli, write: Write, who: list[str], arguments: list[str], moment: str
) -> None:
    cli("ingest", write(*ALEX))
    done = cli("customer", *who, *arguments, "--json")
    assert done.code == 3
    assert done.failed_in_a_sentence
    assert done.err.splitlines()[0] == f"error: Customer {who[0]!r} not found {moment}"


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
    cli("ingest", write(*ALEX))
    done = cli("customer", "cust_1", f"--at-position={position}")
    assert done.code == 2
    assert done.failed_in_a_sentence


def test_people_see_of_when_an_answer_is(cli: Cli, write: Write) -> None:
    cli("ingest", write(*ALEX))
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
