"""Reports the feeds: what comes, from whom, how often, and whether it has gone silent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from threading import Lock

from attrs import evolve, frozen
from sqlalchemy import Connection

from projector.queries.feed_series import Days, FeedSeries, a_day
from projector.queries.feed_verdicts import (
    ENDED_AFTER,
    RHYTHM_HOURS,
    Rhythm,
    Verdict,
    hour_of,
    start_of,
)
from projector.store import feed_reads
from projector.store.database import Database
from projector.store.feed_reads import FeedRow

#: The hours that are kept: a rhythm, and the longest silence that is judged by it.
_HOURS = RHYTHM_HOURS + int(ENDED_AFTER / timedelta(hours=1))

#: A sender takes another one's place if it began at the most this long before the silence.
_REPLACES = timedelta(days=1)


@frozen(kw_only=True)
class Feed:
    """The deliveries of one type by one sender."""

    project_id: str
    #: The distribution or webhook that sends them; empty if the deliveries name none.
    sender: str
    type: str
    verdict: Verdict
    #: When the last delivery came, of whatever outcome.
    last_at: datetime
    #: The mean of deliveries a day, as far as the last 42 days have had any before.
    a_day: float
    #: The deliveries of each of the last 42 days in UTC, today's last.
    days: tuple[int, ...]
    #: How many deliveries should have come since the last one.
    missing: float
    #: How long a silence must last to be noticed, in seconds; null if none would be.
    noticed_after_seconds: int | None
    #: The number of its events in the log.
    in_log: int


@frozen(kw_only=True)
class Silence:
    """The silence of a whole sender, or of everything."""

    #: Null for everything.
    project_id: str | None
    sender: str | None
    #: The last delivery, and how many should have come since.
    last_at: datetime
    missing: float


@frozen(kw_only=True)
class Feeds:
    """All feeds, by project, sender and type, and what is silent as a whole."""

    feeds: tuple[Feed, ...]
    #: Nothing arrives at all, although it usually does; null if anything does.
    everything: Silence | None
    #: Senders of which nothing comes, while others send.
    senders: tuple[Silence, ...]
    checked_at: datetime


#: A feed: project, sender and type.
_Key = tuple[str, str, str]


class FeedReader:
    """Reads the feeds again and again, of which past hours are read once. Safe for threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._past: dict[_Key, FeedSeries] = {}
        #: The hours before this one are in `_past`.
        self._until: datetime | None = None

    def read(self, now: datetime, zone: tzinfo = UTC) -> Feeds:
        """Return the feeds; `days` are those of a zone."""
        with self._lock, self._database.reading() as connection:
            counts = self._counts(connection, now)
        return _judge(counts, now, zone)

    def _counts(self, connection: Connection, now: datetime) -> dict[_Key, FeedSeries]:
        # The last hour may still be added to, by a batch that came in it.
        until = start_of(hour_of(now) - 1)
        if self._until is None:
            self._until = start_of(hour_of(now) - _HOURS)
            _add(self._past, feed_reads.read_sums(connection, until=self._until), hours=False)
        if until > self._until:
            _add(self._past, feed_reads.read(connection, since=self._until, until=until))
            self._until = until
            for each in self._past.values():
                each.forget(hour_of(now) - _HOURS)
        counts = {key: each.copy() for key, each in self._past.items()}
        _add(counts, feed_reads.read(connection, since=self._until))
        return counts


def read_feeds(database: Database, *, now: datetime | None = None) -> Feeds:
    """Return the feeds, once."""
    return FeedReader(database).read(now or datetime.now(UTC))


def _add(counts: dict[_Key, FeedSeries], rows: Iterable[FeedRow], *, hours: bool = True) -> None:
    for row in rows:
        # What could not be read is no feed.
        if row.type:
            key = row.project_id, row.sender, row.type
            counts.setdefault(key, FeedSeries()).add(row, keeps_hours=hours)


