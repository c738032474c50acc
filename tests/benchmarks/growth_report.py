"""The growth benchmark's page: tables, and a chart of the cost of an event."""

import math
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.extremes import Found
from tests.benchmarks.growth import Cost

_COLOURS = {"append": "#1b6ca8", "catch-up": "#c4512d", "rebuild": "#2e8b57"}
_WIDTH, _HEIGHT, _LEFT, _TOP = 380, 240, 50, 40


def write(folder: Path, machine: str, costs: Sequence[Cost], found: Sequence[Found]) -> None:
    """Write growth.md and growth.svg."""
    (folder / "growth.svg").write_text(chart(costs))
    (folder / "growth.md").write_text(page(machine, costs, found))


def page(machine: str, costs: Sequence[Cost], found: Sequence[Found]) -> str:
    """The page, in Markdown."""
    lines = [
        "# What an event costs as the log grows",
        "",
        'Written by `make bench ARGS="--only growth"`, or with `--largest N` for logs of up to N',
        "events. The more events, the more customers, ten events each; a delivery has 1.1 KB; one",
        "in fifty is late.",
        f"Taken on: {machine}.",
        "",
        "![Microseconds of processors for each event](growth.svg)",
        "",
        "The time of processors is that of all processes that have a part, also Postgres's. The",
        "clock's is shorter where two work at once (a rebuild has two workers), and longer where",
        "they wait for the disk or for other work on the machine. The start of a program, about",
        "half a second, is in each figure but the reads: of 10,000 events it is most of the cost.",
        "",
        "The catch-up is that of `projector ingest` with empty tables: a long log fills them by a",
        "rebuild. In the longest log it is left out.",
        "",
        "| database | work | events in the log | µs of processors | µs by the clock |",
        "|---|---|--:|--:|--:|",
        *(
            f"| {each.database} | {_unit(each)} | {each.events:,} | {each.processors:,.1f} |"
            f" {each.clock:,.1f} |"
            for each in costs
        ),
        "",
        *_largest(costs),
        "## One customer, one segment",
        "",
        "| database | what | ms |",
        "|---|---|--:|",
        *(f"| {each.database} | {each.what} | {_shown(each.milliseconds)} |" for each in found),
        "",
    ]
    return "\n".join(lines)


def _largest(costs: Sequence[Cost]) -> list[str]:
    """What the longest log takes: how the append grows from tenth to tenth, and the memory."""
    most = max(each.events for each in costs)
    works = {(each.database, each.work): each for each in costs if each.events == most}
    lines = [
        f"## A log of {most:,} events",
        "",
        "The append is one `projector ingest` of a pipe: the time of processors in its first and",
        "its last tenth. The memory is the greatest of all processes of the program together,",
        "without Postgres's.",
        "The rebuild comes at the end, with two workers.",
        "",
        "| database | append, first tenth | last tenth | growth | memory | rebuild | | memory |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for database in dict.fromkeys(each.database for each in costs):
        append, rebuild = works[database, "append"], works[database, "rebuild"]
        first, last = append.tenths[0], append.tenths[-1]
        lines.append(
            f"| {database} | {first:.1f} µs an event | {last:.1f} µs | {last / first:.2f} × "
            f"| {append.megabytes:,.0f} MB | {rebuild.clock * most / 1e6:,.0f} s "
            f"| {1e6 / rebuild.clock:,.0f} events/s | {rebuild.megabytes:,.0f} MB |"
        )
    return [*lines, ""]


def chart(costs: Sequence[Cost]) -> str:
    """One panel for each database: a line for each work, over the logarithm of the events."""
    names = list(dict.fromkeys(each.database for each in costs))
    top = 20 * math.ceil(max(each.processors for each in costs if each.work in _COLOURS) / 20)
    panels = [_panel(names[at], at, costs, top) for at in range(len(names))]
    width = _LEFT + len(names) * (_WIDTH + _LEFT)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT + 2 * _TOP}"'
            ' font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            *panels,
            "</svg>\n",
        ]
    )


def _unit(cost: Cost) -> str:
    return f"{cost.work}, a customer" if cost.work == "read" else f"{cost.work}, an event"


def _panel(name: str, at: int, costs: Sequence[Cost], top: float) -> str:
    left = _LEFT + at * (_WIDTH + _LEFT)
    sizes = sorted({each.events for each in costs})

    def x(events: int) -> float:
        return left + 20 + (_WIDTH - 100) * sizes.index(events) / max(1, len(sizes) - 1)

    def y(micros: float) -> float:
        return _TOP + _HEIGHT * (1 - micros / top)

    parts = [f'<text x="{left}" y="22" font-weight="bold">{name}: µs of processors an event</text>']
    for tick in range(0, int(top) + 1, max(20, 20 * round(top / 100))):
        parts.append(
            f'<line x1="{left}" x2="{left + _WIDTH - 70}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"'
            ' stroke="#ddd"/>'
        )
        parts.append(_text(left - 6, y(tick) + 4, str(tick), anchor="end"))
    for events in sizes:
        parts.append(_text(x(events), _TOP + _HEIGHT + 18, f"{events:,}", anchor="middle"))
    ends: list[tuple[float, float, str]] = []
    for work, colour in _COLOURS.items():
        points = [
            (x(each.events), y(each.processors))
            for each in costs
            if each.database == name and each.work == work
        ]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in points
        ]
        ends.append((points[-1][1], points[-1][0], work))
    lowest = math.inf
    for py, px, work in sorted(ends, reverse=True):
        # One above the other, where lines end at the same place.
        lowest = min(py + 4, lowest - 14)
        at_end = f'<text x="{px + 8:.1f}" y="{lowest:.1f}" fill="{_COLOURS[work]}">'
        parts.append(f"{at_end}{work}</text>")
    return "\n".join(parts)


def _text(x: float, y: float, text: str, *, anchor: str = "start", fill: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{text}</text>'


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.2g}"
