"""What was measured: ways to do the same work, in seconds a round. PURE."""

import statistics
from collections.abc import Iterable

from attrs import field, frozen


@frozen(kw_only=True)
class Figure:
    """One way to do the work of a section."""

    name: str
    #: How many events, or questions, a round has.
    events: int
    #: What it does not do, of all that this program does.
    lacks: str = ""
    #: Whether it is this program.
    is_ours: bool = False
    seconds: list[float] = field(factory=list)
    #: Seconds of processors a round: of this process and its workers, without Postgres's.
    processors: list[float] = field(factory=list)

    @property
    def rates(self) -> list[float]:
        """Events a second, round by round."""
        return [self.events / each for each in self.seconds]

    @property
    def processors_an_event(self) -> float:
        """Seconds of processors for each event: the median of the rounds."""
        return statistics.median(self.processors) / self.events

    @property
    def rate(self) -> float:
        """Their median."""
        return statistics.median(self.rates)


@frozen(kw_only=True)
class Section:
    """The same work, done in several ways in turn; the first is what the others are held to."""

    title: str
    #: SQLite or Postgres; what works on neither stands with both.
    database: str
    unit: str = "events/s"
    figures: list[Figure]

    def times_ours(self, figure: Figure) -> float:
        """How many times as fast the first one was: the median of the rounds."""
        ours = self.figures[0].rates
        return statistics.median(
            mine / other for mine, other in zip(ours, figure.rates, strict=True)
        )


def titles(sections: Iterable[Section]) -> list[str]:
    """The titles of sections, each once, in their order."""
    return list(dict.fromkeys(section.title for section in sections))
