"""The pages about one customer: the state of a day, the answer to why, and the events."""

from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.support.console import Browser, Document
from tests.support.given import created, entered, joined, segment, tier, updated, upgraded
from tests.support.http_client import Client, ndjson
from tests.support.server_process import Server

_SAMPLE = Path(__file__).parents[3] / "docs/sample/deliveries.ndjson"
_PROJECT = "proj_Kestrel4mZr8QwTx2LbVn6Yd"
MARA, PRIYA, THEO, JONAS = (
    "cust_Mara7vQ8tLwXz2RkNb4Yc1Pd",
    "cust_Priya6nRb4HzKt9XwLm3Gs7Jq",
    "cust_Theo3kW9mPxZs5TjQc8Vd2Rf",
    "cust_Jonas8dYf2CvMp6SqZx5Bh1Kt",
)
BRONZE, SILVER, GOLD = (f"ltr_0f3b61a7c2d94e5b1{n}" for n in range(3))
NEW = "seg_NewCust5Hq2LwXz8RkTb4Yc1"
#: A customer, a project and groups that are called as nobody should be.
ODD, ODD_PROJECT = "cust/ä?&", 'proj "<odd>/#'
SCRIPT = "<script>alert(1)</script>"
BYTES_MAX = 80 * 1024


@pytest.fixture(scope="module", autouse=True)
def _filled(server: Server) -> None:
    odd = {"project_id": ODD_PROJECT}
    named = {**odd, "name": SCRIPT, "email": "'\"@<b>", "source_id": "</code>"}
    deliveries = [
        created(ODD, at="2025-01-01T10:00:00Z", **named),
        entered(ODD, segment('seg"<', name=SCRIPT), at="2025-01-02T10:00:00Z", **odd),
        joined(ODD, tier("ltr/1", 0, 9, name=SCRIPT), at="2025-01-03T10:00:00Z", **odd),
        upgraded(
            ODD,
            tier("ltr/1", name=SCRIPT),
            tier("ltr 2", 10, 20, name="\u202eGold 🏅" + "x" * 200),
            at="2025-02-03T10:00:00Z",
            **odd,
        ),
        updated("cust_twice", at="2025-01-01T10:00:00Z", project_id="proj_1"),
        updated("cust_twice", at="2025-01-01T10:00:00Z", project_id="proj_2"),
        *(
            updated("cust_busy", at=f"2025-01-01T10:{n // 60:02}:{n % 60:02}Z", name=f"Busy {n}")
            for n in range(60)
        ),
    ]
    body = _SAMPLE.read_bytes() + ndjson(*deliveries)
    last = server.client.post(f"/events?project={_PROJECT}", body).json["last_position"]
    assert server.client.get(f"/customers/cust_busy?min_position={last}").status == 200


@pytest.fixture
def browser(client: Client) -> Browser:
    """A browser on this machine, of which every page is looked at."""
    return Browser(client)


def _page(
    browser: Browser, customer: str, page: str = "", *, project: str = _PROJECT, **query: str
) -> Document:
    path = "/".join(quote(each, safe="") for each in (project, customer))
    path = f"/console/customers/{path}{f'/{page}' if page else ''}"
    document = browser.get(f"{path}?{urlencode(query)}" if query else path)
    assert document.flaws == []
    assert len(document.reply.body) <= BYTES_MAX
    return document


@pytest.mark.parametrize(
    ("customer", "on", "said"),
    [
        (MARA, "2025-07-01", ["Nothing is known to be missing.", "Gold since 20 May 2025, until"]),
        (
            MARA,
            "",
            ["Silver was to end on 20 May 2026", "overdue since 20 Nov 2025, was to end on"],
        ),
        (MARA, "2025-03-01", ["Nothing is known of Mara Lindqvist from 1 March 2025 or before."]),
        (
            PRIYA,
            "",
            [
                "Something arrived that could not be read, so this page may be wrong",
                "2 deliveries are also known to be lost.",
                "Bronze not certain since 9 Apr 2025",
                "Could not be read, and changed nothing",
            ],
        ),
        (PRIYA, "2025-05-20", ["2 deliveries are known to be lost", "Bronze not certain"]),
        (PRIYA, "2025-04-07", ["One delivery is known to be lost", "Loyalty tiers on none"]),
        (THEO, "2025-06-01", ["Cart left behind", "Bronze since 11 Mar 2025, until 31 Dec 2025"]),
        (JONAS, "", ["Deleted in Voucherify on 1 June 2025", "Loyalty tiers on none", "in none"]),
    ],
)
def test_a_customer_is_shown_as_of_a_day(
    browser: Browser, customer: str, on: str, said: list[str]
) -> None:
    page = _page(browser, customer, on=on)
    assert page.status == 200
    for each in said:
        assert each in page.text