def _judge(counts: dict[_Key, FeedSeries], now: datetime, zone: tzinfo) -> Feeds:
    days = Days(now, zone)
    rhythms = {key: each.rhythm() for key, each in counts.items()}
    feeds = tuple(
        _feed(key, counts[key], rhythms[key], now, days)
        for key in sorted(counts)
        if counts[key].last_at is not None
    )
    everything = _together(counts, list(counts))
    is_silent = everything is not None and everything.is_everything_silent(now)
    return Feeds(
        feeds=tuple(_replaced(each, feeds, counts) for each in feeds),
        everything=_silence(everything, now) if is_silent and everything else None,
        senders=() if is_silent else _silent_senders(counts, now),
        checked_at=now,
    )


def _feed(key: _Key, counts: FeedSeries, rhythm: Rhythm | None, now: datetime, days: Days) -> Feed:
    project_id, sender, type_ = key
    by_day = days.count(counts.all)
    noticed_after = None if rhythm is None else rhythm.noticed_after()
    assert counts.last_at is not None  # noqa: S101
    return Feed(
        project_id=project_id,
        sender=sender,
        type=type_,
        verdict=_verdict(counts, rhythm, now),
        last_at=counts.last_at,
        a_day=a_day(by_day),
        days=by_day,
        missing=0.0 if rhythm is None else round(rhythm.missing(now), 1),
        noticed_after_seconds=None if noticed_after is None else int(noticed_after.total_seconds()),
        in_log=counts.in_log,
    )


def _verdict(counts: FeedSeries, rhythm: Rhythm | None, now: datetime) -> Verdict:
    if rhythm is not None:
        return rhythm.verdict(now)
    if counts.live_at is not None:
        return Verdict.ENDED
    return Verdict.LEARNING if counts.may_be_live else Verdict.FILES


def _replaced(feed: Feed, feeds: tuple[Feed, ...], counts: dict[_Key, FeedSeries]) -> Feed:
    """Return a silent feed as ended if another sender has taken its place."""
    if feed.verdict is not Verdict.SILENT:
        return feed
    since = hour_of(feed.last_at - _REPLACES)
    for other in feeds:
        hours = counts[other.project_id, other.sender, other.type].live
        is_other = other.sender != feed.sender and other.type == feed.type
        if is_other and other.project_id == feed.project_id and hours and min(hours) >= since:
            return evolve(feed, verdict=Verdict.ENDED)
    return feed


def _together(counts: dict[_Key, FeedSeries], keys: Iterable[_Key]) -> Rhythm | None:
    """Return the rhythm of several feeds together; None if nothing came live."""
    whole = FeedSeries()
    for key in keys:
        each = counts[key]
        whole.live.update(each.live)
        if each.live_at is not None:
            whole.live_at = max(whole.live_at or each.live_at, each.live_at)
    return whole.rhythm()


def _silent_senders(counts: dict[_Key, FeedSeries], now: datetime) -> tuple[Silence, ...]:
    """Return the senders of several types that are silent, while another one sends.

    A sender that another one has replaced is not silent.
    """
    senders: dict[tuple[str, str], list[_Key]] = {}
    for key in counts:
        senders.setdefault(key[:2], []).append(key)
    found = []
    for (project_id, sender), keys in sorted(senders.items()):
        rhythm = _together(counts, keys)
        if len(keys) < 2 or rhythm is None or rhythm.verdict(now) is not Verdict.SILENT:
            continue
        since = hour_of(rhythm.last_at - _REPLACES)
        began = [min(counts[key].live) for key in counts if counts[key].live and key not in keys]
        if began and not any(hour >= since for hour in began):
            found.append(_silence(rhythm, now, project_id, sender))
    return tuple(found)


def _silence(
    rhythm: Rhythm, now: datetime, project_id: str | None = None, sender: str | None = None
) -> Silence:
    missing = round(rhythm.missing(now), 1)
    return Silence(project_id=project_id, sender=sender, last_at=rhythm.last_at, missing=missing)
