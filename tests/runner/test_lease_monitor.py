"""Whether anybody projects what comes in, as another thread or process sees it."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from projector.projections import discover
from projector.runner import lease_monitor
from projector.runner.follower import Follower
from projector.runner.lease_monitor import LeaseMonitor, LeaseStatus
from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.support.followers import QUICK, following

_LONG = 20.0


@pytest.fixture
def own(database: Database, migrated_url: str) -> Iterator[Database]:
    """As the follower sees it."""
    with closing(Database(migrated_url)) as own:
        yield own


def test_a_watcher_knows_of_life_only_what_it_has_seen(database: Database, own: Database) -> None:
    watch = LeaseMonitor(database, lease_seconds=1)
    assert watch.look() == LeaseStatus(holder=None, is_alive=False)
    with following(Follower(own, discover(), holder="a", intervals=QUICK)):
        within(_LONG, lambda: watch.look().holder == "a")
        within(_LONG, lambda: watch.look().is_alive)
        late = LeaseMonitor(database, lease_seconds=1)
        assert late.look() == LeaseStatus(holder="a", is_alive=False)
        time.sleep(0.5)
        assert late.look() == LeaseStatus(holder="a", is_alive=True)
    within(_LONG, lambda: watch.look() == LeaseStatus(holder=None, is_alive=False))


def test_the_lease_stays_alive_while_it_is_handed_over(
    database: Database, own: Database, migrated_url: str
) -> None:
    watch = LeaseMonitor(database, lease_seconds=5)
    with closing(Database(migrated_url)) as others:
        first = Follower(own, discover(), holder="a", intervals=QUICK)
        second = Follower(others, discover(), holder="b", intervals=QUICK)
        with following(first):
            within(_LONG, lambda: watch.look().is_alive)
        seen = [watch.look()]
        with following(second):
            while seen[-1].holder != "b":
                seen.append(watch.look())
    assert seen[0].holder is None
    assert all(each.is_alive for each in seen)


def test_a_lease_without_a_holder_soon_counts_as_dead(
    database: Database, own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_monitor, "HANDOVER_SECONDS", 0.2)
    watch = LeaseMonitor(database, lease_seconds=_LONG)
    with following(Follower(own, discover(), holder="a", intervals=QUICK)):
        within(_LONG, lambda: watch.look().is_alive)
    within(_LONG / 2, lambda: watch.look() == LeaseStatus(holder=None, is_alive=False))


def test_a_holder_that_died_is_not_alive_for_longer_than_a_silence_may_last(
    database: Database, own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = LeaseMonitor(database, lease_seconds=0.5)
    with (
        monkeypatch.context() as patched,
        following(Follower(own, discover(), holder="a", intervals=QUICK)),
    ):
        patched.setattr(Follower, "_give_back", lambda _: None)
        within(_LONG, lambda: watch.look().is_alive)
    begun = time.monotonic()
    within(_LONG, lambda: not watch.look().is_alive)
    assert time.monotonic() - begun < 5
    assert watch.look() == LeaseStatus(holder="a", is_alive=False)