def test_the_page_says_who_it_is_and_what_happened(browser: Browser) -> None:
    page = _page(browser, MARA)
    assert page.text.count("Mara Lindqvist") >= 2
    for each in ("shop-1001", "mara@example.com", MARA, "9 events, times in UTC"):
        assert each in page.text
    # The newest first.
    story = page.text[page.text.index("What happened") :]
    lines = [
        "Downgraded from Gold to Silver, valid until 20 May 2026",
        "Stays on Gold, valid until 20 November 2025",
        "Upgraded from Silver to Gold, valid until 20 August 2025",
        "Entered “Espresso lovers” delivered 2 times",
        "Left “New customers”",
        "Upgraded from Bronze to Silver, valid until 18 September 2025 delivered 2 times",
        "Joined Bean Club on Bronze",
        "Entered “New customers”",
        "Became a customer",
    ]
    places = [story.index(each) for each in lines]
    assert places == sorted(places)
    # What Mara lost last is asked first.
    [ask] = [each for each in page.forms if each.action.endswith("/why")]
    options = [found for tag, found in page.elements if tag == "option" and "selected" in found]
    assert [each["value"].rpartition(":")[2] for each in options] == [GOLD]
    assert (ask.method, sorted(ask.fields)) == ("get", ["on", "what"])
    # Colours by the points: the highest is the darkest.
    bars = [found["class"] for tag, found in page.elements if tag == "rect" and "class" in found]
    assert bars[:4] == ["bar tier-1", "bar tier-3", "bar tier-5", "bar tier-3"]


@pytest.mark.parametrize(
    ("customer", "what", "on", "said"),
    [
        (
            MARA,
            GOLD,
            "2026-03-01",
            "No. On 1 March 2026 Mara Lindqvist was on Silver, not on Gold. Gold had ended on"
            " 20 November 2025, when Mara was downgraded to Silver. Mara had been on Gold since"
            " 20 May 2025; it was valid until 20 November 2025.",
        ),
        (MARA, SILVER, "2026-03-01", "Yes. On 1 March 2026 Mara Lindqvist was on Silver, since"),
        (MARA, NEW, "2025-03-20", "Yes. On 20 March 2025 Mara Lindqvist was in “New customers”,"),
        (MARA, GOLD, "", "We cannot tell. As far as we were told, today Mara Lindqvist is on"),
        (
            PRIYA,
            GOLD,
            "2025-05-01",
            "We cannot tell. As far as we were told, on 1 May 2025 Priya Nair was on Bronze, not on"
            " Gold. But on 12 May 2025 we heard that Priya left Gold, so a delivery before it was"
            " lost.",
        ),
        (PRIYA, SILVER, "", "But an event of 15 June 2025 could not be read, and may say"),
        (THEO, BRONZE, "2025-03-10", "No. On 10 March 2025 Theo Brandt was not on Bronze."),
        (JONAS, BRONZE, "2025-06-02", "was on no tier of Bean Club, and so not on Bronze."),
    ],
)
def test_why_is_answered_in_a_sentence(
    browser: Browser, customer: str, what: str, on: str, said: str
) -> None:
    page = _page(browser, customer, "why", what=what, on=on)
    assert page.status == 200
    assert said in page.text
    assert "this is why" in page.text or said.endswith("not on Bronze.")
    assert "The event" in page.text
    # The links of the customer's page ask the same.
    kind = "segment" if what == NEW else "tier:camp_BeanClub9sJq3XvTz7RmKd5Wf"
    again = _page(browser, customer, "why", what=f"{kind}:{what}", on=on)
    assert said in again.text


