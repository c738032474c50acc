"""What is prepared before anything is timed: the deliveries, and what they have to come to."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from tests.benchmarks import floors
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.peers import ours, state
from tests.benchmarks.peers.places import SqlitePlace
from tests.benchmarks.peers.state import State

#: Of the deliveries that are not in order, so many come late and so many twice.
_SHARE = 0.02


@frozen(kw_only=True)
class Sizes:
    """How many events a round of each kind has."""

    #: By batches of 1, 100 and 1,000.
    batches: dict[int, int]
    #: Catch-up and rebuild.
    log: int
    #: What is slow does less of it.
    tail: int
    replay: int
    questions: int
    customers: int

    def divided(self, by: int) -> "Sizes":
        """A part of it, for a try."""
        return Sizes(
            batches={batch: max(batch, events // by) for batch, events in self.batches.items()},
            log=self.log // by,
            tail=self.tail // by,
            replay=self.replay // by,
            questions=self.questions // by,
            customers=self.customers // by,
        )


@define(kw_only=True, slots=False)
class Material:
    """The same deliveries for all: in order, and none of them twice, but for `messy`."""

    folder: Path
    sizes: Sizes
    _states: dict[int, State] = field(factory=dict, init=False)

    @cached_property
    def bodies(self) -> list[bytes]:
        return self._lines(late_share=0.0)

    @cached_property
    def messy(self) -> list[bytes]:
        """Some come late, and some of the last hundred come again."""
        lines = self._lines(late_share=_SHARE)
        every = round(1 / _SHARE)
        for number in range(every + 100, len(lines), every):
            lines[number] = lines[number - 100]
        return lines

    @cached_property
    def ndjson(self) -> Path:
        path = self.folder / "deliveries.ndjson"
        path.write_bytes(b"".join(body + b"\n" for body in self.bodies))
        return path

    @cached_property
    def rows(self) -> list[tuple[Any, ...]]:
        """The rows of the log, as SQLite has them."""
        with ours.stored(SqlitePlace(self.folder), self.bodies) as url:
            return floors.read_rows(Path(url.removeprefix("sqlite:///")))

    def batches(self, batch: int) -> list[list[bytes]]:
        """As many deliveries as are appended in batches of this size."""
        return cut(self.bodies[: self.sizes.batches[batch]], batch)

    def expected(self, events: int) -> State:
        """What this program makes of the first so many; all others must come to the same."""
        if events not in self._states:
            with self._folded(events) as url:
                self._states[events] = state.ours(state.asking(url))
        return self._states[events]

    @contextmanager
    def _folded(self, events: int) -> Iterator[str]:
        place, some = SqlitePlace(self.folder), self.bodies[:events]
        with ours.stored(place, some, is_folded=True) as url:
            yield url

    def _lines(self, *, late_share: float) -> list[bytes]:
        made = deliveries(self.sizes.log, customers=self.sizes.customers, late_share=late_share)
        return [line for line in made if line != b"\n"]


def cut(bodies: list[bytes], batch: int) -> list[list[bytes]]:
    """Batches of deliveries."""
    return [bodies[start : start + batch] for start in range(0, len(bodies), batch)]
