"""The same work in several ways, in turn, round by round: a noisy machine hits all of them."""

import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from attrs import frozen

from tests.benchmarks.measure import processors, seconds
from tests.benchmarks.peers.figures import Figure, Section
from tests.benchmarks.peers.table import number, times

Work = Callable[[], object]


@frozen(kw_only=True)
class Way:
    """One way: what is timed is what `begin` gives; what comes before and after is not."""

    name: str
    events: int
    begin: Callable[[], AbstractContextManager[Work]]
    lacks: str = ""
    is_ours: bool = False


def race(
    title: str, database: str, ways: Sequence[Way], *, rounds: int, unit: str = "events/s"
) -> Section:
    """Time all ways in each round, and print what came out."""
    figures = [
        Figure(name=way.name, events=way.events, lacks=way.lacks, is_ours=way.is_ours)
        for way in ways
    ]
    for _ in range(rounds):
        for way, figure in zip(ways, figures, strict=True):
            with way.begin() as work:
                gc.collect()
                before = processors()
                figure.seconds.append(seconds(work))
                figure.processors.append(processors() - before)
    section = Section(title=title, database=database, unit=unit, figures=figures)
    print(f"{title}, {database}", flush=True)
    for figure in figures:
        ratio = times(section.times_ours(figure))
        print(f"    {figure.name:52} {number(figure.rate):>9} {unit}   {ratio:>8}", flush=True)
    return section
