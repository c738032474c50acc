"""What Prometheus is told: counted here, and looked up in the database when it asks."""

from __future__ import annotations

from collections import Counter as Tally
from datetime import UTC, datetime
from functools import partial
from threading import Lock

from attrs import frozen

from projector.facts.registry import facts
from projector.projections import discover
from projector.queries.status import Status, read_status
from projector.server.errors import MetricsMissing
from projector.server.writer import Commit
from projector.store import log
from projector.store.append import Outcome
from projector.store.database import Database

try:
    import prometheus_client as prometheus
except ImportError:
    HAS_PROMETHEUS = False
else:
    HAS_PROMETHEUS = True

#: How far back from the log's head events are looked at for when one of their type came last.
TAIL_EVENTS = 10_000

#: Types that nobody reads are counted together: there may be any number of them.
_OTHER = "other"

_COMMIT_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
_BATCH_ITEMS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_LATENESS_SECONDS = (1, 10, _MINUTE, 10 * _MINUTE, _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY)


@frozen(kw_only=True)
class MetricsSnapshot:
    """What the database tells of itself."""

    status: Status
    #: How long the oldest event that is not in the tables has been in the log; 0 where all are.
    lag_seconds: float
    #: Since the last event of each type came.
    silence_seconds: dict[str, float]


class NullMetrics:
    """The server without the extra `metrics`: it counts nothing."""

    def committed(self, done: Commit) -> None:
        """A batch was appended."""

    def refused(self, code: str) -> None:
        """A webhook was not taken in."""

    def answered(self, endpoint: str, status: int) -> None:
        """A request was answered."""

    def page(self) -> tuple[bytes, str]:
        """The metrics as Prometheus reads them, and their media type; raises MetricsMissing."""
        raise MetricsMissing


class Metrics(NullMetrics):
    """The server's metrics. Any thread may call any method."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last_seen: dict[str, datetime] = {}
        self._position = 0
        self._telling = Lock()
        self._answered: dict[tuple[str, int], prometheus.Counter] = {}
        self._registry = prometheus.CollectorRegistry()
        counter = partial(prometheus.Counter, registry=self._registry)
        gauge = partial(prometheus.Gauge, registry=self._registry)
        histogram = partial(prometheus.Histogram, registry=self._registry)
        self._deliveries = counter(
            "projector_deliveries", "What became of deliveries.", ["outcome"]
        )
        self._refused = counter(
            "projector_webhooks_refused", "Webhooks that were not taken in.", ["code"]
        )
        self._requests = counter(
            "projector_requests", "Requests that were answered.", ["endpoint", "status"]
        )
        self._batch_items = histogram(
            "projector_batch_items", "Deliveries in one transaction.", buckets=_BATCH_ITEMS
        )
        self._commit_seconds = histogram(
            "projector_commit_seconds",
            "How long a transaction of deliveries took.",
            buckets=_COMMIT_SECONDS,
        )
        self._lateness_seconds = histogram(
            "projector_lateness_seconds",
            "From an event's occurrence to its arrival.",
            buckets=_LATENESS_SECONDS,
        )
        for outcome in Outcome:
            self._deliveries.labels(outcome)
        self._head = gauge("projector_head", "The position of the last event.")
        self._lag_events = gauge(
            "projector_lag_events", "Events that are not in the tables.", ["projection"]
        )
        self._lag_seconds = gauge(
            "projector_lag_seconds",
            "How long the oldest event that is not in the tables has been in the log.",
        )
        self._dead_letters = gauge(
            "projector_dead_letters", "Events that could not be folded.", ["projection"]
        )
        self._failed = gauge(
            "projector_projection_failed",
            "1 for a projection that does not run, 0 for one that does.",
            ["projection"],
        )
        self._quarantine = gauge(
            "projector_quarantine", "Deliveries that were put aside.", ["reason"]
        )
        self._silence_seconds = gauge(
            "projector_silence_seconds", "Since the last event of a type came.", ["type"]
        )

    def committed(self, done: Commit) -> None:
        """A batch was appended."""
        for outcome, count in Tally(receipt.outcome for receipt in done.receipts).items():
            self._deliveries.labels(outcome).inc(count)
        self._batch_items.observe(len(done.items))
        self._commit_seconds.observe(done.seconds)
        for late in done.lateness_seconds():
            self._lateness_seconds.observe(late)

    def refused(self, code: str) -> None:
        """A webhook was not taken in."""
        self._refused.labels(code).inc()

    def answered(self, endpoint: str, status: int) -> None:
        """A request was answered."""
        # To look a counter up takes longer than to count.
        counter = self._answered.get((endpoint, status))
        if counter is None:
            counter = self._answered[endpoint, status] = self._requests.labels(endpoint, status)
        counter.inc()

    def page(self) -> tuple[bytes, str]:
        """The metrics as Prometheus reads them, and their media type."""
        # What two of them look up and set at once would be neither's.
        with self._telling:
            self._set(self._look())
            return prometheus.generate_latest(self._registry), prometheus.CONTENT_TYPE_LATEST

    def _look(self) -> MetricsSnapshot:
        status = read_status(self._database, discover())
        now = datetime.now(UTC)
        after = max(self._position, status.head - TAIL_EVENTS)
        reached = min((each.position for each in status.projections), default=status.head)
        with self._database.reading() as connection:
            last = log.last_received_by_type(connection, after=after)
            behind = log.read_at(connection, [reached + 1])
        for type_, received_at in last.items():
            known = type_ if type_ in facts() else _OTHER
            self._last_seen[known] = max(received_at, self._last_seen.get(known, received_at))
        self._position = status.head
        return MetricsSnapshot(
            status=status,
            lag_seconds=max(
                ((now - each.received_at).total_seconds() for each in behind), default=0
            ),
            silence_seconds={
                type_: (now - at).total_seconds() for type_, at in self._last_seen.items()
            },
        )

    def _set(self, found: MetricsSnapshot) -> None:
        self._head.set(found.status.head)
        self._lag_seconds.set(found.lag_seconds)
        for each in found.status.projections:
            self._lag_events.labels(each.name).set(each.lag)
            self._dead_letters.labels(each.name).set(each.dead_letters)
            self._failed.labels(each.name).set(each.error is not None)
        # A reason that nothing waits for any more is not told at all.
        self._quarantine.clear()
        for reason, count in found.status.quarantine.items():
            self._quarantine.labels(reason).set(count)
        for type_, seconds in found.silence_seconds.items():
            self._silence_seconds.labels(type_).set(seconds)


def create_metrics(database: Database) -> NullMetrics:
    """The metrics, where the extra is installed."""
    return Metrics(database) if HAS_PROMETHEUS else NullMetrics()
