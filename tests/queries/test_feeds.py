"""The feeds of a database: what comes, what is silent, and what is known of an older log."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import update

from projector.queries.feed_verdicts import Verdict
from projector.queries.feeds import FeedReader, Feeds, read_feeds
from projector.store.append import Channel, append
from projector.store.database import Database
from projector.store.stream_cache import StreamCache
from projector.store.tables import feed_hour
from tests.support.items import envelope

NOW = datetime(2025, 6, 2, 12, 30, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_ENTERED, _LEFT = "customer.segment.entered", "customer.segment.left"


def arrive(
    database: Database,
    type: str,
    *,
    until: timedelta = timedelta(0),
    days: int = 30,
    sender: str = "distr_1",
    channel: Channel = Channel.LIVE,
) -> None:
    """Let one event an hour come, up to so long ago."""
    cache = StreamCache()
    for hours in range(24 * days, 0, -1):
        at = NOW - hours * _HOUR
        if at <= NOW - until:
            event = envelope(f"{sender}.{type}.{hours}.{days}", type=type, sender=sender)
            append(database, [event], received_at=at, cache=cache, channel=channel)


def _verdicts(feeds: Feeds) -> dict[tuple[str, str], str]:
    return {(each.sender, each.type): str(each.verdict) for each in feeds.feeds}


def _read(database: Database, now: datetime = NOW) -> Feeds:
    return read_feeds(database, now=now)


def test_an_empty_database_has_no_feed_and_no_alarm(database: Database) -> None:
    feeds = _read(database)
    assert (feeds.feeds, feeds.everything, feeds.senders) == ((), None, ())


def test_one_type_is_silent_while_another_comes(database: Database) -> None:
    arrive(database, _ENTERED)
    arrive(database, _LEFT, until=timedelta(days=3))
    feeds = _read(database)
    assert _verdicts(feeds) == {("distr_1", _ENTERED): "comes", ("distr_1", _LEFT): "silent"}
    assert (feeds.everything, feeds.senders) == (None, ())
    silent = feeds.feeds[1]
    assert silent.last_at == NOW - timedelta(days=3)
    assert 71 <= silent.missing <= 73
    assert silent.days[-5:] == (24, 13, 0, 0, 0)
    assert silent.in_log == sum(silent.days) == 27 * 24 + 1


def test_a_whole_sender_and_everything_may_be_silent(database: Database) -> None:
    for type_ in (_ENTERED, _LEFT):
        arrive(database, type_, until=timedelta(days=2))
    arrive(database, _ENTERED, sender="wh_1")
    feeds = _read(database)
    assert [(each.sender, each.last_at) for each in feeds.senders] == [
        ("distr_1", NOW - timedelta(days=2))
    ]
    later = _read(database, NOW + timedelta(days=1))
    assert later.senders == ()
    assert later.everything is not None
    assert later.everything.last_at == NOW - _HOUR


def test_a_sender_that_another_one_replaces_has_ended(database: Database) -> None:
    arrive(database, _ENTERED, until=timedelta(days=5))
    arrive(database, _ENTERED, sender="distr_2", days=5)
    feeds = _read(database)
    assert _verdicts(feeds)["distr_1", _ENTERED] == "ended"


def test_files_and_backfills_have_no_rhythm_and_an_older_log_is_learnt(database: Database) -> None:
    arrive(database, _ENTERED, until=timedelta(days=3), channel=Channel.FILE)
    assert _verdicts(_read(database)) == {("distr_1", _ENTERED): "files"}
    with database.writing() as connection:
        connection.execute(update(feed_hour).values(channel=str(Channel.BACKFILL)))
    assert _verdicts(_read(database)) == {("distr_1", _ENTERED): "files"}
    with database.writing() as connection:
        connection.execute(update(feed_hour).values(channel=str(Channel.EARLIER)))
    [feed] = _read(database).feeds
    assert (feed.verdict, feed.last_at) == (Verdict.LEARNING, NOW - timedelta(days=3))
    assert (feed.in_log, sum(feed.days)) == (27 * 24 + 1, 0)


def test_a_reader_that_goes_on_says_what_a_new_one_says(database: Database) -> None:
    """Past hours are read once; two processes append meanwhile."""
    reader = FeedReader(database)
    caches = StreamCache(), StreamCache()
    for number, now in enumerate(_moments()):
        sent = envelope(str(number), type=(_ENTERED, _LEFT)[number % 2], sender="distr_1")
        append(database, [sent], received_at=now, cache=caches[number % 2])
        assert reader.read(now) == _read(database, now)
    assert sum(each.in_log for each in reader.read(NOW).feeds) == number + 1


def _moments() -> Iterable[datetime]:
    for minutes in (0, 1, 59, 61, 240, 241, 3_000, 200_000, 500_000, 500_050):
        yield NOW + timedelta(minutes=minutes)


def test_days_are_those_of_a_zone(database: Database) -> None:
    append(database, [envelope("a")], received_at=datetime(2025, 6, 1, 23, 30, tzinfo=UTC))
    reader = FeedReader(database)
    assert reader.read(NOW).feeds[0].days[-2:] == (1, 0)
    assert reader.read(NOW, ZoneInfo("Europe/Warsaw")).feeds[0].days[-2:] == (0, 1)
