"""One customer with very many events, and one segment with very many members."""

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from attrs import frozen

from projector import Projector, open_projector
from projector.envelope import RecordedEvent
from projector.store import log
from projector.text.paging import to_cursor
from tests.benchmarks.deliveries import PROJECT, customer_id, entries, stories
from tests.benchmarks.measure import seconds

_STORY = "cust_story0"
_SEGMENT = "seg_all"
#: What comes on top of a long stream: batches of so many events.
_BATCHES, _BATCH_EVENTS = 11, 49
_PAGE = 100


@frozen
class Found:
    """What something took."""

    database: str
    what: str
    milliseconds: float

    def line(self) -> str:
        """For people who wait."""
        return f"{self.database:9} {self.what:60} {self.milliseconds:10.2f} ms"


def long_stream(database: str, url: str, events: int) -> Iterator[Found]:
    """One customer with so many events, one in fifty late, and what comes on top of them."""
    of = f"one customer, {events:,} events: "
    # Each delivery is a line and its end.
    feed = stories(1, events + 50 * 2 * _BATCHES)
    with open_projector(url) as projector:
        append = seconds(lambda: projector.ingest(islice(feed, 2 * events)))
        yield Found(database, of + "append, an event", 1e3 * append / events)
        yield Found(database, of + "catch-up, an event", 1e3 * seconds(projector.catch_up) / events)
        for what, late in (("a batch in order", False), ("a batch with a late one", True)):
            times = []
            for _ in range(_BATCHES):
                lines = list(islice(feed, 2 * (_BATCH_EVENTS + 1)))
                # Every fiftieth is late.
                projector.ingest(lines if late else lines[: 2 * _BATCH_EVENTS])
                times.append(seconds(projector.catch_up))
            yield Found(database, f"{of}project {what}", 1e3 * statistics.median(times))
        yield Found(database, of + "read", _median(lambda: projector.customer(_STORY)))
        [middle] = _events_at(projector, events // 2)
        then = partial(projector.customer, _STORY, as_of=middle.occurred_at)
        yield Found(database, of + "read as of its middle", _median(then))
        then = partial(projector.customer, _STORY, at_position=events // 2)
        yield Found(database, of + "read at the middle position", _median(then))
        why = partial(projector.why, _STORY, segment_id="seg_0")
        yield Found(database, of + "why, the first page of 100", _median(why))
        after = to_cursor((middle.occurred_at, middle.event_id))
        yield Found(database, of + "why, a page in the middle", _median(partial(why, after=after)))


def _events_at(projector: Projector, position: int) -> list[RecordedEvent]:
    with projector.database.reading() as connection:
        return log.read_at(connection, [position])


def large_segment(database: str, url: str, members: int) -> Iterator[Found]:
    """A segment that so many customers enter, one after the other."""
    of = f"one segment, {members:,} members: "
    with open_projector(url) as projector:
        append = seconds(lambda: projector.ingest(entries(members, _SEGMENT)))
        yield Found(database, of + "append, an event", 1e3 * append / members)
        catch_up = seconds(projector.catch_up)
        yield Found(database, of + "catch-up, an event", 1e3 * catch_up / members)
        for where, at in (("first", None), ("middle", members // 2), ("last", members - _PAGE)):
            after = None if at is None else to_cursor((PROJECT, customer_id(at - 1)))
            page = partial(projector.members, segment_id=_SEGMENT, limit=_PAGE, after=after)
            yield Found(database, f"{of}the {where} page of {_PAGE}", _median(page))
        yield Found(database, of + "its number of members", _median(projector.segments, 3))


def _median(work: Callable[[], object], times: int = 11) -> float:
    """In milliseconds."""
    return 1e3 * statistics.median(seconds(work) for _ in range(times))
