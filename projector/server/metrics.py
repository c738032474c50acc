"""Exposes Prometheus metrics.

Counters and histograms are kept in this process; gauges are read from the database at each scrape.
"""

from __future__ import annotations

from collections import Counter as Tally
from datetime import UTC, datetime
from functools import partial
from threading import Lock

from attrs import frozen

from projector.facts.registry import facts
from projector.projections import discover
from projector.queries.status import Status, read_status
from projector.reconcile.reasons import Reason
from projector.server.errors import MetricsMissing
from projector.server.refusals import Refusals
from projector.server.writer import Commit
from projector.store import log, reconciliations
from projector.store.append import Outcome
from projector.store.database import Database
from projector.store.reconciliations import Reconciliation

try:
    import prometheus_client as prometheus
except ImportError:
    HAS_PROMETHEUS = False
else:
    HAS_PROMETHEUS = True

#: How many events at the log's end are searched for the last one of each type.
TAIL_EVENTS = 10_000

#: The label of all event types without a fact: senders can make up any number of types, and each
#: label is a time series (cardinality).
_OTHER = "other"

_COMMIT_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
_BATCH_ITEMS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_LATENESS_SECONDS = (1, 10, _MINUTE, 10 * _MINUTE, _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY)


@frozen(kw_only=True)
class MetricsSnapshot:
    """The values of the gauges, read from the database."""

    status: Status
    #: The age of the oldest event that is not in the tables yet, since it was received; 0 if none.
    lag_seconds: float
    #: The seconds since the last event of each type was received.
    silence_seconds: dict[str, float]
    #: The last comparison with Voucherify of each project.
    reconciliations: tuple[Reconciliation, ...]


class NullMetrics:
    """The metrics of a server without the extra `metrics`: only what the console shows."""

    def __init__(self) -> None:
        self.refusals = Refusals()

    def count_commit(self, commit: Commit) -> None:
        """Count a batch that was appended."""

    def count_refusal(self, code: str) -> None:
        """Count a webhook that was refused."""
        self.refusals.count_webhook(code)

    def count_request(self, endpoint: str, status: int) -> None:
        """Count a request that was answered."""
        del endpoint
        self.refusals.count_request(status)

    def count_sign_in(self, result: str) -> None:
        """Count a sign-in to the console: `accepted` or `refused`."""

    def page(self) -> tuple[bytes, str]:
        """Return the metrics in Prometheus's text format, and its media type.

        Raise MetricsMissing without the extra.
        """
        raise MetricsMissing


