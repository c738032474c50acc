"""What is measured: on each database append, catch-up, rebuild, and the question of a customer."""

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from attrs import frozen

from replay.engines import ENGINES, PARALLEL_EVENTS_MIN
from tests.benchmarks import floors
from tests.benchmarks.bare import Postgres, Sqlite
from tests.benchmarks.peers import by_hand, by_library, by_sql, ours
from tests.benchmarks.peers.figures import Section
from tests.benchmarks.peers.material import Material, cut
from tests.benchmarks.peers.places import Place, SqlitePlace
from tests.benchmarks.peers.race import Way, Work, race
from tests.benchmarks.peers.settings import cores

APPEND, CATCH_UP, REBUILD, READ = "Append", "Catch-up", "Rebuild", "One customer"

_PROGRAM, _LIBRARY = "this program", "eventsourcing"
_MESSY = f"{_PROGRAM}, 2 % late and 2 % twice"
_AT_ONCE = f"{_PROGRAM}, a long log at once"
_NO_ORDER = "find duplicates and conflicts, order late events"
_NO_TRUST = "order late events, tell gaps, history, as-of, why"
_NO_SWAP = f"{_NO_TRUST}, rebuild beside live tables"
_NO_DEPTH = "tell gaps, history, as-of, why, rebuild beside live tables"
_NO_LOG = f"keep a log, find duplicates and conflicts, {_NO_DEPTH}"
_NO_MEMORY = f"keep a log to rebuild from, {_NO_ORDER}, tell gaps, history, as-of, why"
_FLOOR = "do anything but insert ready rows"

#: What the peers compute; this program has three tables more.
_TWO = ("segment_membership", "loyalty_tier")

#: In a transaction, of the bare insert beside a catch-up.
_FLOOR_ROWS = 5_000

_Begin = Callable[[], AbstractContextManager[Work]]


