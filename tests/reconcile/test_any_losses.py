"""Whatever is lost, late or doubled: after a repair every answer is the truth, and stays it."""

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from projector.backfill.options import KnownCustomers, NamedCustomers
from projector.errors import CustomerNotFound
from projector.projections import discover
from projector.queries.customers import PointInTime, find_customer
from projector.reconcile.options import Choice, ReconcileOptions, Record, Segments
from projector.reconcile.reconcile import Reconcile
from projector.reconcile.report import ReconcileReport
from projector.store.database import Database
from projector.voucherify.address import parse_url
from projector.voucherify.credentials import Access, Credentials
from replay import rebuild, verify
from replay.engines import ENGINES
from tests.support.databases import projection_tables, rows, wipe
from tests.support.losses import LOOKS, SILENT, World, is_close
from tests.support.sources import Standing
from tests.support.voucherify_api import APP_ID, APP_TOKEN, VoucherifyApi, voucherify_api


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[VoucherifyApi]:
    """The API; waits that go by chance take no time."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    with voucherify_api() as found:
        yield found


@settings(
    max_examples=5,
    # To shrink an example of a second each takes longer than to read it.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    chance=st.randoms(use_true_random=False),
    complete=st.booleans(),
    record=st.sampled_from(Record),
)
def test_after_a_repair_every_answer_is_the_truth_and_stays_it(
    shared_database: Database,
    api: VoucherifyApi,
    chance: random.Random,
    complete: bool,
    record: Record,
) -> None:
    """It stays it if all looks are recorded; and if all is delivered in the end, so is the past."""
    wipe(shared_database)
    world = World(_emptied(api), shared_database, chance, complete)
    world.live(chance.randint(1, 4), chance.randint(2, 9))
    everyone = NamedCustomers(tuple(world.customers))
    for at in LOOKS:
        world.go(at)
        is_named = record is Record.ALL or chance.random() < 0.5
        choice = everyone if is_named else KnownCustomers()
        segments = Segments.ALL if is_named else Segments.ACTIVE
        activity = chance.random() < 0.5
        report = _repair(world, choice, record=record, segments=segments, activity=activity)
        assert (report.failed, report.remaining) == (0, 0)
        if report.unsettled == 0:
            _assert_true(world, with_silent=is_named)
    assert report.unsettled == 0
    world.go(2 * LOOKS[-1])
    if record is Record.DIFFERENCES:
        # An older event that came alone overrules what a look left unsaid.
        _repair(world, everyone, record=record, segments=Segments.ALL, activity=True)
    _assert_true(world, with_silent=True)
    if complete:
        _assert_past_is_true(world)
    _assert_rebuilt_the_same(shared_database)


def _emptied(api: VoucherifyApi) -> VoucherifyApi:
    for each in (api.activity, api.created, api.segments, api.campaigns):
        each.clear()
    return api


def _repair(
    world: World, choice: Choice, *, record: Record, segments: Segments, activity: bool
) -> ReconcileReport:
    world.set_clock()
    credentials = Credentials(project_id="proj_1", app_id=APP_ID, app_token=APP_TOKEN)
    address = parse_url(world.api.url)
    options = ReconcileOptions(
        settle=timedelta(0),
        per_minute=100_000,
        repair=True,
        repair_percent_max=100,
        record=record,
        segments=segments,
        activity=activity,
    )
    access = Access(project_id="proj_1", address=address, credentials=credentials)
    with Reconcile(world.database, "proj_1", choice, options, access=access) as reconcile:
        report = reconcile.run()
    world.catch_up()
    return report


def _assert_true(world: World, *, with_silent: bool) -> None:
    for each in world.customers:
        ours = _ours(world, each, with_silent=with_silent)
        assert ours == world.truth(each, silent=with_silent), each


def _assert_past_is_true(world: World) -> None:
    """Outside the windows, all is as if no delivery had ever been late, and no gap is left."""
    moments = sorted(each.at + 0.1 for each in world.events if not is_close(each.at))
    for at in world.chance.sample(moments, min(4, len(moments))):
        for each in world.customers:
            assert _ours(world, each, at=at) == world.truth(each, at=at), (each, at)
    with world.database.reading() as connection:
        table = projection_tables["segment_membership"]
        for row in connection.execute(table.select()).all():
            if row.segment_id not in SILENT:
                assert row.gaps == 0
                assert row.entered_at is not None


def _ours(
    world: World, customer_id: str, *, at: float | None = None, with_silent: bool = False
) -> Standing:
    moment = PointInTime(as_of=None if at is None else world.instant(at))
    try:
        found = find_customer(world.database, customer_id, moment=moment)
    except CustomerNotFound:
        return (), {}
    shown = [each.segment_id for each in found.segments]
    return (
        tuple(each for each in shown if with_silent or each not in SILENT),
        {each.campaign_id: each.tier_id for each in found.tiers},
    )


def _assert_rebuilt_the_same(database: Database) -> None:
    assert verify(database, discover()).is_right
    live = rows(database)
    rebuild(database, discover(), ENGINES["in-process"])
    assert rows(database) == live
