"""The page with the figures, as Markdown. PURE."""

from collections.abc import Mapping, Sequence

from tests.benchmarks.peers.figures import Figure, Section, titles

_HEAD = "| | {unit}, median | least – most | {what} a round | this program is | does not |\n"
_LINE = "|---|---:|---:|---:|---:|---|\n"


def page(
    sections: Sequence[Section],
    settings: Mapping[str, str],
    notes: Mapping[str, str],
    *,
    intro: str,
    chart: str,
) -> str:
    """Write the whole page; `notes` says by title what was done."""
    parts = [f"# Benchmarks\n\n{intro}\n\n![How fast each way is]({chart})\n"]
    for title in titles(sections):
        parts.append(f"\n## {title}\n\n{notes[title]}\n")
        parts += [_table(each) for each in sections if each.title == title]
    parts.append("\n## Versions and settings\n\n| | |\n|---|---|\n")
    parts += [f"| {name} | {value} |\n" for name, value in settings.items()]
    return "".join(parts)


def _table(section: Section) -> str:
    head = _HEAD.format(unit=section.unit, what=section.unit.partition("/")[0])
    rows = "".join(_row(section, each) for each in section.figures)
    return f"\n### {section.title}: {section.database}\n\n{head}{_LINE}{rows}"


def _row(section: Section, figure: Figure) -> str:
    rates = figure.rates
    name = f"**{figure.name}**" if figure.is_ours else figure.name
    ratio = "" if figure is section.figures[0] else times(section.times_ours(figure))
    return (
        f"| {name} | {number(figure.rate)} | {number(min(rates))} – {number(max(rates))} "
        f"| {figure.events:,} | {ratio} | {figure.lacks} |\n"
    )


def number(rate: float) -> str:
    """Three digits that count, for more were noise."""
    if round(rate) < 1000:
        return f"{rate:.3g}"
    digits = len(str(round(rate))) - 3
    return f"{round(rate, -digits):,.0f}"


def times(ratio: float) -> str:
    """How many times as fast as another one."""
    return f"{ratio:,.0f} ×" if ratio >= 10 else f"{ratio:.2g} ×"
