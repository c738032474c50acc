"""`members`, `segments` and `tiers`: who is where, page by page, and how many."""

import pytest

from tests.cli.conftest import Cli, Write
from tests.support.given import (
    created,
    deleted,
    entered,
    joined,
    left,
    prolonged,
    segment,
    tier_left,
)

MONDAY, TUESDAY, WEDNESDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6))
_STORY = [
    created("cust_1", at=MONDAY, name="Ada", source_id="shop"),
    entered("cust_1", "seg_1", at="2024-03-04T10:00:00.000250Z"),
    joined("cust_1", "ltr_1", "camp_2", at=TUESDAY),
    joined("cust_1", "ltr_1", "camp_1", at=MONDAY),
    entered("cust_2", "seg_1", at=TUESDAY),
    prolonged("cust_2", "ltr_1", at=TUESDAY, expiration_date=None),
    entered("cust_1", "seg_1", at=TUESDAY, project_id="proj_2"),
    entered("cust_3", "seg_2", at=MONDAY),
    left("cust_3", "seg_2", at=TUESDAY),
    joined("cust_3", "ltr_2", at=MONDAY),
    tier_left("cust_3", "ltr_2", at=TUESDAY),
    entered("cust_4", "seg_1", at=MONDAY),
    deleted("cust_4", at=TUESDAY),
]
#: Of both groups.
_GROUPS = pytest.mark.parametrize("group", [["--segment", "seg_1"], ["--tier", "ltr_1"]])


def _walked(cli: Cli, *arguments: str) -> list[tuple[str, str]]:
    """Every page, by the cursors."""
    found = []
    more: list[str] = []
    while True:
        page = cli("members", *arguments, *more, "--json").json
        found += [(each["project_id"], each["customer_id"]) for each in page["members"]]
        if page["next"] is None:
            return found
        more = [f"--after={page['next']}"]


