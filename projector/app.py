"""The program as a library: one object per database, with a method for each job."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from projector.envelope import NO_DEFAULTS, DeliveryDefaults
from projector.errors import ProjectorError
from projector.facts.registry import facts
from projector.intake.files import read_chunks
from projector.intake.ingest import IngestReport, ingest
from projector.operate.dead_letters import (
    DeadLetterDetail,
    DeadLetterPage,
    DeadLetterRetryReport,
    list_dead_letters,
    retry_dead_letters,
    show_dead_letter,
)
from projector.operate.quarantine import (
    QuarantineEntryDetail,
    QuarantinePage,
    QuarantineRetryReport,
    list_quarantine,
    retry_quarantine,
    show_entry,
)
from projector.operate.tokens import NewToken, Token, create_token, list_tokens, revoke_token
from projector.projections import discover, named
from projector.projections.projection import Projection
from projector.queries.customer_state import CustomerState
from projector.queries.customers import PointInTime, find_customer
from projector.queries.export import export_customers
from projector.queries.members import (
    MemberPage,
    SegmentCount,
    TierCount,
    find_members,
    list_segments,
    list_tiers,
)
from projector.queries.status import Status, read_status
from projector.queries.why.explain import Explanation, WhyQuery, why
from projector.runner.follower import Follower
from projector.runner.lease_monitor import LeaseMonitor
from projector.store import checkpoints, schema
from projector.store.database import Database

if TYPE_CHECKING:
    import replay


class Projector:
    """An open database; use it as a context manager, or close it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def ingest(
        self,
        chunks: Iterable[bytes],
        defaults: DeliveryDefaults = NO_DEFAULTS,
        *,
        on_batch: Callable[[int], None] = lambda _read: None,
    ) -> IngestReport:
        """Append the deliveries of a byte stream (NDJSON, arrays or documents of any layout).

        `defaults` fill in fields that deliveries leave out. `on_batch` receives the number of
        deliveries that are durable so far. The tables do not change before `catch_up`.
        """
        return ingest(self.database, chunks, defaults, on_batch=on_batch)

    def ingest_file(self, path: str, defaults: DeliveryDefaults = NO_DEFAULTS) -> IngestReport:
        """Append the deliveries of a file, plain or gzip; `-` is standard input."""
        return self.ingest(read_chunks(path), defaults)

    def catch_up(
        self,
        *,
        on_batch: Callable[[int], None] = lambda _position: None,
        on_progress: Callable[[str, int, int], None] = lambda _phase, _done, _total: None,
    ) -> list[ProjectorError]:
        """Fold the new events of the log into the tables; `on_batch` receives the position reached.

        Empty tables with a large backlog are rebuilt, which is faster; `on_progress` then receives
        the phase, the number of its steps that are done, and their total. Returns the problems of
        projections of other packages, which cannot run. Raises ProjectionFailed or
        ProjectionOutdated for one of this package, once the others have caught up.
        """
        import replay

        return replay.catch_up(
            self.database, discover(), on_batch=on_batch, on_progress=on_progress
        )

    def rebuild(
        self,
        *names: str,
        engine: str | None = None,
        workers: int | None = None,
        dry_run: bool = False,
        change_percent_max: float | None = None,
        on_progress: Callable[[str, int, int], None] = lambda _phase, _done, _total: None,
    ) -> replay.RebuildReport:
        """Rebuild projections (default: all) from the log beside the live tables, then swap.

        `engine` is `in-process` or `parallel`; by default the size of the log decides. Raises
        ProjectionUnknown, EngineUnknown, and the errors of `replay.rebuild`.
        """
        import replay

        return replay.rebuild(
            self.database,
            self._chosen(names),
            None if engine is None else replay.engines.by_name(engine),
            workers=workers,
            dry_run=dry_run,
            change_percent_max=change_percent_max,
            on_progress=on_progress,
        )

    def rebuild_customer(
        self,
        identifier: str,
        *names: str,
        project_id: str | None = None,
        by_source_id: bool = False,
    ) -> replay.CustomerRebuild:
        """Rebuild one customer's rows in the named projections (default: all).

        Raises ProjectionUnknown, CustomerNotFound, CustomerAmbiguous or ProjectionOutdated.
        """
        import replay

        return replay.rebuild_customer(
            self.database,
            self._chosen(names),
            identifier,
            project_id=project_id,
            by_source_id=by_source_id,
        )

    def verify(
        self,
        *names: str,
        sample: int | None = None,
        on_piece: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> replay.VerifyReport:
        """Fold the log and compare every cell of the named projections' rows (default: all).

        `sample` is the number of customers to compare, chosen at random. `on_piece` receives the
        number of customers that are done, and their total. Raises ProjectionUnknown.
        """
        import replay

        return replay.verify(self.database, self._chosen(names), sample=sample, on_piece=on_piece)

    def follower(
        self,
        *,
        holder: str | None = None,
        on_batch: Callable[[int], None] = lambda _position: None,
    ) -> Follower:
        """Create a follower, whose `run` folds new events until stopped; `holder` is its name."""
        return Follower(self.database, discover(), holder=holder, on_batch=on_batch)

    def lease_monitor(self) -> LeaseMonitor:
        """Create a monitor of the lease, which reports whether any process folds new events."""
        return LeaseMonitor(self.database)

    def _chosen(self, names: Sequence[str]) -> list[Projection]:
        """The projections of some names; without names all but those that are set aside."""
        if names:
            return named(list(names))
        with self.database.reading() as connection:
            found = checkpoints.read(connection, discover())
        return [each for each in discover() if found[each.name].error is None]

    def customer(
        self,
        identifier: str,
        *,
        project_id: str | None = None,
        by_source_id: bool = False,
        as_of: datetime | None = None,
        at_position: int | None = None,
    ) -> CustomerState:
        """Return a customer's state now, as it was true `as_of`, or as it was known `at_position`.

        Both together are bitemporal: what was known at that position to be true at that instant.
        Raises CustomerNotFound, CustomerAmbiguous, PositionUnknown, or BadInstant for a naive
        datetime.
        """
        return find_customer(
            self.database,
            identifier,
            project_id=project_id,
            by_source_id=by_source_id,
            moment=PointInTime(as_of=as_of, at_position=at_position),
        )

    def why(
        self,
        identifier: str,
        *,
        segment_id: str | None = None,
        campaign_id: str | None = None,
        not_: str | None = None,
        project_id: str | None = None,
        by_source_id: bool = False,
        as_of: datetime | None = None,
        at_position: int | None = None,
    ) -> Explanation:
        """Explain why a customer is, or is not, in a segment or on a tier.

        Give exactly one of three. A `segment_id` (returns a WhySegment) or a `campaign_id` (a
        WhyCampaign) gives every event that concerns it, with its effect; `not_`, the id of a
        segment or tier that the customer is not in (a WhyNot), the event that took it away, if any
        event ever gave it. The other arguments and the errors are those of `customer`; also raises
        NotOne, NothingConcerns and GroupNotFound.
        """
        question = WhyQuery(
            identifier=identifier,
            segment_id=segment_id,
            campaign_id=campaign_id,
            not_=not_,
            project_id=project_id,
            by_source_id=by_source_id,
            moment=PointInTime(as_of=as_of, at_position=at_position),
        )
        return why(self.database, question)

    def members(
        self,
        *,
        segment_id: str | None = None,
        tier_id: str | None = None,
        project_id: str | None = None,
        as_of: datetime | None = None,
        after: str | None = None,
        limit: int,
    ) -> MemberPage:
        """Return a page of the customers in a segment or else on a tier.

        `after` is the `next` of the previous page. Raises GroupNotFound, BadCursor, BadNumber,
        BadInstant, or NotOne.
        """
        return find_members(
            self.database,
            segment_id=segment_id,
            tier_id=tier_id,
            project_id=project_id,
            as_of=as_of,
            after=after,
            limit=limit,
        )

    def segments(self, *, project_id: str | None = None) -> list[SegmentCount]:
        """List the segments, each with its name and number of members."""
        return list_segments(self.database, project_id=project_id)

    def tiers(self, *, project_id: str | None = None) -> list[TierCount]:
        """List the tiers, each with its name and number of members."""
        return list_tiers(self.database, project_id=project_id)

    def export_customers(self, *, at_position: int | None = None) -> Generator[CustomerState]:
        """Yield every customer's state by project and id, now or as it was known at a position.

        Memory is constant; the database's snapshot is held until the generator ends or is closed.
        """
        return export_customers(self.database, at_position=at_position)

    def quarantine(
        self,
        *,
        reason: str | None = None,
        resolved: bool = False,
        after: str | None = None,
        limit: int,
    ) -> QuarantinePage:
        """Return a page of the quarantine; raises BadCursor, BadNumber or BadIdentifier."""
        return list_quarantine(
            self.database, reason=reason, resolved=resolved, after=after, limit=limit
        )

    def quarantine_entry(self, quarantine_id: int) -> QuarantineEntryDetail:
        """Return a quarantine entry with its body; raises QuarantineEntryNotFound."""
        return show_entry(self.database, quarantine_id)

    def retry_quarantine(
        self,
        ids: Sequence[int] | None = None,
        *,
        reason: str | None = None,
        defaults: DeliveryDefaults = NO_DEFAULTS,
        on_piece: Callable[[int], None] = lambda _tried: None,
    ) -> QuarantineRetryReport:
        """Retry quarantine entries, some or all; the tables do not change before `catch_up`.

        `defaults` fill in fields that were missing when the entries were received. Raises
        QuarantineEntryNotFound or BadIdentifier.
        """
        return retry_quarantine(
            self.database, ids, reason=reason, defaults=defaults, on_piece=on_piece
        )

    def dead_letters(
        self, *, projection: str | None = None, after: str | None = None, limit: int
    ) -> DeadLetterPage:
        """Return a page of the dead letters: events that could not be folded.

        Raises BadCursor, BadNumber or ProjectionUnknown.
        """
        return list_dead_letters(self.database, projection=projection, after=after, limit=limit)

    def dead_letter(self, position: int) -> DeadLetterDetail:
        """Return a dead letter with its body; raises DeadLetterNotFound."""
        return show_dead_letter(self.database, position)

    def retry_dead_letters(
        self,
        positions: Sequence[int] | None = None,
        *,
        on_piece: Callable[[int], None] = lambda _tried: None,
    ) -> DeadLetterRetryReport:
        """Fold the customers of dead letters, some or all, again; raises DeadLetterNotFound."""
        return retry_dead_letters(self.database, discover(), positions, on_piece=on_piece)

    def create_token(self, *, name: str, scopes: Iterable[str]) -> NewToken:
        """Create an access token for the HTTP server; only this result has its text.

        Raises BadIdentifier, ScopeUnknown or ScopeMissing.
        """
        return create_token(self.database, name=name, scopes=scopes)

    def tokens(self) -> list[Token]:
        """List all tokens, also revoked ones, in the order of their creation."""
        return list_tokens(self.database)

    def revoke_token(self, token_id: str) -> Token:
        """Revoke a token, unless it is revoked already; raises TokenNotFound."""
        return revoke_token(self.database, token_id)

    def status(self) -> Status:
        """Return the log's head, the position and lag per projection, and the quarantine counts."""
        return read_status(self.database, discover())


def open_projector(
    url: str, *, lock_seconds_max: float | None = None, idle_seconds_max: float | None = None
) -> Projector:
    """Open a database by its URL; a SQLite database is created and migrated if necessary.

    The timeouts, for long-lived processes, are those of `Database`. Raises BadDatabaseUrl,
    DatabaseUnreachable, NotMigrated, SchemaUnknown or FactClaimedTwice.
    """
    database = Database(url, lock_seconds_max=lock_seconds_max, idle_seconds_max=idle_seconds_max)
    try:
        # Two packages that claim one event type are refused before anything is read.
        facts()
        schema.check(database)
    except BaseException:
        database.close()
        raise
    return Projector(database)
