"""Lanes over time: what is drawn where, and that names stay texts whatever is in them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st

from projector.server.console.charts.lanes import Bar, Lane, Mark, lanes_chart
from projector.server.console.charts.svg import element
from projector.server.console.charts.time_axis import TimeAxis
from projector.server.console.zones import Zone
from tests.support.console import read
from tests.support.http_client import Reply

UTC_ZONE, WARSAW = Zone("UTC"), Zone("Europe/Warsaw")
NOW = datetime(2025, 12, 31, tzinfo=UTC)

LANES = [
    Lane(
        name="Bean Club",
        bars=(
            Bar(
                begin=datetime(2025, 1, 1, tzinfo=UTC),
                end=datetime(2025, 7, 2, tzinfo=UTC),
                colour="tier-1",
                text="Bronze",
                title="Bronze, 1 January 2025 to 2 July 2025",
                href="/why?a=1&b=2",
            ),
        ),
        marks=(Mark(at=datetime(2025, 4, 1, tzinfo=UTC), title="A delivery was lost"),),
        doubts=((datetime(2025, 4, 1, tzinfo=UTC), None),),
    ),
    Lane(
        name="New customers",
        bars=(
            Bar(
                begin=None,
                end=datetime(2025, 3, 1, tzinfo=UTC),
                colour="segment",
                text="",
                title="New customers, until 1 March 2025",
                href="/why",
            ),
        ),
    ),
]

#: The chart of these lanes, one element a line.
GOLDEN = """\
<svg class="chart lanes" width="100%" height="152" role="group" aria-labelledby="lanes-title" aria-describedby="lanes-desc">
<title id="lanes-title">Mara over time</title>
<desc id="lanes-desc">Bars.</desc>
<defs>
<pattern id="hatching" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<path d="M0 0V7" class="hatching"/>
</pattern>
</defs>
<line x1="1.478%" x2="1.478%" y1="26" y2="126" class="grid"/>
<text x="1.478%" y="144" text-anchor="start" class="strong">2025</text>
<line x1="25.838%" x2="25.838%" y1="26" y2="126" class="grid"/>
<text x="25.838%" y="144" text-anchor="middle">Apr</text>
<line x1="50.468%" x2="50.468%" y1="26" y2="126" class="grid"/>
<text x="50.468%" y="144" text-anchor="middle">Jul</text>
<line x1="75.369%" x2="75.369%" y1="26" y2="126" class="grid"/>
<text x="75.369%" y="144" text-anchor="middle">Oct</text>
<a href="/why?a=1&amp;b=2">
<title>Bronze, 1 January 2025 to 2 July 2025</title>
<rect x="1.478%" y="46" width="49.261%" height="24" rx="4" class="bar tier-1"/>
<svg x="1.478%" y="46" width="49.261%" height="24" aria-hidden="true">
<text x="0" dx="8" y="17" class="on-tier-1">Bronze</text>
</svg>
</a>
<rect x="25.838%" y="46" width="74.162%" height="24" fill="url(#hatching)" class="doubt">
<title>Not certain: a delivery was lost</title>
</rect>
<svg x="25.838%" y="58" overflow="visible" role="img" aria-label="A delivery was lost">
<title>A delivery was lost</title>
<path d="M0 -9 9 0 0 9 -9 0Z" class="gap"/>
<path d="M0 -4.5V1M0 3.2v.6" class="exclamation"/>
</svg>
<g>
<title>New customers, until 1 March 2025</title>
<rect x="14.947%" y="96" width="2.5%" height="24" rx="4" class="bar segment unknown"/>
</g>
<line x1="100%" x2="100%" y1="18" y2="126" class="mark"/>
<text x="100%" y="13" text-anchor="end" class="accent">today</text>
<text x="0" y="40" class="name">Bean Club</text>
<text x="0" y="90" class="name">New customers</text>
</svg>
"""  # noqa: E501


def test_the_chart_is_drawn_as_it_was_looked_at() -> None:
    svg = lanes_chart(
        LANES, zone=UTC_ZONE, now=NOW, chosen=None, name="Mara over time", description="Bars."
    )
    assert str(svg).replace("><", ">\n<") == GOLDEN.strip()


@settings(max_examples=100)
@generated(
    texts=st.lists(
        st.text()
        | st.sampled_from(
            ["</text><script>alert(1)</script>", '" onload="alert(1)', "\u202eabc", "🏅" * 100]
        ),
        min_size=4,
        max_size=4,
    ),
    begin=st.none() | st.datetimes(timezones=st.just(UTC)),
    end=st.none() | st.datetimes(timezones=st.just(UTC)),
    chosen=st.none() | st.datetimes(timezones=st.just(UTC)),
)
def test_whatever_is_in_a_name_stays_a_text(
    texts: list[str], begin: datetime | None, end: datetime | None, chosen: datetime | None
) -> None:
    name, text, title, href = texts
    bar = Bar(begin=begin, end=end, colour="tier-5", text=text, title=title, href=f"/{href}")
    mark = Mark(at=end or NOW, title=title)
    lanes = [Lane(name=name, bars=(bar,), marks=(mark,), doubts=((mark.at, begin),))]
    svg = lanes_chart(lanes, zone=WARSAW, now=NOW, chosen=chosen, name=name, description=text)
    page = read(Reply(200, {}, str(svg).encode("utf-8", "replace")))
    assert page.flaws == []
    tags = {tag for tag, _ in page.elements}
    assert tags <= {
        "svg", "title", "desc", "defs", "pattern", "path", "line", "text", "rect", "g", "a",
    }  # fmt: skip
    for _, attributes in page.elements:
        for key in ("x", "x1", "x2", "width"):
            value = attributes.get(key, "0%")
            if value.endswith("%"):
                assert 0 <= float(value.removesuffix("%")) <= 101


@pytest.mark.parametrize(
    ("days", "zone", "texts"),
    [
        (20, UTC_ZONE, ["31 Dec", "28 Dec", "25 Dec", "22 Dec", "19 Dec", "16 Dec", "13 Dec"]),
        (200, UTC_ZONE, ["Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]),
        (400, WARSAW, ["2025", "Apr", "Jul", "Oct"]),
        (1_200, UTC_ZONE, ["2023", "Jul", "2024", "Jul", "2025", "Jul"]),
        (3_000, UTC_ZONE, ["2018", "2019", "2020", "2021", "2022", "2023", "2024", "2025"]),
        (9_000, UTC_ZONE, ["2001", "2004", "2007", "2010", "2013", "2016", "2019", "2022", "2025"]),
        # One wrong clock does not squeeze all the others.
        (
            700_000,
            UTC_ZONE,
            ["1992", "1996", "2000", "2004", "2008", "2012", "2016", "2020", "2024"],
        ),
    ],
)
def test_ticks_are_few_and_at_the_beginnings_of_months(
    days: int, zone: Zone, texts: list[str]
) -> None:
    axis = TimeAxis.over([NOW, NOW - timedelta(days=days)], zone)
    ticks = list(axis.ticks())
    assert [each.text for each in ticks] == texts
    assert all(0 <= each.share <= 1 for each in ticks)
    assert (axis.share(NOW), axis.share(axis.begin)) == (1, 0)


def test_an_element_has_no_style_and_no_handler() -> None:
    with pytest.raises(ValueError, match="style"):
        element("rect", style="fill: red")
    with pytest.raises(ValueError, match="onclick"):
        element("rect", onclick="alert(1)")
    assert element("text", "a < b", x=0.123456, class_='"') == (
        '<text x="0.123" class="&#34;">a &lt; b</text>'
    )
