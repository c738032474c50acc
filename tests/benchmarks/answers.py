"""Answers that explain: why, as of when, who else, and the proof, from a large log."""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from projector import Projector, open_projector
from projector.errors import CustomerNotFound
from projector.projections import discover
from projector.store import digest, schema
from projector.store.database import Database
from replay import rebuild, verify
from replay.engines import ENGINES
from tests.benchmarks.deliveries import deliveries, stories
from tests.benchmarks.measure import Pair, percentiles, seconds
from tests.support.postgres import Server

#: Customers with so many events each, of whom the questions about the past are asked.
_STORIES, _STORY_EVENTS = 200, 50
_PAGE = 100


def run(server: Server, folder: Path, *, events: int, customers: int, questions: int) -> None:
    """Print what each kind of answer takes, on SQLite and on Postgres."""
    postgres = server.create_database()
    schema.migrate(Database(postgres))
    for name, url in (("sqlite", f"sqlite:///{folder / 'answers.db'}"), ("postgres", postgres)):
        with open_projector(url) as projector:
            projector.ingest(
                itertools.chain(
                    deliveries(events, customers=customers), stories(_STORIES, _STORY_EVENTS)
                )
            )
            projector.catch_up()
            _ask(name, projector, customers, questions)
            _walk(name, projector)
            _prove(name, projector, events)


def _ask(name: str, projector: Projector, customers: int, questions: int) -> None:
    random_ = random.Random(1)
    head = projector.status().head

    def anybody() -> None:
        # Of so many, a few have no event by chance.
        with suppress(CustomerNotFound):
            projector.customer(f"cust_{random_.randrange(customers):020d}")

    def story() -> str:
        return f"cust_story{random_.randrange(_STORIES)}"

    def at_position() -> None:
        projector.customer(story(), at_position=head - random_.randrange(10))

    def why() -> None:
        projector.why(story(), segment_id="seg_0")

    asked = (
        ("customer", anybody),
        ("at a position", at_position),
        ("why", why),
        ("segments", projector.segments),
        ("tiers", projector.tiers),
    )
    for what, ask in asked:
        print(f"{name + ' ' + what:28} {percentiles(_times(ask, questions))}", flush=True)


def _times(ask: Callable[[], object], times: int) -> list[float]:
    return [seconds(ask) for _ in range(times)]


def _walk(name: str, projector: Projector) -> None:
    """Every page of a segment, from the first to the last."""
    samples = list(_pages(projector))
    tenth = max(1, len(samples) // 10)
    for what, some in (("first", samples[:tenth]), ("last", samples[-tenth:])):
        line = f"{name + ' members, ' + what + ' tenth':28}"
        print(f"{line} {percentiles(some)}   ({len(samples):,} pages of {_PAGE})", flush=True)


def _pages(projector: Projector) -> Iterator[float]:
    cursor = None
    while True:
        start = time.perf_counter()
        page = projector.members(segment_id="seg_0", limit=_PAGE, after=cursor)
        yield time.perf_counter() - start
        cursor = page.next
        if cursor is None:
            return


def _prove(name: str, projector: Projector, events: int) -> None:
    """A verification of everything beside a rebuild of everything."""
    pair = Pair(f"{name} verify, of rebuild", events)
    everything = list(discover())
    pair.floor.append(
        seconds(lambda: rebuild(projector.database, everything, ENGINES["in-process"]))
    )
    pair.ours.append(seconds(lambda: verify(projector.database, everything)))
    print(pair.line(), flush=True)


def run_digest(folder: Path, *, events: int, customers: int, rounds: int) -> None:
    """Print a catch-up beside one that keeps no digest."""
    pair = Pair("sqlite catch-up, no digest", events)
    for number in range(rounds):
        for place, keeps in ((pair.ours, True), (pair.floor, False)):
            with open_projector(f"sqlite:///{folder / f'digest{number}{keeps}.db'}") as projector:
                projector.ingest(deliveries(events, customers=customers))
                place.append(seconds(projector.catch_up if keeps else _without_digest(projector)))
    print(pair.line(), flush=True)


def _without_digest(projector: Projector) -> Callable[[], None]:
    def work() -> None:
        with patch.object(digest, "of", return_value=0):
            projector.catch_up()

    return work
