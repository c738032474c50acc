"""Many senders send the same events at the same time: each is in the log once."""

import itertools
import random
from contextlib import closing

from projector.store.database import Database
from tests.benchmarks.clients import load
from tests.serving.senders import event
from tests.serving.servers import serving
from tests.serving.talking import webhook
from tests.support.items import read_log

_EVENTS = 1_000
_CONNECTIONS = 200
_TIMES = 5


def test_duplicates_from_two_hundred_connections_are_appended_once(
    migrated_url: str,
) -> None:
    chance = random.Random(1)
    requests = [webhook(event(number)) for number in range(_EVENTS)]
    orders = [chance.sample(requests, len(requests)) for _ in range(_TIMES)]
    with closing(Database(migrated_url)) as database:
        with serving(migrated_url) as server:
            sent = list(itertools.chain.from_iterable(orders))
            done = load(server.port, iter(sent), connections=_CONNECTIONS)
        recorded = read_log(database)
    assert (len(done.latencies), done.refused) == (_EVENTS * _TIMES, 0)
    assert [each.position for each in recorded] == list(range(1, _EVENTS + 1))
    assert {each.event_id for each in recorded} == {f"e{number}" for number in range(_EVENTS)}