class Metrics(NullMetrics):
    """The server's metrics. Any thread may call any method."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self._last_seen: dict[str, datetime] = {}
        self._position = 0
        self._scraping = Lock()
        self._counters: dict[tuple[str, int], prometheus.Counter] = {}
        self._registry = prometheus.CollectorRegistry()
        counter = partial(prometheus.Counter, registry=self._registry)
        histogram = partial(prometheus.Histogram, registry=self._registry)
        self._deliveries = counter("projector_deliveries", "Deliveries by outcome.", ["outcome"])
        self._refused = counter(
            "projector_webhooks_refused", "Webhooks that were refused.", ["code"]
        )
        self._requests = counter(
            "projector_requests", "Requests that were answered.", ["endpoint", "status"]
        )
        self._sign_ins = counter(
            "projector_sign_ins", "Sign-ins to the console by result.", ["result"]
        )
        self._batch_items = histogram(
            "projector_batch_items", "Deliveries in one transaction.", buckets=_BATCH_ITEMS
        )
        self._commit_seconds = histogram(
            "projector_commit_seconds",
            "Duration of a transaction of deliveries.",
            buckets=_COMMIT_SECONDS,
        )
        self._lateness_seconds = histogram(
            "projector_lateness_seconds",
            "From an event's occurrence to its arrival.",
            buckets=_LATENESS_SECONDS,
        )
        # Every outcome is exported from the start, with 0: `rate` needs the first increase.
        for outcome in Outcome:
            self._deliveries.labels(outcome)
        self._create_gauges()

    def _create_gauges(self) -> None:
        gauge = partial(prometheus.Gauge, registry=self._registry)
        self._head = gauge("projector_head", "The position of the last event.")
        self._lag_events = gauge(
            "projector_lag_events", "Events that are not in the tables yet.", ["projection"]
        )
        self._lag_seconds = gauge(
            "projector_lag_seconds",
            "Age of the oldest event that is not in the tables yet.",
        )
        self._dead_letters = gauge(
            "projector_dead_letters", "Events that could not be folded.", ["projection"]
        )
        self._failed = gauge(
            "projector_projection_failed",
            "1 for a projection that does not run, 0 for one that does.",
            ["projection"],
        )
        self._overdue_tiers = gauge(
            "projector_overdue_tiers", "Tiers whose last day is over, nothing heard since."
        )
        self._erasures_unpurged = gauge(
            "projector_erasures_unpurged",
            "Erasures whose bytes may still be in the files of the database.",
        )
        self._quarantine = gauge("projector_quarantine", "Deliveries in quarantine.", ["reason"])
        self._wal_bytes = gauge(
            "projector_wal_bytes", "Size of SQLite's write-ahead log; 0 on Postgres."
        )
        self._silence_seconds = gauge(
            "projector_silence_seconds",
            "Time since the last event of a type was received.",
            ["type"],
        )
        self._differences = gauge(
            "projector_reconcile_differences",
            "Differences from Voucherify that the last comparison found.",
            ["project", "reason"],
        )
        self._checked = gauge(
            "projector_reconcile_checked_timestamp_seconds",
            "When the last comparison with Voucherify ended.",
            ["project"],
        )

    def count_commit(self, commit: Commit) -> None:
        """Count a batch that was appended."""
        for outcome, count in Tally(receipt.outcome for receipt in commit.receipts).items():
            self._deliveries.labels(outcome).inc(count)
        self._batch_items.observe(len(commit.items))
        self._commit_seconds.observe(commit.seconds)
        for late in commit.lateness_seconds():
            self._lateness_seconds.observe(late)

    def count_refusal(self, code: str) -> None:
        """Count a webhook that was refused."""
        super().count_refusal(code)
        self._refused.labels(code).inc()

    def count_request(self, endpoint: str, status: int) -> None:
        """Count a request that was answered."""
        self.refusals.count_request(status)
        # A cache, because `labels` takes longer than `inc`.
        counter = self._counters.get((endpoint, status))
        if counter is None:
            counter = self._counters[endpoint, status] = self._requests.labels(endpoint, status)
        counter.inc()

    def count_sign_in(self, result: str) -> None:
        """Count a sign-in to the console: `accepted` or `refused`."""
        self._sign_ins.labels(result).inc()

    def page(self) -> tuple[bytes, str]:
        """Return the metrics in Prometheus's text format, and its media type."""
        # Two concurrent scrapes would mix their gauges.
        with self._scraping:
            self._set(self._read_snapshot())
            return prometheus.generate_latest(self._registry), prometheus.CONTENT_TYPE_LATEST

    def _read_snapshot(self) -> MetricsSnapshot:
        status = read_status(self._database, discover())
        now = datetime.now(UTC)
        after = max(self._position, status.head - TAIL_EVENTS)
        position = min((each.position for each in status.projections), default=status.head)
        with self._database.reading() as connection:
            last = log.last_received_by_type(connection, after=after)
            oldest = log.read_at(connection, [position + 1])
            compared = reconciliations.last(connection)
        for type_, received_at in last.items():
            label = type_ if type_ in facts() else _OTHER
            self._last_seen[label] = max(received_at, self._last_seen.get(label, received_at))
        self._position = status.head
        return MetricsSnapshot(
            status=status,
            lag_seconds=max(
                ((now - each.received_at).total_seconds() for each in oldest), default=0
            ),
            silence_seconds={
                type_: (now - at).total_seconds() for type_, at in self._last_seen.items()
            },
            reconciliations=tuple(compared),
        )

    def _set(self, snapshot: MetricsSnapshot) -> None:
        self._head.set(snapshot.status.head)
        self._wal_bytes.set(self._database.wal_bytes())
        self._lag_seconds.set(snapshot.lag_seconds)
        self._overdue_tiers.set(snapshot.status.overdue)
        self._erasures_unpurged.set(snapshot.status.erased.unpurged)
        for each in snapshot.status.projections:
            self._lag_events.labels(each.name).set(each.lag)
            self._dead_letters.labels(each.name).set(each.dead_letters)
            self._failed.labels(each.name).set(each.error is not None)
        # A reason whose last delivery has left the quarantine disappears.
        self._quarantine.clear()
        for reason, count in snapshot.status.quarantine.items():
            self._quarantine.labels(reason).set(count)
        for type_, seconds in snapshot.silence_seconds.items():
            self._silence_seconds.labels(type_).set(seconds)
        self._differences.clear()
        for compared in snapshot.reconciliations:
            self._checked.labels(compared.project_id).set(compared.ended_at.timestamp())
            # All reasons, with 0: one that disappears would look as if it stayed.
            for reason in Reason:
                count = compared.reasons.get(reason, 0)
                self._differences.labels(compared.project_id, reason).set(count)


def create_metrics(database: Database) -> NullMetrics:
    """Return the metrics if the extra is installed, else NullMetrics."""
    return Metrics(database) if HAS_PROMETHEUS else NullMetrics()