@frozen(kw_only=True)
class Course:
    """All that is run on one database."""

    place: Place
    material: Material
    rounds: int

    def sections(self) -> Iterator[Section]:
        """Run it, section by section."""
        for batch in self.material.sizes.batches:
            yield self.append(batch)
        yield self.catch_up()
        yield self.rebuild()
        yield self.read()

    def append(self, batch: int) -> Section:
        """Deliveries into the log, so many in a transaction."""
        material, place = self.material, self.place
        batches = material.batches(batch)
        events = sum(map(len, batches))
        ways = [_ours(_PROGRAM, events, partial(ours.append, place, batches))]
        if batch == 1:
            folded = partial(ours.append, place, batches, is_folded=True)
            ways.append(_ours(f"{_PROGRAM}, tables too", events, folded))
        if batch == max(material.sizes.batches):
            messy = cut(material.messy[:events], batch)
            ways.append(_ours(_MESSY, events, partial(ours.append, place, messy)))
        library = partial(by_library.append, place, batches)
        ways += [
            _peer(f"{_LIBRARY}, application", events, library, _NO_ORDER),
            _peer(f"{_LIBRARY}, bare recorder", events, partial(library, bare=True), _NO_ORDER),
            _peer("bare insert", events, partial(self._bare_insert, events, batch), _FLOOR),
        ]
        if batch == 1:
            handler = partial(
                by_hand.handle, place, material.bodies[:events], material.expected(events)
            )
            ways.append(_peer("upsert by hand, tables only", events, handler, _NO_MEMORY))
        many = "one at a time" if batch == 1 else f"batches of {batch:,}"
        return self._race(f"{APPEND}, {many}", ways)

    def catch_up(self) -> Section:
        """What is in the log into the tables."""
        material, place = self.material, self.place
        log, tail = material.sizes.log, material.sizes.tail
        name = f"{_LIBRARY}, " + ("pulled" if place.name == "SQLite" else "ProjectionRunner")
        with (
            ours.stored(place, material.bodies) as stored,
            ours.stored(place, material.messy) as messy,
            by_library.stored(place, material.bodies[:tail]) as theirs,
        ):
            library = partial(by_library.tail, place, theirs, material.expected(tail))
            insert = partial(self._bare_insert, log, _FLOOR_ROWS)
            ways = [
                _ours(_PROGRAM, log, partial(ours.catch_up, place, stored)),
                _ours(_MESSY, log, partial(ours.catch_up, place, messy)),
                _ours(_AT_ONCE, log, partial(ours.catch_up_from_nothing, place, stored)),
                _peer(name, tail, library, _NO_TRUST),
                _peer("bare insert of the log", log, insert, _FLOOR),
            ]
            return self._race(CATCH_UP, ways)

    def rebuild(self) -> Section:
        """The tables anew, from the first event."""
        material, place = self.material, self.place
        log, replayed = material.sizes.log, material.sizes.replay
        with (
            ours.stored(place, material.bodies, is_folded=True) as url,
            by_library.stored(place, material.bodies[:replayed]) as theirs,
        ):
            expected = material.expected(log)
            mine = partial(ours.rebuilt, url, expected)
            engine, other = sorted(ENGINES, reverse=log >= PARALLEL_EVENTS_MIN)
            replay = partial(by_library.replay, place, theirs, material.expected(replayed))
            file, folder = material.ndjson, material.folder
            duckdb = partial(by_sql.duckdb, folder, file, cores(), expected)
            in_place = partial(by_sql.in_place, url, expected)
            ways = [
                _ours(f"{_PROGRAM}, {engine}", log, partial(mine, engine)),
                _ours(f"{_PROGRAM}, {other}", log, partial(mine, other)),
                _ours(f"{_PROGRAM}, two tables", log, partial(mine, engine, _TWO)),
                _peer(f"{_LIBRARY}, replay in memory", replayed, replay, _NO_SWAP),
                _peer("DuckDB over NDJSON", log, duckdb, _NO_LOG),
                _peer(f"SQL in {place.name}", log, in_place, _NO_DEPTH),
                _peer("bare read and insert", log, partial(self._bare_rebuild, url), _FLOOR),
            ]
            return self._race(REBUILD, ways)

    def read(self) -> Section:
        """The state of one customer after the other."""
        material, place = self.material, self.place
        questions = material.sizes.questions
        known = sorted({row[0] for row in material.expected(material.sizes.log).tiers})
        asked = random.Random(1).choices(known, k=questions)
        bodies = (body.decode() for body in material.bodies)
        with (
            ours.stored(place, material.bodies, is_folded=True) as url,
            place.new() as theirs,
        ):
            by_hand.write_folded(theirs, bodies)
            ways = [
                _ours(_PROGRAM, questions, partial(ours.read, url, asked)),
                _peer(
                    "bare SELECT of two tables",
                    questions,
                    partial(by_hand.read, theirs, asked),
                    f"{_NO_TRUST}, say how far the tables reach",
                ),
            ]
            return self._race(READ, ways, unit="answers/s")

    def _race(self, title: str, ways: list[Way], unit: str = "events/s") -> Section:
        return race(title, self.place.name, ways, rounds=self.rounds, unit=unit)

    @contextmanager
    def _bare_insert(self, events: int, batch: int) -> Iterator[Work]:
        rows = self.material.rows[:events]
        if isinstance(self.place, SqlitePlace):
            path = Path(tempfile.mkdtemp(dir=self.place.folder)) / "floor.db"
            yield partial(floors.insert_sqlite, path, rows, batch=batch)
            path.unlink()
            return
        rows = list(map(floors.for_postgres, rows))
        with self.place.new() as url:
            yield partial(floors.insert_postgres, url, rows, batch=batch)

    @contextmanager
    def _bare_rebuild(self, url: str) -> Iterator[Work]:
        if isinstance(self.place, SqlitePlace):
            yield Sqlite(url, self.place.folder).floor
        else:
            yield Postgres(url, self.place.server).floor


def _ours(name: str, events: int, begin: _Begin) -> Way:
    return Way(name=name, events=events, begin=begin, is_ours=True)


def _peer(name: str, events: int, begin: _Begin, lacks: str) -> Way:
    return Way(name=name, events=events, begin=begin, lacks=lacks)
