"""The methods that erase customers, and those with the record of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from projector.store.database import Database

if TYPE_CHECKING:
    from projector.erasure import ErasureReport
    from projector.erasure.forgotten import ErasureDetail, ErasureList


class Erasures:
    """Erasures on a Projector."""

    @property
    def database(self) -> Database:
        """The database."""
        raise NotImplementedError

    def forget(
        self,
        *identifiers: str,
        project_id: str | None = None,
        by_source_id: bool = False,
        positions: Sequence[int] = (),
        reference: str | None = None,
        also: Sequence[str] = (),
        scan: bool = False,
        dry_run: bool = False,
    ) -> ErasureReport:
        """Erase customers, and events without a customer, for good; wholly or not at all.

        `reference` is kept with the record; `also` are more texts that name the person; `scan`
        searches all other events for such texts; a trial (`dry_run`) changes nothing. Raises
        CustomerNotFound, CustomerAmbiguous, RebuildRunning, and the other errors of
        `projector.erasure.forget`.
        """
        from projector.erasure import forget

        return forget(
            self.database,
            identifiers,
            project_id=project_id,
            by_source_id=by_source_id,
            positions=positions,
            reference=reference,
            also=also,
            scan=scan,
            dry_run=dry_run,
        )

    def forget_deleted(
        self,
        *,
        days: int,
        project_id: str | None = None,
        reference: str | None = None,
        dry_run: bool = False,
    ) -> list[ErasureReport]:
        """Erase the customers whom the sender deleted `days` ago or earlier, project by project.

        Raises BadNumber, and the errors of `forget`.
        """
        from projector.erasure import forget_deleted

        return forget_deleted(
            self.database, days=days, project_id=project_id, reference=reference, dry_run=dry_run
        )

    def forget_listed(
        self, lines: Iterable[bytes], *, path: str = "-", dry_run: bool = False
    ) -> list[ErasureReport]:
        """Erase by the lines of `export_forgotten`, after a restore; idempotent.

        `path` is the name of the list in errors. Raises ErasedListUnreadable, ErasedListForeign,
        and the errors of `forget`.
        """
        from projector.erasure import restore

        listed = restore.read(lines, path=path)
        return restore.forget_listed(self.database, listed, dry_run=dry_run)

    def export_forgotten(self) -> Iterator[bytes]:
        """Yield what was erased as lines of NDJSON, for `forget_listed`: no names, but a key."""
        from projector.erasure import restore

        with self.database.reading() as connection:
            yield from restore.export(connection)

    def forgotten(self) -> ErasureList:
        """List the erasures, in their order."""
        from projector.erasure.forgotten import list_erasures

        return list_erasures(self.database)

    def erasure(self, erasure_id: int) -> ErasureDetail:
        """Return an erasure with the positions of its markers; raises ErasureNotFound."""
        from projector.erasure.forgotten import show_erasure

        return show_erasure(self.database, erasure_id)

    def allow(self, customer_id: str, *, project_id: str | None = None) -> int:
        """Let the events of an erased customer in again; return the number of projects concerned.

        Raises BadIdentifier or NotSuppressed.
        """
        from projector.erasure.forgotten import allow

        return allow(self.database, customer_id, project_id=project_id)

    def drop_suppressions(self, *, days: int) -> int:
        """Stop keeping out what was erased more than `days` ago; return the number of digests.

        Raises BadNumber.
        """
        from projector.erasure.forgotten import drop_older

        return drop_older(self.database, days=days)
