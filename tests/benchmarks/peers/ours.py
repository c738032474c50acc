"""The ways by this program; duplicates, conflicts and late events are always looked for."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from projector import Projector, open_projector
from projector.projections import discover
from projector.runner import runner
from projector.store.database import Database
from replay import rebuild
from replay.engines import ENGINES
from tests.benchmarks.peers import state
from tests.benchmarks.peers.places import Place
from tests.benchmarks.peers.race import Work
from tests.benchmarks.peers.settings import cores
from tests.benchmarks.peers.state import State


@contextmanager
def append(
    place: Place, batches: Sequence[Sequence[bytes]], *, is_folded: bool = False
) -> Iterator[Work]:
    """Ingest deliveries batch by batch; where wanted, fold each batch into the tables, too."""
    chunks = [b"\n".join(batch) for batch in batches]
    with _opened(place) as projector:

        def work() -> None:
            for chunk in chunks:
                projector.ingest([chunk])
                if is_folded:
                    projector.catch_up()

        yield work
        distinct = len({body for batch in batches for body in batch})
        if projector.status().head != distinct:
            raise AssertionError(f"This program has appended {projector.status().head}.")


@contextmanager
def stored(place: Place, bodies: Sequence[bytes], *, is_folded: bool = False) -> Iterator[str]:
    """Give the URL of a database in whose log deliveries are."""
    with place.new() as url:
        place.migrate(url)
        with open_projector(url) as projector:
            projector.ingest([b"\n".join(bodies)])
            if is_folded:
                projector.catch_up()
        yield url


@contextmanager
def catch_up(place: Place, template: str) -> Iterator[Work]:
    """Fold what is in the log into all tables, batch by batch."""
    with place.new(template) as url, closing(Database(url)) as database:
        yield lambda: runner.catch_up(database, discover())


@contextmanager
def catch_up_from_nothing(place: Place, template: str) -> Iterator[Work]:
    """Fold the log into empty tables as `ingest` and `run` do: by a rebuild, if it is long."""
    with place.new(template) as url, open_projector(url) as projector:
        yield projector.catch_up


@contextmanager
def rebuilt(url: str, expected: State, engine: str, names: Sequence[str] = ()) -> Iterator[Work]:
    """Compute tables anew beside the live ones, all or some; let them take their place."""
    wanted = [each for each in discover() if not names or each.name in names]
    with closing(Database(url)) as database:
        yield lambda: rebuild(database, wanted, ENGINES[engine], workers=cores())
        state.ours(state.asking(url)).must_be(expected, "The rebuild")


@contextmanager
def read(url: str, customers: Sequence[str]) -> Iterator[Work]:
    """Ask for the whole answer: customer, segments, tiers, how far, and whether to be trusted."""
    with open_projector(url) as projector:

        def work() -> None:
            for customer_id in customers:
                projector.customer(customer_id)

        yield work


@contextmanager
def _opened(place: Place) -> Iterator[Projector]:
    with place.new() as url:
        place.migrate(url)
        with open_projector(url) as projector:
            yield projector
