"""The figures as bars, written as SVG by hand. PURE."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from tests.benchmarks.peers.figures import Figure, Section
from tests.benchmarks.peers.table import number

_WIDTH, _LEFT, _RIGHT = 960, 330, 90
_BAR, _STEP, _HEAD, _TOP, _BOTTOM = 14, 20, 34, 34, 16
_OURS, _OTHERS = "#1f6f54", "#a9b4b0"


def chart(sections: Sequence[Section]) -> str:
    """A bar a figure, on one logarithmic scale: a step of the grid is ten times as fast."""
    rates = [figure.rate for section in sections for figure in section.figures]
    low, high = math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)))
    scale = _Scale(low, max(high, low + 1))
    bars: list[str] = []
    top = _TOP
    for section in sections:
        title = escape(f"{section.title}, {section.database} ({section.unit})")
        bars.append(f'<text x="16" y="{top + 22}" class="title">{title}</text>')
        top += _HEAD
        for figure in section.figures:
            bars.append(_bar(figure, top, scale))
            top += _STEP
    height = top + _BOTTOM
    return "\n".join([*_begin(height), *_grid(scale, height), *bars, "</svg>", ""])


class _Scale:
    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def x(self, rate: float) -> float:
        share = (math.log10(rate) - self.low) / (self.high - self.low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _begin(height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img">',
        "<title>Events a second, by way</title>",
        "<style>text { font: 12px system-ui, sans-serif; fill: #222 } .title { font-weight: 600; "
        "font-size: 13px } .name { text-anchor: end } .grid { fill: #777; text-anchor: middle } "
        "line { stroke: #e3e7e5 }</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
    ]


def _grid(scale: _Scale, height: int) -> list[str]:
    lines = []
    for power in range(scale.low, scale.high + 1):
        x = f"{scale.x(10.0**power):.1f}"
        lines.append(f'<line x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{height - _BOTTOM}"/>')
        lines.append(f'<text x="{x}" y="{_TOP - 14}" class="grid">{10.0**power:,.0f}</text>')
    return lines


def _bar(figure: Figure, top: int, scale: _Scale) -> str:
    end = scale.x(figure.rate)
    colour = _OURS if figure.is_ours else _OTHERS
    middle = top + _BAR - 3
    return (
        f'<text x="{_LEFT - 8}" y="{middle}" class="name">{escape(figure.name)}</text>'
        f'<rect x="{_LEFT}" y="{top}" width="{max(1.0, end - _LEFT):.1f}" height="{_BAR}" '
        f'fill="{colour}"/>'
        f'<text x="{max(end, _LEFT + 1) + 6:.1f}" y="{middle}">{number(figure.rate)}</text>'
    )
