"""Anything may be done to the whole program, in any order, and every law holds after each step."""

import json
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from projector import CustomerState, DeliveryDefaults, Projector
from projector.envelope import Envelope
from projector.errors import CustomerNotFound, GroupNotFound
from projector.facts.registry import OWN_TYPES
from projector.operate.dead_letters import retry_dead_letters
from projector.projections import discover
from projector.projections.projection import Projection
from projector.runner.runner import catch_up, project_batch
from projector.store import tables
from projector.store.append import append
from projector.store.database import Database
from replay import rebuild, rebuild_customer, verify
from replay.engines import ENGINES, Engine
from tests.support import snapshots
from tests.support.databases import copy_file, dead_letters, positions, rows, wipe
from tests.support.given import RECEIVED_AT, SHAPES, Delivery, envelope, envelopes, in_shape
from tests.support.histories import CUSTOMERS, TIMES, webhooks
from tests.support.logs import by_steps, cut_small
from tests.support.oracle import FUSSY, truth

# Hypothesis makes a failing example small for up to five minutes before it shows it.
pytestmark = pytest.mark.timeout(900)

_BROKEN = st.sampled_from([b"{", b"[1]", b'"text"', b'{"object":"event","data":{"object":{}}}'])
_SHAPE = st.sampled_from([each for each in SHAPES if each != "activity"])


