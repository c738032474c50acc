"""The page of the comparison and its chart, from figures that are made up."""

from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest

from projector.envelope import DeliveryDefaults, Envelope
from projector.intake import sources
from projector.text.instants import to_text
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.peers import by_hand, report
from tests.benchmarks.peers.change import change_of
from tests.benchmarks.peers.chart import chart
from tests.benchmarks.peers.figures import Figure, Section
from tests.benchmarks.peers.state import State
from tests.benchmarks.peers.table import number, page, times
from tests.support.given import folded

_SVG = "{http://www.w3.org/2000/svg}"


def figure(name: str, *seconds: float, lacks: str = "", is_ours: bool = False) -> Figure:
    return Figure(name=name, events=1_000, seconds=list(seconds), lacks=lacks, is_ours=is_ours)


def catch_up(*others: Figure, database: str = "SQLite") -> Section:
    mine = figure("this program", 0.1, 0.2, 0.4, is_ours=True)
    return Section(title="Catch-up", database=database, figures=[mine, *others])


def test_a_row_has_the_median_its_range_and_the_ratio_of_the_rounds() -> None:
    # A slow round of both, as on a noisy machine: the ratio is taken round by round.
    peer = figure("a peer", 1.0, 4.0, 2.0, lacks="order late events")

    text = page([catch_up(peer)], {}, {"Catch-up": "What it is."}, intro="", chart="x.svg")

    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows == [
        "| | events/s, median | least – most | events a round | this program is | does not |",
        "| **this program** | 5,000 | 2,500 – 10,000 | 1,000 |  |  |",
        "| a peer | 500 | 250 – 1,000 | 1,000 | 10 × | order late events |",
        "| | |",
    ]


def test_the_databases_of_a_title_stand_together_below_its_note() -> None:
    sections = [catch_up(database="SQLite"), catch_up(database="Postgres")]

    text = page(sections, {"Python": "3.11.7"}, {"Catch-up": "N."}, intro="I.", chart="x.svg")

    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads == [
        "# Benchmarks",
        "## Catch-up",
        "### Catch-up: SQLite",
        "### Catch-up: Postgres",
        "## Versions and settings",
    ]
    assert "![How fast each way is](x.svg)" in text
    assert text.endswith("| Python | 3.11.7 |\n")


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(0.1234, "0.123"), (99.96, "100"), (999.4, "999"), (999.6, "1,000"), (12345.6, "12,300")],
)
def test_numbers_have_three_digits(rate: float, shown: str) -> None:
    assert number(rate) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(0.125, "0.12 ×"), (1.0, "1 ×"), (9.94, "9.9 ×"), (99.6, "100 ×"), (1234.5, "1,234 ×")],
)
def test_ratios_have_two_digits(ratio: float, shown: str) -> None:
    assert times(ratio) == shown


def test_in_the_chart_a_bar_twice_as_long_is_twice_as_fast() -> None:
    peers = [figure("<a peer>", 0.4, 0.4, 0.4), figure("another", 2.0, 2.0, 2.0)]

    # Our own text, not a stranger's.
    root = ElementTree.fromstring(chart([catch_up(*peers)]))  # noqa: S314

    _ground, mine, peer, another = [
        float(each.get("width", "")) for each in root.iter(f"{_SVG}rect")
    ]
    assert (peer / mine, another / mine) == pytest.approx((0.5, 0.1), abs=0.001)
    texts = [each.text for each in root.iter(f"{_SVG}text")]
    assert {"Catch-up, SQLite (events/s)", "<a peer>", "2,500"} <= set(texts)


def test_the_report_writes_the_page_and_its_chart(tmp_path: Path) -> None:
    report.write(tmp_path, [catch_up()], {"Python": "3.11.7"})

    text = (tmp_path / "benchmarks.md").read_text()
    assert "![How fast each way is](benchmarks.svg)" in text
    assert "| **this program** | 5,000 |" in text
    assert ">this program</text>" in (tmp_path / "benchmarks.svg").read_text()


def rebuild(duckdb_seconds: float) -> Section:
    mine = attrs.evolve(figure("this program, parallel", 0.1, 0.1, 0.1), processors=[0.1, 0.2, 0.4])
    peer = figure("DuckDB over NDJSON", *[duckdb_seconds] * 3)
    return Section(title="Rebuild", database="SQLite", figures=[mine, peer])


@pytest.mark.parametrize(
    ("duckdb_seconds", "end"),
    [(0.2, "more than that."), (0.01, "DuckDB's 100,000 are out of reach of a fold in Python.")],
)
def test_the_ceiling_is_computed_from_the_processors_of_the_run(
    tmp_path: Path, duckdb_seconds: float, end: str
) -> None:
    """0.2 seconds for 1,000 events are 200 µs each: 2 cores fold 10,000 a second at most."""
    report.write(tmp_path, [rebuild(duckdb_seconds)], {"cores": "2"})

    text = (tmp_path / "benchmarks.md").read_text()
    assert "an event took 200.0 µs of processors for five tables on SQLite" in text
    assert "So 2 cores that never wait would fold 10,000 events/s" in text
    [note] = [line for line in text.splitlines() if "never wait" in line]
    assert note.endswith(end)


@pytest.mark.parametrize(
    "other",
    [
        State({("cust_1", "seg_1")}, set()),
        State({("cust_1", "seg_1")}, {("cust_1", "ltr_2")}),
        State({("cust_1", "seg_1"), ("cust_2", "seg_1")}, {("cust_1", "ltr_1")}),
    ],
)
def test_ways_that_do_not_arrive_at_the_same_are_refused(other: State) -> None:
    state = State({("cust_1", "seg_1")}, {("cust_1", "ltr_1")})

    state.must_be(state, "It")
    with pytest.raises(AssertionError, match="It has"):
        other.must_be(state, "It")


def test_two_that_have_nothing_prove_nothing() -> None:
    with pytest.raises(AssertionError, match="It has 0 rows"):
        State(set(), set()).must_be(State(set(), set()), "It")


def test_the_peers_rules_and_the_folds_come_to_the_same_tiers_of_deliveries_in_order() -> None:
    """The peers know no lost delivery, so that none may seem to be lost."""
    bodies = [each for each in deliveries(2_000, customers=50, late_share=0.0) if each != b"\n"]
    by_customer: dict[str, list[Envelope]] = {}
    for body in bodies:
        [event] = sources.read(body, DeliveryDefaults())
        assert isinstance(event, Envelope)
        assert event.customer_id is not None
        by_customer.setdefault(event.customer_id, []).append(event)

    _, tiers = by_hand.fold(filter(None, map(change_of, bodies)))

    found = set()
    for customer, events in by_customer.items():
        rows, _ = folded("loyalty_tier", events)
        assert {row.gaps for row in rows} <= {0}
        found |= {(customer, row.campaign_id, row.tier_id, to_text(row.joined_at)) for row in rows}
    assert found == {(*key, tier, since) for key, (tier, _, since) in tiers.items()}
