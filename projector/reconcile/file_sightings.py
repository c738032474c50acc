"""Turns the lines of a file into what was said of each customer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from projector.envelope import CustomerKey
from projector.queries.customers import find_keys
from projector.reconcile.choosing import Choosing
from projector.reconcile.files import FileEntry, ObservationFile
from projector.reconcile.observation import Instants
from projector.reconcile.sightings import Problem, SegmentsSeen, Sighting, TierSeen
from projector.store.database import Database
from projector.text.instants import to_text


class FileSightings:
    """What a file says of the customers of a project."""

    def __init__(
        self,
        database: Database,
        project_id: str,
        file: ObservationFile,
        *,
        segment_id: str | None,
        observed_at: datetime | None,
        margin: timedelta,
        is_erased: Callable[[str], bool],
    ) -> None:
        self._database = database
        self._project_id = project_id
        self._file = file
        self._segment_id = segment_id if file.is_csv else None
        self._observed_at = observed_at
        self._margin = margin
        self._is_erased = is_erased
        #: What concerns the whole file, once it is read.
        self.problems: list[Problem] = []

    def read(self, choosing: Choosing) -> Iterator[Sighting]:
        """Yield what is said of each customer; of one who is named twice, only the first time.

        CSV has all members of a segment: who is a member by the tables and not in it, is out. But
        if a line is not used, any of them may be the customer whom it means.
        """
        known: set[str] = set()
        is_complete = True
        for entry in self._file.read():
            customer_id, problem = self._resolve(entry)
            if problem is None and customer_id in known:
                problem = "twice", f"Line {entry.line} names a customer once more."
            if problem is not None:
                is_complete &= problem[0] in ("twice", "erased")
                yield self._unusable(entry, *problem)
                continue
            known.add(customer_id)
            yield self._sighting(customer_id, entry)
        if self._segment_id is None or self._observed_at is None:
            return
        if is_complete:
            begin = Instants.of_file(self._observed_at, margin=self._margin).t0
            for page in choosing.members(self._segment_id, as_of=begin):
                for customer_id in page:
                    if customer_id not in known:
                        yield self._outside(customer_id, self._segment_id, self._observed_at)
        else:
            detail = "Lines are not used, so no member whom it lacks is taken to be out."
            found = Problem(segment_id=self._segment_id, reason="incomplete", detail=detail)
            self.problems.append(found)

    def _resolve(self, entry: FileEntry) -> tuple[str, tuple[str, str] | None]:
        """Return the id of a customer, or why there is none: a code and a sentence."""
        identifier = entry.customer_id or str(entry.source_id)
        if self._is_erased(identifier):
            return "", ("erased", "The customer was erased, so nothing is compared.")
        if entry.customer_id is not None:
            return entry.customer_id, None
        source_id = identifier
        with self._database.reading() as connection:
            keys = find_keys(connection, source_id, self._project_id, True)
        if len(keys) == 1:
            return keys[0].customer_id, None
        if keys:
            several = ", ".join(sorted(each.customer_id for each in keys))
            return "", ("ambiguous_source_id", f"Several customers have this id: {several}.")
        return "", ("unknown_source_id", "The log has no customer with this id.")

    def _unusable(self, entry: FileEntry, reason: str, detail: str) -> Sighting:
        name = entry.customer_id or str(entry.source_id)
        problem = Problem(customer_id=name, reason=reason, detail=detail)
        return Sighting(key=CustomerKey(self._project_id, name), problems=(problem,))

    def _sighting(self, customer_id: str, entry: FileEntry) -> Sighting:
        instants = Instants.of_file(entry.observed_at, margin=self._margin)
        evidence = {
            "from": "file",
            "line": entry.line,
            "observed_at": to_text(entry.observed_at),
        }
        segments = None
        if entry.segments is not None:
            scope = None if self._segment_id is None else frozenset([self._segment_id])
            segments = SegmentsSeen(
                instants=instants, segments=entry.segments, scope=scope, evidence=evidence
            )
        return Sighting(
            key=CustomerKey(self._project_id, customer_id),
            segments=segments,
            tiers=tuple(
                TierSeen(
                    instants=instants,
                    campaign_id=campaign_id,
                    tier=None if tier_id is None else {"id": tier_id},
                    evidence=evidence,
                )
                for campaign_id, tier_id in entry.tiers.items()
            ),
        )

    def _outside(self, customer_id: str, segment_id: str, observed_at: datetime) -> Sighting:
        return Sighting(
            key=CustomerKey(self._project_id, customer_id),
            segments=SegmentsSeen(
                instants=Instants.of_file(observed_at, margin=self._margin),
                segments={},
                scope=frozenset([segment_id]),
                evidence={
                    "from": "file",
                    "line": None,
                    "observed_at": to_text(observed_at),
                },
            ),
        )
