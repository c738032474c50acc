"""All that the program tells a database: what comes in, is projected, put right and rebuilt."""

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from attrs import evolve
from msgspec.structs import replace
from sqlalchemy import insert

from projector.backfill.backfill import Backfill
from projector.backfill.options import (
    BackfillOptions,
    CustomerChoice,
    KnownCustomers,
    NamedCustomers,
    SuspiciousCustomers,
)
from projector.envelope import DeliveryDefaults, Envelope, RecordedEvent
from projector.erasure import forget, forget_deleted, restore
from projector.erasure.forgotten import allow, drop_older, list_erasures, show_erasure
from projector.errors import CheckpointMoved
from projector.intake import sources
from projector.operate.dead_letters import list_dead_letters, retry_dead_letters
from projector.operate.jobs import JobKind, ask_job, last_jobs, show_job
from projector.operate.quarantine_retry import retry_quarantine
from projector.operate.sessions import (
    SEEN_INTERVAL,
    end_session,
    find_session,
    start_session,
)
from projector.operate.tokens import create_token, list_tokens, read_tokens, revoke_token
from projector.projections import discover, named
from projector.queries.customers import PointInTime, find_customer
from projector.queries.status import read_status
from projector.reconcile.options import ReconcileOptions, SampledCustomers, SegmentMembers
from projector.reconcile.reconcile import Reconcile
from projector.runner import direct
from projector.runner.follower import Follower, Intervals
from projector.runner.runner import catch_up
from projector.sealing.checkpoints import make_checkpoint
from projector.sealing.prove import prove_event, prove_extension
from projector.sealing.verify import verify_log
from projector.store import (
    bulk,
    dead_letters,
    direct_project,
    jobs,
    log,
    log_head,
    projection_tables,
    reconciliations,
    schema,
    sessions,
)
from projector.store.append import append
from projector.store.backup import back_up
from projector.store.database import Database
from projector.store.erasure import archive_keys, markers, purge_sqlite, told
from projector.store.erasure import subjects as erasing
from projector.store.erasure.purge import parts, purge_files
from projector.store.erasure.records import last_erasure
from projector.store.jobs import JobEnd, JobProgress
from projector.store.log_restore import append_recorded, recorded_erasures
from projector.store.sealed import leaves
from projector.store.tables import erasure, secret, subtree, suppressed
from projector.voucherify.address import parse_url
from projector.voucherify.credentials import Access, Credentials
from replay import engines, rebuild, rebuild_customer, swap
from replay.engines import buckets
from tests.plans.filled import LONG, THEN
from tests.support import given
from tests.support.given import RECEIVED_AT, Delivery, envelope, in_shape
from tests.support.items import rejected
from tests.support.logs import by_steps
from tests.support.seals import KEY
from tests.support.sources import Shop
from tests.support.voucherify_api import APP_ID, APP_TOKEN, entry, voucherify_api

_ERASURES = 2_500

_MANY_STREAMS = """
    INSERT INTO stream SELECT 1000000 + number, 'proj_9', number::text, now(), number::text
    FROM generate_series(1, 100000) AS number
"""


def change(database: Database) -> None:
    """Do all of it."""
    _open(database)
    _append_few(database)
    _restore(database)
    _retry(database)
    _follow(database)
    _repair(database)
    _rebuild_by_index(database)
    _rebuild_by_buckets(database)
    _project_directly(database)
    _extend(database)
    _seal(database)
    _use_tokens(database)
    _do_jobs(database)
    _backfill(database)
    _reconcile(database)
    _create_keys(database)
    _forget(database)
    _suppress(database)
    _restore_erasures(database)
    # The last but one, for its streams have no events.
    _append_many(database)
    _purge(database)