class Whole(RuleBasedStateMachine):
    """The program on one database; the model is the list of the events that it took in."""

    def __init__(self, url: str, fresh: Database) -> None:
        super().__init__()
        self.url = url
        self.database = Database(url)
        self.fresh = fresh
        self.projections: list[Projection] = list(discover())
        self.events: list[Envelope] = []
        #: Events whose deliveries did not name their project, by the body.
        self.waiting: dict[bytes, Envelope] = {}
        #: The bodies of those that a retry took out of the quarantine.
        self.filed: set[bytes] = set()

    @initialize()
    def begin(self) -> None:
        wipe(self.database)

    @rule(batch=st.lists(st.tuples(webhooks(), _SHAPE) | _BROKEN, min_size=1, max_size=6))
    def ingest(self, batch: Sequence[Any]) -> None:
        lines, offers = [], 0
        for each in batch:
            if isinstance(each, bytes):
                lines.append(each)
                continue
            webhook, shape = each
            lines.append(json.dumps(in_shape(shape, webhook)).encode())
            items = envelopes(webhook, shape)
            offers += len(items) - 1
            for item in items:
                self._happens(item)
        report = Projector(self.database).ingest([b"\n".join(lines)])
        assert report.read == len(batch) + offers
        assert report.head == len(self.events)

    @rule(data=st.data())
    @precondition(lambda self: self.events)
    def ingest_again(self, data: st.DataObject) -> None:
        again = data.draw(st.lists(st.sampled_from(self.events), min_size=1, max_size=4))
        # The shape is another one: the same facts in other words.
        report = Projector(self.database).ingest([each.body.encode() for each in again])
        assert report.appended == 0

    # Types of the program's own are refused by a retry, whoever delivered them.
    @rule(webhook=webhooks().filter(lambda each: not each["event"]["type"].startswith(OWN_TYPES)))
    def ingest_without_a_project(self, webhook: Delivery) -> None:
        webhook = {**webhook, "project_id": "proj_1"}
        body = json.dumps(in_shape("activity", webhook)).encode()
        report = Projector(self.database).ingest([body])
        assert (report.read, report.quarantined + report.duplicates) == (1, 1)
        if report.quarantined:
            self.waiting.setdefault(body, envelope(webhook, "activity"))
        else:
            assert body in self.filed

    @rule()
    def retry_the_quarantine(self) -> None:
        done = Projector(self.database).retry_quarantine(
            reason="missing_project", defaults=DeliveryDefaults(project_id="proj_1")
        )
        assert done.tried == len(self.waiting)
        # What contradicts an event that stands waits on, for another reason.
        assert done.waiting == done.reasons.get("conflict", 0)
        for each in self.waiting.values():
            self._happens(each)
        self.filed |= set(self.waiting)
        self.waiting = {}

    @rule(size=st.integers(1, 4), times=st.integers(1, 3))
    def project_a_part(self, size: int, times: int) -> None:
        for _ in range(times):
            project_batch(self.database, self.projections, batch_events_max=size)

    @rule()
    def project_all(self) -> None:
        catch_up(self.database, self.projections)
        assert set(positions(self.database).values()) <= {len(self.events)}

    @rule()
    def restart(self) -> None:
        self.database.close()
        self.database = Database(self.url)

    def teardown(self) -> None:
        self.database.close()

    @rule(
        names=st.lists(st.sampled_from([each.name for each in discover()]), unique=True),
        engine=st.sampled_from([ENGINES["in-process"], by_steps]),
        dry_run=st.booleans(),
        size=st.integers(1, 3),
    )
    def rebuild(self, names: list[str], engine: Engine, dry_run: bool, size: int) -> None:
        some = [each for each in self.projections if each.name in names]
        with cut_small(size):
            rebuild(self.database, some, engine, dry_run=dry_run)

    @rule(customer=CUSTOMERS)
    def repair(self, customer: str) -> None:
        with suppress(CustomerNotFound):
            rebuild_customer(self.database, self.projections, customer, project_id="proj_1")

    @rule()
    def break_a_fold(self) -> None:
        self.projections = FUSSY
        rebuild(self.database, self.projections, ENGINES["in-process"])

    @rule()
    def fix_it_and_retry(self) -> None:
        self.projections = list(discover())
        before = dead_letters(self.database)
        done = retry_dead_letters(self.database, self.projections)
        assert done.tried == len(before)
        assert done.waiting == len(dead_letters(self.database))

    @rule(as_of=st.none() | TIMES, data=st.data(), customer=CUSTOMERS)
    @precondition(lambda self: self.projections is not FUSSY)
    def time_travel(self, as_of: str | None, data: st.DataObject, customer: str) -> None:
        until = data.draw(st.none() | st.integers(0, len(self.events)))
        then = None if as_of is None else datetime.fromisoformat(as_of)
        self._only(
            [each for each in self.events[:until] if then is None or each.occurred_at <= then]
        )
        for project in ("proj_1", "proj_2"):
            if (then, until) == (None, None):
                continue
            found = _answer(self.database, project, customer, as_of=then, at_position=until)
            assert found == _answer(self.fresh, project, customer)

    @rule(
        as_of=TIMES,
        segment=st.sampled_from(["seg_1", "seg_2"]),
        tier=st.sampled_from(["ltr_1", "ltr_2", "ltr_3"]),
    )
    @precondition(lambda self: self.projections is not FUSSY)
    def list_members_of_then(self, as_of: str, segment: str, tier: str) -> None:
        then = datetime.fromisoformat(as_of)
        catch_up(self.database, self.projections)
        self._only([each for each in self.events if each.occurred_at <= then])
        for group in ({"segment_id": segment}, {"tier_id": tier}):
            assert _members(self.database, as_of=then, **group) == _members(self.fresh, **group)

    @invariant()
    def the_log_holds_what_happened(self) -> None:
        with self.database.reading() as connection:
            found = connection.execute(
                select(tables.event.c.project_id, tables.event.c.event_id).order_by(
                    tables.event.c.position
                )
            ).all()
        assert [tuple(row) for row in found] == [
            (each.project_id, each.event_id) for each in self.events
        ]

    @invariant()
    def the_tables_are_the_fold_of_the_log(self) -> None:
        marks = positions(self.database)
        found, refused = rows(self.database), dead_letters(self.database)
        for each in self.projections:
            expected = truth([each], self.events[: marks.get(each.name, 0)])
            assert found[each.name] == expected.rows[each.name]
            assert [letter for letter in refused if letter[0] == each.name] == expected.dead_letters

    @invariant()
    def nothing_is_to_be_found_against_it(self) -> None:
        found = verify(self.database, self.projections)
        assert found.is_right, found

    @invariant()
    def a_snapshot_is_the_fold_of_what_lies_before_it(self) -> None:
        snapshots.check(self.database, self.projections)

    def _happens(self, event: Envelope) -> None:
        """The first delivery of an event is the one that stands."""
        known = {(each.project_id, each.event_id) for each in self.events}
        if (event.project_id, event.event_id) not in known:
            self.events.append(event)

    def _only(self, events: Sequence[Envelope]) -> None:
        """A fresh database that got only these events."""
        wipe(self.fresh)
        append(self.fresh, events, received_at=RECEIVED_AT)
        catch_up(self.fresh, discover())


def _answer(
    database: Database, project_id: str, customer_id: str, **then: Any
) -> CustomerState | None:
    try:
        found = Projector(database).customer(customer_id, project_id=project_id, **then)
    except CustomerNotFound:
        return None
    # Overdue depends on the day of the query.
    tiers = tuple(evolve(each, overdue=False) for each in found.tiers)
    return evolve(found, position=0, tiers=tiers)


def _members(database: Database, **asked: Any) -> list[Any]:
    """All of them, page by page."""
    found: list[Any] = []
    cursor = None
    while True:
        try:
            page = Projector(database).members(**asked, after=cursor, limit=2)
        except GroupNotFound:
            return found
        found += [(each.project_id, each.customer_id, each.since) for each in page.members]
        cursor = page.next
        if cursor is None:
            return found


def test_every_law_holds_whatever_is_done(
    migrated_url: str, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = copy_file(sqlite_template, tmp_path_factory.mktemp("fresh"))
    with closing(Database(url)) as fresh, snapshots.snapshots_every(2):
        run_state_machine_as_test(
            lambda: Whole(migrated_url, fresh),  # type: ignore[arg-type]
            settings=settings(
                max_examples=20,
                stateful_step_count=15,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
