"""The methods for operators: backfills, comparisons, the quarantine, dead letters, tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Event
from typing import TYPE_CHECKING

from projector.envelope import NO_DEFAULTS, DeliveryDefaults
from projector.errors import ProjectNotGiven
from projector.projections import discover, named
from projector.store.database import Database

if TYPE_CHECKING:
    from projector.backfill.backfill import Backfill
    from projector.backfill.options import BackfillOptions, CustomerChoice
    from projector.operate.dead_letters import (
        DeadLetterDetail,
        DeadLetterPage,
        DeadLetterRetryReport,
    )
    from projector.operate.quarantine import (
        QuarantineEntryDetail,
        QuarantinePage,
    )
    from projector.operate.quarantine_retry import QuarantineRetryReport
    from projector.operate.tokens import NewToken, Token
    from projector.reconcile.options import Choice, ReconcileOptions
    from projector.reconcile.reconcile import Reconcile
    from projector.store.erasure.cleaning import Part
    from projector.store.erasure.purge import PurgeReport
    from projector.voucherify.credentials import Access


class Operations:
    """The tasks of operators on a Projector."""

    @property
    def database(self) -> Database:
        """The database."""
        raise NotImplementedError

    def _prepared(self) -> Database:
        """Return the database for a writer."""
        raise NotImplementedError

    def backfill(
        self,
        access: Access,
        choice: CustomerChoice,
        options: BackfillOptions,
        *,
        stop: Event | None = None,
    ) -> Backfill:
        """Prepare a backfill of the log from Voucherify's API; it ends early once `stop` is set.

        Its `estimate` states the cost, its `run` reads; the tables do not change before `catch_up`.
        Close it. A SQLite database is created or migrated if necessary. Raises ExtraMissing
        without the extra, BadNumber, BadInstant, BadIdentifier or FileUnreadable.
        """
        from projector.backfill.backfill import Backfill

        return Backfill(self._prepared(), access, choice, options, stop=stop)

    def reconcile(
        self,
        access: Access | None,
        choice: Choice,
        options: ReconcileOptions,
        *,
        project_id: str | None = None,
        file: str | None = None,
        stop: Event | None = None,
    ) -> Reconcile:
        """Prepare a comparison with Voucherify's API, or with a file; it ends once `stop` is set.

        Its `estimate` states the cost, its `run` compares, and repairs if that is wanted; the
        tables do not change before `catch_up`. Close it. `access` may be None for a file whose
        `options.activity` is False; then `project_id` is needed. Raises ExtraMissing without the
        extra, ProjectNotGiven, BadNumber, BadInstant, BadIdentifier, or an error of the file.
        """
        from projector.reconcile.reconcile import Reconcile
        from projector.store.erasure import erased_customers

        if access is not None:
            project_id = access.project_id
        elif project_id is None or file is None:
            raise ProjectNotGiven
        database = self._prepared()

        def is_erased(customer_id: str) -> bool:
            with database.reading() as connection:
                return bool(erased_customers.find(connection, [customer_id], project_id))

        return Reconcile(
            database,
            project_id,
            choice,
            options,
            access=access,
            file=file,
            stop=stop,
            is_erased=is_erased,
        )

    def quarantine(
        self,
        *,
        reason: str | None = None,
        resolved: bool = False,
        after: str | None = None,
        limit: int,
    ) -> QuarantinePage:
        """Return a page of the quarantine; raises BadCursor, BadNumber or BadIdentifier."""
        from projector.operate.quarantine import list_quarantine

        return list_quarantine(
            self.database, reason=reason, resolved=resolved, after=after, limit=limit
        )

    def quarantine_entry(self, quarantine_id: int) -> QuarantineEntryDetail:
        """Return a quarantine entry with its body; raises QuarantineEntryNotFound."""
        from projector.operate.quarantine import show_entry

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
        from projector.operate.quarantine_retry import retry_quarantine

        return retry_quarantine(
            self.database, ids, reason=reason, defaults=defaults, on_piece=on_piece
        )

    def dead_letters(
        self, *, projection: str | None = None, after: str | None = None, limit: int
    ) -> DeadLetterPage:
        """Return a page of the dead letters: events that could not be folded.

        Raises BadCursor, BadNumber or ProjectionUnknown.
        """
        from projector.operate.dead_letters import list_dead_letters

        return list_dead_letters(self.database, projection=projection, after=after, limit=limit)

    def dead_letter(self, position: int) -> DeadLetterDetail:
        """Return a dead letter with its body; raises DeadLetterNotFound."""
        from projector.operate.dead_letters import show_dead_letter

        return show_dead_letter(self.database, position)

    def retry_dead_letters(
        self,
        positions: Sequence[int] | None = None,
        *,
        projection: str | None = None,
        on_piece: Callable[[int], None] = lambda _tried: None,
    ) -> DeadLetterRetryReport:
        """Fold the customers of dead letters, some or all, again, of one projection or of all.

        Raises DeadLetterNotFound or ProjectionUnknown.
        """
        from projector.operate.dead_letters import retry_dead_letters

        projections = discover() if projection is None else named([projection])
        return retry_dead_letters(self.database, projections, positions, on_piece=on_piece)

    def purge(
        self,
        *,
        full: bool = False,
        on_progress: Callable[[str, int, int], None] = lambda _phase, _done, _total: None,
    ) -> PurgeReport:
        """Remove what was erased from the files of the database, as `forget` does in the end.

        `full` writes the SQLite file, or each table of Postgres, anew, and keeps writers out
        meanwhile. `on_progress` receives the phase, the number of its steps that are done, and
        their total. Raises PurgeIncomplete.
        """
        from projector.store.erasure.purge import purge_files

        return purge_files(self.database, full=full, on_progress=on_progress)

    def purge_parts(self) -> list[Part]:
        """Return the file, or the tables, that a full purge writes anew, with their sizes."""
        from projector.store.erasure.purge import parts

        return parts(self.database)

    def create_token(self, *, name: str, scopes: Iterable[str]) -> NewToken:
        """Create an access token for the HTTP server; only this result has its text.

        Raises BadIdentifier, ScopeUnknown or ScopeMissing.
        """
        from projector.operate.tokens import create_token

        return create_token(self.database, name=name, scopes=scopes)

    def tokens(self) -> list[Token]:
        """List all tokens, also revoked ones, in the order of their creation."""
        from projector.operate.tokens import list_tokens

        return list_tokens(self.database)

    def revoke_token(self, token_id: str) -> Token:
        """Revoke a token, unless it is revoked already; raises TokenNotFound."""
        from projector.operate.tokens import revoke_token

        return revoke_token(self.database, token_id)
