"""Timing in pairs: what is measured and its floor in turn, so that a noisy machine hits both."""

import resource
import statistics
import time
from collections.abc import Callable

from attrs import field, frozen


@frozen
class Pair:
    """A thing and its floor, in seconds a round."""

    name: str
    events: int
    ours: list[float] = field(factory=list)
    floor: list[float] = field(factory=list)

    def line(self) -> str:
        """Events per second of both, and the median of the ratios round by round."""
        ratios = [floor / ours for ours, floor in zip(self.ours, self.floor, strict=True)]
        ours = self.events / statistics.median(self.ours)
        floor = self.events / statistics.median(self.floor)
        shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
        return (
            f"{self.name:28} {ours:10,.0f} events/s   floor {floor:10,.0f} events/s   "
            f"ratio {statistics.median(ratios):.2f}   (rounds: {shown})"
        )


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def processors() -> float:
    """Return the seconds of processors that this process and its ended children have taken."""
    taken = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in taken)


def percentiles(samples: list[float]) -> str:
    """Median, 99th percentile and maximum of durations in seconds, in milliseconds."""
    # Inclusive: the other method gives more than the maximum for few samples.
    cuts = statistics.quantiles(samples, n=100, method="inclusive")
    return (
        f"p50 {cuts[49] * 1e3:.3f} ms   p99 {cuts[98] * 1e3:.3f} ms   "
        f"max {max(samples) * 1e3:.3f} ms"
    )
