"""The figures as bars, written as SVG by hand. PURE."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from tests.benchmarks.peers.figures import Figure, Section
from tests.benchmarks.peers.table import number

_WIDTH, _LEFT, _RIGHT = 960, 270, 100
_BAR, _STEP, _HEAD, _TOP, _BOTTOM = 14, 20, 40, 34, 16
_OURS, _OTHERS = "#1f6f54", "#a9b4b0"


def chart(sections: Sequence[Section]) -> str:
    """A bar a figure; within a section one that is twice as long is twice as fast."""
    bars: list[str] = []
    top = _TOP
    for section in sections:
        title = escape(f"{section.title}, {section.database} ({section.unit})")
        bars.append(f'<text x="16" y="{top + 25}" class="title">{title}</text>')
        top += _HEAD
        fastest = max(figure.rate for figure in section.figures)
        for figure in section.figures:
            bars.append(_bar(figure, top, figure.rate / fastest))
            top += _STEP
    return "\n".join([*_begin(top + _BOTTOM), *bars, "</svg>", ""])


def _begin(height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img">',
        "<title>How fast each way is</title>",
        "<style>text { font: 12px system-ui, sans-serif; fill: #222 } .title { font-weight: 600; "
        "font-size: 13px } .name { text-anchor: end }</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        '<text x="16" y="24">Longer is faster. Each group has a scale of its own.</text>',
    ]


def _bar(figure: Figure, top: int, share: float) -> str:
    length = max(1.0, share * (_WIDTH - _LEFT - _RIGHT))
    colour = _OURS if figure.is_ours else _OTHERS
    line = top + _BAR - 3
    return (
        f'<text x="{_LEFT - 8}" y="{line}" class="name">{escape(figure.name)}</text>'
        f'<rect x="{_LEFT}" y="{top}" width="{length:.1f}" height="{_BAR}" fill="{colour}"/>'
        f'<text x="{_LEFT + length + 6:.1f}" y="{line}">{number(figure.rate)}</text>'
    )
