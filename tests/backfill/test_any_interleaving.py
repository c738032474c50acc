"""Whatever happens while pages are read, nothing of an activity is lost.

Events occur, appear late, and vanish; requests fail, and the process is killed between a page and
its bookmark. Once nothing disturbs a reading any more, the log has all that the API has.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis
from hypothesis import strategies as st

from projector.backfill.options import Scope
from projector.backfill.reading import ActivityReader
from projector.envelope import CustomerKey, Envelope, Item
from projector.errors import VoucherifyRejected
from projector.store.activity import Reading, Status
from projector.text.instants import parse, to_text
from projector.voucherify.client import Answer, RequestFailed
from projector.voucherify.pages import OVERLAP
from tests.support.voucherify_api import VoucherifyApi, entry

_BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
_PAGE = 3
_REQUESTS_MAX = 300


class _Killed(BaseException):
    """The process has ended."""


class _World:
    """The API, the log and the bookmarks; `disturb` is called before and after each request."""

    def __init__(self) -> None:
        self.api = VoucherifyApi(page_max=_PAGE)
        self.api.add("cust_1")
        self.now = _BEGIN
        self.born = 0
        self.log: dict[str, Envelope] = {}
        self.appended: list[str] = []
        self.readings: dict[str, Reading] = {}
        self.disturb: Callable[[str], None] = lambda _step: None
        self.requests = 0

    # As a client and a filing.
    host = "api.test"

    def get(self, path: str, query: dict[str, str]) -> Answer:
        self.requests += 1
        assert self.requests < _REQUESTS_MAX, "it never ends"
        self.disturb("request")
        status, body = self.api._page(self.api.activity["cust_1"], query)
        sent_at = self.now
        self.disturb("answer")
        if status == 400:
            raise VoucherifyRejected(host="", path=path, status=status, detail="")
        return Answer(
            status=status,
            body=json.dumps(body).encode(),
            sent_at=sent_at,
            answered_at=self.now,
            date=sent_at.replace(microsecond=0),
        )

    def find(self, customer: CustomerKey, scope: str) -> Reading:
        return self.readings.get(scope) or Reading(**customer._asdict(), scope=scope)

    def file(self, items: list[Item], reading: Reading) -> None:
        self.disturb("append")
        for item in items:
            assert isinstance(item, Envelope)
            if item.event_id not in self.log:
                self.log[item.event_id] = item
                self.appended.append(item.event_id)
        self.disturb("save")
        self.readings[reading.scope] = reading

    @property
    def lost(self) -> set[str]:
        """What the API has, and the log has not."""
        return {each["id"] for each in self.api.activity["cust_1"]} - self.log.keys()

    @property
    def reading(self) -> Reading:
        """The bookmark."""
        return self.readings[""]

    # What happens.
    def read(self, *, again: bool = False) -> Status | None:
        """Run once, as far as it gets."""
        filing: Any = self
        reader = ActivityReader(filing, filing, "proj_1", again=again)
        try:
            return reader.read("cust_1", Scope())
        except (_Killed, RequestFailed):
            return None

    def occur(self, seconds_ago: int) -> None:
        """Let an event appear that occurred a while ago, but within the overlap."""
        at = self.now - min(timedelta(seconds=seconds_ago), OVERLAP)
        self.born += 1
        self.api.add("cust_1", entry(f"e{self.born:03}", to_text(at)))

    def forget(self, number: int) -> None:
        """Let an event vanish."""
        entries = self.api.activity["cust_1"]
        if entries:
            del entries[number % len(entries)]


_happening = st.one_of(
    st.tuples(st.just("pass"), st.integers(0, 20_000)),
    st.tuples(st.just("occur"), st.integers(0, 4_000)),
    st.tuples(st.just("occur"), st.integers(0, 4_000)),
    st.tuples(st.just("forget"), st.integers(0, 10)),
    st.tuples(st.just("fail"), st.just(0)),
    st.tuples(st.just("kill"), st.just(0)),
)


@hypothesis.settings(max_examples=300)
@hypothesis.given(
    before=st.lists(st.integers(0, 4_000), max_size=12),
    runs=st.lists(
        st.tuples(st.booleans(), st.lists(st.lists(_happening, max_size=2), max_size=12)),
        max_size=5,
    ),
)
def test_nothing_is_lost_and_nothing_comes_twice(
    before: list[int], runs: list[tuple[bool, list[list[tuple[str, int]]]]]
) -> None:
    world = _World()
    for seconds in before:
        world.now += timedelta(seconds=1500)
        world.occur(seconds)
    for again, steps in runs:
        waiting = [*steps]

        def disturb(step: str, waiting: list[Any] = waiting) -> None:
            for kind, number in waiting.pop(0) if waiting else ():
                match kind:
                    case "pass":
                        world.now += timedelta(seconds=number)
                    case "occur":
                        world.occur(number)
                    case "forget":
                        world.forget(number)
                    case "fail" if step == "request":
                        raise RequestFailed("it is down", has_connected=True)
                    case "kill":
                        raise _Killed

        world.disturb = disturb
        world.read(again=again)
        world.now += timedelta(seconds=60)
    world.disturb = lambda _step: None
    # The first run ends what was broken off, the second one sees what appeared meanwhile.
    assert world.read() is Status.DONE
    assert world.read() is Status.DONE
    assert world.lost == set()
    assert len(world.appended) == len(set(world.appended))
    for each in world.api.activity["cust_1"]:
        assert world.log[each["id"]].occurred_at == parse(each["created_at"])


def _world(events: int) -> _World:
    """A world with an event a minute, of which the last one occurs now."""
    world = _World()
    for _ in range(events):
        world.now += timedelta(minutes=1)
        world.occur(0)
    return world


def _at_request(number: int, error: BaseException) -> Callable[[str], None]:
    """Raise an error at some request."""
    steps: list[str] = []

    def disturb(step: str) -> None:
        steps.append(step)
        if step == "request" and steps.count(step) == number:
            raise error

    return disturb


def test_what_appears_before_the_bookmark_of_a_broken_reading_is_seen_by_the_one_after() -> None:
    world = _world(events=6)
    world.disturb = _at_request(2, _Killed())
    assert world.read() is None
    assert (world.reading.status, world.reading.cursor) == (Status.READING, "e003")
    world.occur(seconds_ago=5 * 60)
    # Many events later, so that the overlap before the newest one ends behind it.
    world.now += timedelta(hours=5)
    world.occur(0)
    world.disturb = lambda _step: None
    world.read()
    assert world.lost == {"e007"}
    world.read()
    assert world.lost == set()


def test_a_failure_of_the_first_page_leaves_the_next_reading_where_this_one_began() -> None:
    world = _world(events=3)
    assert world.read() is Status.DONE
    world.occur(seconds_ago=3 * 60)
    world.disturb = _at_request(1, RequestFailed("it is down", has_connected=True))
    assert world.read() is None
    assert (world.reading.status, world.reading.problem) == (
        Status.FAILED,
        "Voucherify's API failed: it is down.",
    )
    world.disturb = lambda _step: None
    assert world.read() is Status.DONE
    assert (world.lost, world.reading.problem) == (set(), None)


def test_a_later_reading_costs_one_request_however_long_the_activity_is() -> None:
    world = _world(events=200)
    for _ in range(3):
        world.read()
        world.now += timedelta(hours=2)
        world.occur(0)
    before = world.requests
    world.read()
    assert (world.requests - before, world.lost) == (1, set())


def test_an_event_in_the_future_hides_no_others() -> None:
    world = _world(events=2)
    world.api.add("cust_1", entry("future", "2099-01-01T00:00:00.000Z"))
    world.read()
    world.now += timedelta(days=1)
    world.occur(0)
    world.read()
    assert world.lost == set()


def test_reading_again_begins_at_the_beginning() -> None:
    world = _world(events=2)
    world.read()
    world.api.add("cust_1", entry("old", "2023-01-01T00:00:00.000Z"))
    world.read()
    assert world.lost == {"old"}
    world.read(again=True)
    assert world.lost == set()