def test_a_customer_is_shown_as_known_on_a_day(browser: Browser) -> None:
    # All of the sample came when the test began.
    page = _page(browser, MARA, known="2025-12-01")
    assert "Only what we knew on 1 December 2025" in page.text
    assert "by what had reached us then" in page.text
    why = _page(browser, MARA, "why", what=GOLD, on="2025-11-30", known="2025-12-01")
    assert "Only what we knew on 1 December 2025" in why.text
    assert _page(browser, MARA, known="2999-01-01").text == _page(browser, MARA).text


def test_an_id_that_nobody_has_is_said_to_be_unknown(browser: Browser) -> None:
    for page in ("", "why", "events"):
        found = _page(browser, "nobody", page)
        assert found.status == 404
        assert "Nobody with this number is known" in found.text
        assert [each.action for each in found.forms if "q" in each.fields] == ["/console/"]
    assert browser.get("/console/customers/nobody").status == 404
    assert _page(browser, MARA, project="proj_other").status == 404


def test_an_id_of_several_projects_is_a_choice(browser: Browser) -> None:
    page = browser.get("/console/customers/cust_twice")
    assert page.flaws == []
    assert [each for each in page.links if "/proj_" in each] == [
        "/console/customers/proj_1/cust_twice",
        "/console/customers/proj_2/cust_twice",
    ]
    got = browser.get(f"/console/customers/{MARA}")
    assert (got.status, got.reply.headers["location"]) == (
        303,
        f"/console/customers/{_PROJECT}/{MARA}",
    )


def test_odd_names_stay_texts_and_lead_back(browser: Browser) -> None:
    page = _page(browser, ODD, project=ODD_PROJECT)
    assert SCRIPT in page.text
    assert "🏅" in page.text
    asked = [each for each in page.links if "/why" in each]
    # Chips, bars, and the rows of the table.
    assert len(asked) >= 5
    for link in {*asked}:
        answer = browser.get(link)
        assert (answer.status, answer.flaws) == (200, [])
        assert "Yes. " in answer.text
        assert len(answer.reply.body) <= BYTES_MAX
    raw = _page(browser, ODD, "events", project=ODD_PROJECT)
    assert SCRIPT in raw.text


def test_all_events_come_page_by_page_as_they_were_received(browser: Browser) -> None:
    page = _page(browser, "cust_busy", project="proj_1")
    assert "60 events" in page.text
    assert page.text.count("Details were changed") == 12
    path = next(each for each in page.links if each.endswith("/events"))
    seen = ""
    while path:
        raw = browser.get(path)
        assert (raw.status, raw.flaws) == (200, [])
        assert len(raw.reply.body) <= BYTES_MAX
        seen += raw.text
        following = [each for each in raw.links if "after=" in each]
        path = following[0] if following else ""
    numbers = [seen.index(f'"name": "Busy {n}"') for n in range(60)]
    assert numbers == sorted(numbers)
    # A cursor that no page ended with is as none.
    assert "Busy 0" in _page(browser, "cust_busy", "events", project="proj_1", after="no").text


def test_a_group_that_is_not_known_is_chosen_anew(browser: Browser) -> None:
    page = _page(browser, PRIYA, "why", what="nothing", on="2025-05-01")
    assert "Choose a tier or a segment, and a day." in page.text


def test_the_timeline_and_positions_are_answered_over_http(client: Client) -> None:
    found = client.get(f"/customers/{MARA}/timeline?limit=2").json
    assert [each["type"] for each in found["events"]] == [
        "customer.loyalty.tier.downgraded",
        "customer.loyalty.tier.prolonged",
    ]
    assert [each["tier_name"] for each in found["tiers"]] == ["Bronze", "Silver", "Gold", "Silver"]
    following = client.get(f"/customers/{MARA}/timeline?limit=9&after={found['next']}").json
    assert (len(following["events"]), following["next"]) == (7, None)
    head = client.get("/status").json["head"]
    got = client.get("/log/position?received_by=2999-01-01T00:00:00Z").json
    assert got["at_position"] == head
    got = client.get("/log/position?received_by=2020-01-01T00:00:00Z").json
    assert got == {"at_position": 0, "received_at": None}
    assert client.get("/log/position?received_by=yesterday").refusal == (400, "bad_instant")
