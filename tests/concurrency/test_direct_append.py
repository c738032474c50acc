"""Writers in several processes, each with a cache of its own, append the same new events."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from random import Random

from sqlalchemy import select

from projector.envelope import CanonicalKey, Envelope
from projector.store.append import Outcome, append
from projector.store.database import Database
from projector.store.stream_cache import StreamCache
from projector.store.tables import duplicate
from tests.support.databases import url_of
from tests.support.items import RECEIVED_AT, envelope, read_log, streams

_WRITERS = 4
_EVENTS = 400
_CUSTOMERS = 15


def _events() -> list[Envelope]:
    """Events of few customers, in any order of their times; some are about nobody."""
    chance = Random(1)
    return [
        envelope(
            f"e{number}",
            customer_id=f"cust_{number % _CUSTOMERS}" if number % 10 else None,
            minute=chance.randrange(1_000),
        )
        for number in range(_EVENTS)
    ]


def _write(url: str, seed: int) -> list[tuple[str, Outcome, int | None]]:
    """Append all events in an order of one's own, few at a time; what came of each."""
    chance, cache = Random(seed), StreamCache()
    events = _events()
    # Much of it at the same time as the others.
    events = [
        each
        for begin in range(0, _EVENTS, 40)
        for each in chance.sample(events[begin : begin + 40], 40)
    ]
    found = []
    with closing(Database(url)) as database:
        while events:
            batch = [events.pop(0) for _ in range(min(len(events), chance.randint(1, 4)))]
            # What was a duplicate says nothing of the next one here.
            cache.is_plain = True
            receipts = append(database, batch, received_at=RECEIVED_AT, cache=cache)
            found += [
                (item.event_id, receipt.outcome, receipt.position)
                for item, receipt in zip(batch, receipts, strict=True)
            ]
    return found


def test_each_event_is_appended_once_in_one_stream_and_rightly_late(database: Database) -> None:
    """Whoever is first; the others are told where it stands."""
    with ProcessPoolExecutor(_WRITERS, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_write, url_of(database), seed) for seed in range(_WRITERS)]
        found = [receipt for each in running for receipt in each.result()]
    log = read_log(database)
    assert [each.position for each in log] == list(range(1, _EVENTS + 1))
    places = {each.event_id: each.position for each in log}
    assert len(places) == _EVENTS
    assert all(places[event_id] == position for event_id, _, position in found)
    appended = [event_id for event_id, outcome, _ in found if outcome is Outcome.APPENDED]
    assert sorted(appended) == sorted(places)
    assert {outcome for _, outcome, _ in found} == {Outcome.APPENDED, Outcome.DUPLICATE}
    with database.reading() as connection:
        counts = dict(connection.execute(select(duplicate.c.position, duplicate.c.count)).all())
    assert sum(counts.values()) == (_WRITERS - 1) * _EVENTS
    greatest: dict[int, CanonicalKey] = {}
    for each in log:
        assert (each.stream_id is None) == (each.customer_id is None)
        if each.stream_id is None:
            assert not each.late
            continue
        last = greatest.get(each.stream_id)
        assert each.late == (last is not None and each.key < last)
        greatest[each.stream_id] = each.key if last is None else max(last, each.key)
    assert [(row[0], CanonicalKey(row[3], row[4])) for row in streams(database)] == sorted(
        greatest.items()
    )
    assert len({row[1:3] for row in streams(database)}) == len(greatest) == _CUSTOMERS