def _purge(database: Database) -> None:
    """Online and anew, with statistics of a column that keeps none by now."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(purge_sqlite, "SMALL_BYTES_MAX", 0)
        if database.is_sqlite:
            with database.writing() as connection:
                connection.exec_driver_sql("CREATE TABLE freed AS SELECT body FROM event LIMIT 500")
            with database.writing() as connection:
                connection.exec_driver_sql("DROP TABLE freed")
        else:
            for target in (100, 0):
                with database.writing() as connection:
                    change = f"ALTER TABLE customer ALTER COLUMN name SET STATISTICS {target}"
                    connection.exec_driver_sql(change)
                    connection.exec_driver_sql("ANALYZE customer")
        assert parts(database)
        for full in (False, True):
            purge_files(database, full=full)


def _open(database: Database) -> None:
    schema.check(database)
    schema.migrate(database)
    with database.reading() as connection:
        log_head.check(connection)
    for change in ("UPDATE log_head SET position = 0", "DELETE FROM log_head"):
        with database.writing() as connection:
            connection.exec_driver_sql(change)
        log_head.repair(database)
    if database.is_sqlite:
        with tempfile.TemporaryDirectory() as folder:
            back_up(database, f"{folder}/copy.db")


def _restore(database: Database) -> None:
    """Of customers whom the log knows, and of a new one; few events, and many."""
    for number in (10, 1000):
        with database.reading() as connection:
            head, last_stream_id = log_head.read(connection)
            [known] = log.read_at(connection, [15_000])
        events = [
            replace(known, position=head + each, event_id=f"restored_{head + each}", late=False)
            for each in range(1, number)
        ]
        new = replace(
            known,
            position=head + number,
            event_id=f"restored_{head}",
            customer_id=f"restored_{head}",
            stream_id=last_stream_id + 1,
        )
        append_recorded(database, [*events, new])
    catch_up(database, discover())


def _append_few(database: Database) -> None:
    """New ones, late ones, duplicates, a conflict, and what cannot be read."""
    late = _entered(range(100, 110), "seg_9", at="2024-03-01T12:00:30Z")
    for customers in (range(200, 210), range(300, 310)):
        new = _entered(customers, "seg_9", at="2024-04-01T12:00:00Z")
        strangers = [given.created(f"new_{each}", at="2024-04-01T12:00:00Z") for each in customers]
        other = {**new[0], "data": late[0]["data"]}
        items = [envelope(each) for each in (*new, *strangers, *late, other)]
        append(database, [*items, rejected(b"no")], received_at=RECEIVED_AT)
        catch_up(database, discover())
    # In the middle of a stream with snapshots, of which a history has several periods behind it.
    at = "2024-03-01T12:00:00.000501Z"
    into_the_middle = envelope(given.left(LONG, "seg_long", at=at, project_id="proj_0"))
    append(database, [into_the_middle], received_at=RECEIVED_AT)
    find_customer(database, LONG, moment=PointInTime(as_of=THEN))
    catch_up(database, discover())
    # Two periods of unknown beginning, which were none, as comes out later.
    kinds = (given.tier_left, "ltr_1", "12:01"), (given.tier_left, "ltr_2", "12:02")
    for happens, tier_id, at in (*kinds, (given.joined, "ltr_3", "12:00")):
        _come_in(database, happens("new_1", tier_id, "camp_9", at=f"2024-04-01T{at}:00Z"))


def _append_many(database: Database) -> None:
    """More than come in one statement on Postgres, and few of all streams even so."""
    if not database.is_sqlite:
        with database.writing() as connection:
            connection.exec_driver_sql(_MANY_STREAMS)
            connection.exec_driver_sql("UPDATE log_head SET stream_id = 1100000")
            connection.exec_driver_sql("ANALYZE stream")
    _come_in(database, *_entered(range(400, 800), "seg_9", at="2024-04-01T12:00:00Z"))


def _project_directly(database: Database) -> None:
    """A few events, and a few that another projector folds a moment earlier."""
    catch_up(database, discover())
    append(database, _new("at the end", minute=1), received_at=RECEIVED_AT)
    assert direct.project(database, discover()) is not None
    append(database, _new("at the very end", minute=2), received_at=RECEIVED_AT)
    write = direct_project.write

    def lose(database: Database, advances: Any) -> bool:
        patched.undo()
        catch_up(database, discover())
        return write(database, advances)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(direct_project, "write", lose)
        with pytest.raises(CheckpointMoved):
            direct.project(database, discover())


def _new(segment_id: str, *, minute: int) -> list[Envelope]:
    webhook = given.entered("cust_1", segment_id, at=f"2031-01-01T00:{minute:02}:00Z")
    return [envelope(webhook)]


def _entered(customers: range, segment_id: str, *, at: str) -> list[Delivery]:
    return [
        given.entered(f"cust_{each}", segment_id, at=at, project_id=f"proj_{each % 2}")
        for each in customers
    ]


def _come_in(database: Database, *webhooks: Delivery) -> None:
    append(database, [envelope(each) for each in webhooks], received_at=RECEIVED_AT)
    catch_up(database, discover())


def _retry(database: Database) -> None:
    """What a project was missing for, and letters of customers and of nobody."""
    unfiled = in_shape("activity", given.updated("cust_1", at="2024-04-02T12:00:00Z"))
    append(
        database,
        sources.read(json.dumps(unfiled).encode(), DeliveryDefaults()),
        received_at=RECEIVED_AT,
    )
    retry_quarantine(database, [3_500, 3_501])
    retry_quarantine(
        database, reason="missing_project", defaults=DeliveryDefaults(project_id="proj_1")
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("projector.operate.quarantine_retry.RETRY_ENTRIES_MAX", 20)
        retry_quarantine(database, reason="reason 1")
        patched.setattr("projector.operate.dead_letters.RETRY_STREAMS_MAX", 20)
        tiers = named(["loyalty_tier"])
        retry_dead_letters(database, tiers)
        [first] = list_dead_letters(database, projection="loyalty_tier", limit=1).dead_letters
        retry_dead_letters(database, tiers, [first.position])
    with database.reading() as connection:
        [nobodys, *_] = dead_letters.without_customer(connection, "segment_membership")
    retry_dead_letters(database, named(["segment_membership"]), [nobodys])


def _follow(database: Database) -> None:
    """Take the lease, fold what is there, give signs of life, and give the lease back."""
    stop = Event()
    append(database, _some_more("f"), received_at=RECEIVED_AT)
    pace = Intervals(heartbeat_seconds=0.0, gather_seconds=0.0)
    follower = Follower(
        database, discover(), holder="one", on_batch=lambda _position: stop.set(), intervals=pace
    )
    follower.run(stop)


def _some_more(suffix: str) -> list[Any]:
    """New events, and a late one."""
    new = _entered(range(900, 910), f"seg_{suffix}", at="2024-06-01T12:00:00Z")
    late = _entered(range(910, 912), f"seg_{suffix}", at="2024-02-01T12:00:00Z")
    return [envelope(each) for each in (*new, *late)]


def _repair(database: Database) -> None:
    rebuild_customer(database, named(["customer", "loyalty_tier"]), "cust_9")


def _rebuild_by_index(database: Database) -> None:
    """Tables trade names, after events came in."""

    def goes_on(phase: str, done: int, _total: int) -> None:
        if phase == "indexing" and not done:
            append(database, _some_more("r"), received_at=RECEIVED_AT)

    if not database.is_sqlite:
        with database.writing() as connection:
            connection.exec_driver_sql("GRANT SELECT ON customer TO PUBLIC")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(swap, "TAIL_EVENTS_MAX", 0)
        some = named(["customer", "loyalty_tier_history"])
        rebuild(database, some, engines.ENGINES["in-process"], on_progress=goes_on)


def _rebuild_by_buckets(database: Database) -> None:
    """Rows are moved, after they were compared; buckets are too large to be sorted in memory."""
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE INDEX theirs ON loyalty_tier (tier_name)")
    some = named(["segment_membership", "loyalty_tier"])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("replay.plan.BUCKET_EVENTS", 5_000)
        patched.setattr(buckets, "SORTED_BYTES_MAX", 0)
        rebuild(database, some, by_steps, change_percent_max=100.0)


def _extend(database: Database) -> None:
    """Fold a projection of another package, which fails, gets a new layout, and is dropped."""
    [customer] = named(["customer"])
    shop = evolve(customer, name="shop_customer")

    def fail(_state: object) -> list[Any]:
        raise RuntimeError("the shop is closed")

    with database.writing() as connection:
        projection_tables.ensure(connection, [shop])
    catch_up(database, [shop])
    append(database, _some_more("x"), received_at=RECEIVED_AT)
    assert catch_up(database, [evolve(shop, to_rows=fail)])
    assert shop.name in {each.name for each in read_status(database, discover()).projections}
    rebuild(database, [evolve(shop, indexes=())], engines.ENGINES["in-process"])
    with database.writing() as connection:
        projection_tables.drop(connection, shop.name)


def _seal(database: Database) -> None:
    """Seal the log, sign its head, prove an event, and verify all of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/checkpoint"
        made = make_checkpoint(database, KEY, path)
        prove_event(database, made.size // 2, path)
        # Roots that the cache lacks are computed, and kept.
        with database.writing() as connection:
            connection.execute(subtree.delete().where(subtree.c.number == 3))
        prove_extension(database, made.size // 3, path)
        make_checkpoint(database, KEY, path)
        assert verify_log(database, against=[path], keys=[KEY.verifier]).is_right
    with database.reading() as connection:
        leaves.next_position(connection, made.size // 2)


def _forget(database: Database) -> None:
    """Erase some customers, a nameless event, and by a list; let some in again."""
    _many_erasures(database)
    append(database, [rejected(b"of cust_11")], received_at=RECEIVED_AT)
    ask_job(database, JobKind.QUARANTINE_RETRY, {"customer": "cust_11"}, asked_by="shop")
    with database.reading() as connection:
        [nameless, *_] = erasing.without_customer(connection)
    assert forget(database, ["cust_11", "cust_13"], scan=True, also=["seg_x"]).rows
    assert forget(database, ["shop_17"], by_source_id=True).customers == 1
    assert forget(database, positions=[nameless.position]).events == 1
    assert forget(database, ["cust_11"]).already
    assert forget_deleted(database, days=0) == []
    assert list_erasures(database).suppressed
    assert show_erasure(database, list_erasures(database).erasures[-2].erasure_id).positions
    with database.reading() as connection:
        lines = list(restore.export(connection))
    assert allow(database, "cust_13") == 1
    assert restore.forget_listed(database, restore.read(lines, path="list"))
    assert drop_older(database, days=0)
    # As in a backup from before the first erasure.
    with database.writing() as connection:
        connection.execute(secret.delete())
    only_key = [lines[0], b'{"type":"end","erasures":0,"digests":0}']
    assert not restore.forget_listed(database, restore.read(only_key, path="list"))


def _many_erasures(database: Database) -> None:
    """As after years."""
    times = RECEIVED_AT, None
    with database.reading() as connection:
        last = last_erasure(connection)
    erasures = [
        (last + number, "proj_0", *times, 1, 1, 1, 0, 1, RECEIVED_AT)
        for number in range(1, _ERASURES + 1)
    ]
    digests = [(f"{number:064x}", number % _ERASURES + 1) for number in range(5 * _ERASURES)]
    with database.writing() as connection:
        bulk.insert_many(connection, erasure, erasures)
        bulk.insert_many(connection, suppressed, digests)
        if not database.is_sqlite:
            connection.exec_driver_sql("ANALYZE erasure, suppressed")


def _suppress(database: Database) -> None:
    """Deliveries of an erased customer, with the list in memory and without, and in quarantine."""
    gone = envelope(given.created("cust_15", at="2024-06-02T12:00:00Z"))
    unfiled = json.dumps(
        in_shape("activity", given.updated("cust_15", at="2024-06-02T12:00:00Z"))
    ).encode()
    assert forget(database, ["cust_15"]).customers == 1
    # It names no project, so it is not taken for the customer's.
    append(database, sources.read(unfiled, DeliveryDefaults()), received_at=RECEIVED_AT)
    with database.writing() as connection:
        many = [{"digest": f"f{number:063x}", "erasure_id": 1} for number in range(20_000)]
        connection.execute(insert(suppressed), many)
        connection.exec_driver_sql("ANALYZE suppressed")
    for limit in (100_000, 0):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("projector.store.erasure.suppression.DIGESTS_MAX", limit)
            append(database, [gone, rejected(b"nothing")], received_at=RECEIVED_AT)
    retry_quarantine(
        database, reason="missing_project", defaults=DeliveryDefaults(project_id=gone.project_id)
    )


def _create_keys(database: Database) -> None:
    """Create the keys of archives, and destroy so many that there are many nodes."""
    archive_keys.create(database)
    with database.writing() as connection:
        archive_keys.destroy(connection, range(1, 20_000, 7))


def _restore_erasures(database: Database) -> None:
    """Restore the events of an erasure."""
    with database.reading() as connection:
        assert len(archive_keys.read(connection, 9_000, 9_100)) > 14
        assert len(list(archive_keys.read_all(connection))) > 2_000
        assert markers.read(connection, 1, 15_000)
        last = last_erasure(connection)
        assert last in recorded_erasures(connection)
        found = told.read(connection)[-1]
        head, last_stream_id = log.head(connection), log.last_stream_id(connection)
    event = _restored_event(position=head + 1, stream_id=last_stream_id + 2)
    append_recorded(database, [event])
    own = _restored_event(position=head + 2, stream_id=None)
    told_again = evolve(found, erasure_id=last + 1, position=own.position)
    append_recorded(database, [own], [told_again])


def _restored_event(*, position: int, stream_id: int | None) -> RecordedEvent:
    """An event of a customer, or of none."""
    return RecordedEvent(
        project_id="proj_1",
        event_id=f"restored_{position}",
        type="customer.updated",
        customer_id=f"restored_{position}" if stream_id else None,
        occurred_at=RECEIVED_AT,
        source="minimal",
        body="{}",
        position=position,
        stream_id=stream_id,
        received_at=RECEIVED_AT,
        late=False,
    )


def _use_tokens(database: Database) -> None:
    made = create_token(database, name="shop", scopes=["read"])
    list_tokens(database)
    read_tokens(database)
    revoke_token(database, made.token_id)
    secret = start_session(database, made.token_id)
    found = find_session(database, secret)
    assert found is not None
    with database.writing() as connection:
        # Long ago, so that the next request is recorded.
        sessions.see(connection, found.digest, at=found.seen_at - 2 * SEEN_INTERVAL)
    find_session(database, secret)
    end_session(database, secret)


def _backfill(database: Database) -> None:
    """Read known and new customers, by either id, twice; and count those whom it could be."""
    with voucherify_api() as api, pytest.MonkeyPatch.context() as patched:
        for name in ("customers", "log_customers"):
            patched.setattr(f"projector.backfill.{name}.CHUNK_CUSTOMERS", 20)
        for customer in ("cust_7", "cust_fetched"):
            api.add(customer, entry(f"of {customer}", "2024-03-02T12:00:00Z", customer=customer))
        api.source_ids["shop_fetched"] = "cust_fetched"
        credentials = Credentials(project_id="proj_1", app_id=APP_ID, app_token=APP_TOKEN)
        access = Access(project_id="proj_1", address=parse_url(api.url), credentials=credentials)
        options = BackfillOptions(per_minute=100_000)
        since = evolve(options, since=THEN)
        named = NamedCustomers(("cust_7", "shop_fetched", "cust_absent"))
        asked_of: list[tuple[CustomerChoice, BackfillOptions]] = [
            *((named, each) for each in (options, options, since)),
            (SuspiciousCustomers(), options),
            (KnownCustomers(), options),
        ]
        for choice, asked in asked_of:
            with Backfill(database, access, choice, asked) as backfill:
                assert backfill.estimate().customers
                if choice is named:
                    assert backfill.run().done == 2


def _reconcile(database: Database) -> None:
    """Compare customers who differ with the API and with files, and repair them."""
    with voucherify_api() as api, tempfile.TemporaryDirectory() as folder:
        shop = Shop(api, database, datetime.now(UTC))
        shop.segment("seg_1")
        shop.campaign("camp_1", "ltr_1")
        for customer in ("cust_7", "cust_observed"):
            shop.customer(customer)
            shop.enter(customer, "seg_1", hours_ago=1, delivered=False, remembered=False)
            shop.move(customer, "ltr_1", hours_ago=1, delivered=False, remembered=False)
        credentials = Credentials(project_id="proj_1", app_id=APP_ID, app_token=APP_TOKEN)
        access = Access(project_id="proj_1", address=parse_url(api.url), credentials=credentials)
        options = ReconcileOptions(
            settle=timedelta(0), per_minute=100_000, repair=True, repair_percent_max=100
        )
        for choice in (
            NamedCustomers(("cust_7", "cust_observed")),
            SegmentMembers("seg_1"),
            SampledCustomers(2),
        ):
            with Reconcile(database, "proj_1", choice, options, access=access) as comparison:
                assert comparison.run().compared
        path = Path(folder, "observed")
        path.write_text("source_id\nshop_7\n")
        of_file = evolve(options, observed_at=datetime.now(UTC), activity=False)
        members = SegmentMembers("seg_1")
        with Reconcile(
            database, "proj_1", members, of_file, access=None, file=str(path)
        ) as comparison:
            assert comparison.run().compared
    with database.reading() as connection:
        assert reconciliations.last(connection)


def _do_jobs(database: Database) -> None:
    """One that is done, one whose server ends, and one that waits."""
    asked = [ask_job(database, JobKind.VERIFY, {}, asked_by="shop") for _ in range(3)]
    progress = JobProgress(phase="verifying", phase_began_at=RECEIVED_AT, done=1, total=2)
    ended = JobEnd(ended_at=RECEIVED_AT, exit_code=0, result="{}", problem=None)
    with database.writing() as connection:
        for each in asked[:2]:
            assert jobs.begin(connection, each.job_id, at=RECEIVED_AT)
        jobs.report(connection, asked[0].job_id, progress)
        jobs.end(connection, asked[0].job_id, ended)
        jobs.end_abandoned(connection, at=RECEIVED_AT, problem="gone")
        assert [each.job_id for each in jobs.unended(connection)] == [asked[2].job_id]
    show_job(database, asked[0].job_id)
    last_jobs(database)