def test_the_members_have_their_keys_in_their_order(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
    page = cli("members", "--segment", "seg_1", "--json").json
    assert list(page) == ["members", "next"]
    assert page["next"] is None
    assert [list(each.items()) for each in page["members"][:2]] == [
        [
            ("project_id", "proj_1"),
            ("customer_id", "cust_1"),
            ("source_id", "shop"),
            ("name", "Ada"),
            ("since", "2024-03-04T10:00:00.000250Z"),
        ],
        [
            ("project_id", "proj_1"),
            ("customer_id", "cust_2"),
            ("source_id", None),
            ("name", None),
            ("since", "2024-03-05T10:00:00.000Z"),
        ],
    ]


@pytest.mark.parametrize("limit", ["1", "2", "3", "10000"])
def test_all_pages_together_have_every_member_once(cli: Cli, write: Write, limit: str) -> None:
    cli("ingest", write(*_STORY))
    one, two, other = ("proj_1", "cust_1"), ("proj_1", "cust_2"), ("proj_2", "cust_1")
    asked = ["--segment", "seg_1", "--limit", limit]
    assert _walked(cli, *asked) == [one, two, other]
    assert _walked(cli, *asked, "--project", "proj_1") == [one, two]
    assert _walked(cli, *asked, "--project", "proj_2") == [other]
    assert _walked(cli, *asked, "--project", "proj_3") == []
    # In two campaigns.
    assert _walked(cli, "--tier", "ltr_1", "--limit", limit) == [one, one, two]


def test_since_is_null_if_no_event_states_it(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
    members = cli("members", "--tier", "ltr_1", "--json").json["members"]
    assert [each["since"] for each in members] == [
        "2024-03-04T10:00:00.000Z",
        "2024-03-05T10:00:00.000Z",
        None,
    ]


def test_people_see_the_members_and_how_to_go_on(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
    done = cli("members", "--tier", "ltr_1", "--limit", "2")
    for said in ("cust_1", "proj_1", "shop", "Ada", "2024-03-04 10:00:00Z"):
        assert said in done.out
    hint = done.out.splitlines()[-1]
    assert hint.startswith("For the next page: --after ")
    rest = cli("members", "--tier", "ltr_1", *hint.split()[-2:])
    assert "cust_2" in rest.out
    assert "cust_1" not in rest.out
    assert "next page" not in rest.out


@pytest.mark.parametrize(
    ("as_of", "found"),
    [
        ("2024-03-04T10:00:00.000249Z", ["cust_4"]),
        ("2024-03-04T10:00:00.00025Z", ["cust_1", "cust_4"]),
        ("2024-03-05T11:59:59.999999+02:00", ["cust_1", "cust_4"]),
        # At the very instant.
        ("2024-03-05T12:00:00+02:00", ["cust_1", "cust_2", "cust_1"]),
        ("2023-01-01T00:00:00Z", []),
        ("9999-12-31T23:59:59Z", ["cust_1", "cust_2", "cust_1"]),
    ],
)
def test_the_members_of_then(cli: Cli, write: Write, as_of: str, found: list[str]) -> None:
    cli("ingest", write(*_STORY))
    walked = _walked(cli, "--segment", "seg_1", "--as-of", as_of, "--limit", "1")
    assert [customer_id for _, customer_id in walked] == found


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2024-03-04", "2024-03-04T10:00:00", "0001-01-01T00:00:00+05:45", "", "\udcff"],
)
def test_a_time_that_cannot_be_placed_ends_with_2_and_says_what_can(cli: Cli, text: str) -> None:
    group = ["--segment", "seg_1"]
    done = cli("members", *group, f"--as-of={text}")
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert "RFC 3339" in done.err
    assert "2024-03-01T10:00:00Z" in done.err


def test_a_limit_out_of_its_range_ends_with_2_and_a_sentence(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
    for limit in ("0", "-1", "10001", "99999999999999999999", "ten", "1.5", "1e3", ""):
        done = cli("members", "--segment", "seg_1", f"--limit={limit}")
        assert done.code == 2
        assert done.failed_in_a_sentence


@_GROUPS
def test_a_broken_cursor_ends_with_2_and_a_sentence(
    cli: Cli, write: Write, group: list[str]
) -> None:
    cli("ingest", write(*_STORY))
    for cursor in ("", "garbage", "W10", "WzFd", "\udcff", "x" * 5000):
        done = cli("members", *group, f"--after={cursor}", "--json")
        assert done.code == 2
        assert done.failed_in_a_sentence
        assert "`next`" in done.err


def test_a_cursor_of_the_other_kind_ends_with_2(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
    of_segment = cli("members", "--segment", "seg_1", "--limit", "1", "--json").json["next"]
    of_tier = cli("members", "--tier", "ltr_1", "--limit", "1", "--json").json["next"]
    assert cli("members", "--tier", "ltr_1", "--after", of_segment).code == 2
    assert cli("members", "--segment", "seg_1", "--after", of_tier).code == 2


@pytest.mark.parametrize("arguments", [[], ["--segment", "seg_1", "--tier", "ltr_1"]])
@pytest.mark.usefixtures("empty_database")
def test_exactly_one_of_segment_and_tier_is_named(cli: Cli, arguments: list[str]) -> None:
    done = cli("members", *arguments, "--json")
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert "--segment or --tier" in done.err


@pytest.mark.parametrize("kind", ["segment", "tier"])
def test_the_members_of_an_unknown_segment_or_tier_exit_with_3(
    cli: Cli, write: Write, kind: str
) -> None:
    cli("ingest", write(*_STORY))
    for unknown in ("nothing", "", "\udcff", "x" * 300):
        for more in ([], ["--as-of", MONDAY], ["--project", "proj_1"]):
            done = cli("members", f"--{kind}={unknown}", *more, "--json")
            assert done.code == 3
            assert done.failed_in_a_sentence
            assert kind in done.err


@pytest.mark.parametrize("group", [["--segment", "seg_2"], ["--tier", "ltr_2"]])
def test_a_segment_or_tier_that_everyone_left_has_an_empty_page(
    cli: Cli, write: Write, group: list[str]
) -> None:
    cli("ingest", write(*_STORY))
    done = cli("members", *group, "--json")
    assert (done.code, done.json) == (0, {"members": [], "next": None})
    assert cli("members", *group).code == 0


def test_segments_with_their_names_and_members(cli: Cli, write: Write) -> None:
    renamed = entered("cust_5", segment("seg_1", name="Renamed"), at=WEDNESDAY)
    cli("ingest", write(*_STORY, renamed))
    done = cli("segments", "--json")
    assert done.json == {
        "segments": [
            {"project_id": "proj_1", "segment_id": "seg_1", "name": "Renamed", "members": 3},
            {"project_id": "proj_1", "segment_id": "seg_2", "name": "Segment seg_2", "members": 0},
            {"project_id": "proj_2", "segment_id": "seg_1", "name": "Segment seg_1", "members": 1},
        ]
    }
    assert list(done.json["segments"][0]) == ["project_id", "segment_id", "name", "members"]
    mine = cli("segments", "--project", "proj_2", "--json").json
    assert mine == {"segments": done.json["segments"][2:]}
    shown = cli("segments").out
    for said in ("seg_1", "seg_2", "Renamed", "proj_2"):
        assert said in shown


def test_tiers_with_their_names_and_members(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY, joined("cust_9", "ltr_9", at=MONDAY, project_id="proj_2")))
    done = cli("tiers", "--json")
    expected = [
        ("proj_1", "camp_1", "ltr_1", 2),
        ("proj_1", "camp_2", "ltr_1", 1),
        ("proj_2", "camp_1", "ltr_9", 1),
    ]
    assert done.json == {
        "tiers": [
            {
                "project_id": project_id,
                "campaign_id": campaign_id,
                "campaign_name": f"Campaign {campaign_id}",
                "tier_id": tier_id,
                "name": f"Tier {tier_id}",
                "members": members,
            }
            for project_id, campaign_id, tier_id, members in expected
        ]
    }
    mine = cli("tiers", "--project", "proj_2", "--json").json
    assert mine == {"tiers": done.json["tiers"][2:]}
    shown = cli("tiers").out
    for said in ("Campaign camp_2", "ltr_9", "Tier ltr_9", "proj_2"):
        assert said in shown


@pytest.mark.parametrize("command", ["segments", "tiers"])
def test_an_unknown_project_has_no_segments_or_tiers(cli: Cli, write: Write, command: str) -> None:
    cli("ingest", write(*_STORY))
    for unknown in ("proj_9", "", "\udcff"):
        done = cli(command, f"--project={unknown}", "--json")
        assert (done.code, done.json) == (0, {command: []})


@pytest.mark.parametrize(
    "command",
    [
        ["quarantine", "list", "--reason=\udcff"],
        ["quarantine", "retry", "--reason=\udcff"],
        ["dead-letters", "list", "--projection=\udcff"],
    ],
)
def test_a_filter_that_is_no_text_is_refused(cli: Cli, write: Write, command: list[str]) -> None:
    """A shell can give bytes that are no UTF-8: Python hands them over as lone surrogates."""
    cli("ingest", write(*_STORY, b"{"))
    done = cli(*command)
    assert done.code == 2
    assert done.failed_in_a_sentence


def test_a_project_that_is_no_text_has_no_members(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_STORY))
    assert cli("members", "--segment=seg_1", "--project=\udcff").code == 0
