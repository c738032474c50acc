"""Forgetting a customer leaves nothing of them in any table, and everybody else as they were."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import Connection, func, insert, select

from projector.envelope import DeliveryDefaults
from projector.erasure import forget, forget_deleted, own_events, rows, transaction
from projector.erasure.forgotten import allow, drop_older, list_erasures, show_erasure
from projector.errors import (
    BadNumber,
    CustomerAmbiguous,
    CustomerNotFound,
    ErasureNotFound,
    NotSuppressed,
    PositionNotErasable,
    PositionUnknown,
    ProjectionAbsent,
    ProjectsDiffer,
    ReferenceNamesSomebody,
)
from projector.operate.jobs import JobKind, ask_job, show_job
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.sealing.seal import seal
from projector.store import activity, jobs, log, log_head
from projector.store.activity import Reading
from projector.store.append import append
from projector.store.database import Database
from projector.store.erasure import archive_keys, digest_list, digests, keys
from projector.store.erasure.told import ranges_of
from projector.store.jobs import JobEnd
from projector.store.stream_cache import StreamCache
from projector.store.tables import (
    checkpoint,
    dead_letter_reason,
    erased_stream,
    event,
    leaf,
    quarantine,
    stream,
)
from tests.support.databases import stored
from tests.support.forgetting import (
    MONDAY,
    NEEDLES,
    TUESDAY,
    arrive,
    arrive_broken,
    everything,
    is_right,
    others,
    rebuilds_to_the_same,
    seven,
    tables_with,
    unreadable_deliveries,
)
from tests.support.given import RECEIVED_AT, created, deleted, delivery, envelope, joined
from tests.support.items import quarantined, read_log, rejected, streams
from tests.support.logs import sql
from tests.support.snapshots import snapshots_every

EVENTS = len(seven())


def _all(database: Database, statement: Any) -> list[tuple[Any, ...]]:
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(statement)]


def _fill(database: Database) -> None:
    """Everything that a database may know of cust_7, and of two others."""
    with snapshots_every(2):
        arrive(database, *others(), *seven()[:5])
        arrive(database, *seven()[5:])
    # Duplicates, and a conflict.
    arrive(database, *seven(), *others())
    contradicted = {**seven()[1], "data": joined("cust_7", "ltr_9", at=MONDAY)["data"]}
    arrive(database, contradicted)
    naming, of_others = unreadable_deliveries()
    arrive_broken(database, [*naming, *of_others])
    seal(database)
    with database.writing() as connection:
        for customer_id in ("cust_7", "shop-000077", "cust_77"):
            reading = Reading(project_id="proj_1", customer_id=customer_id, scope="")
            activity.save(connection, reading)
    archive_keys.create(database)
    for customer_id in ("cust_7", "cust_77"):
        ask_job(database, JobKind.QUARANTINE_RETRY, {"customer": customer_id}, asked_by="shop")
    asked = ask_job(database, JobKind.VERIFY, {}, asked_by="shop")
    result = JobEnd(
        ended_at=RECEIVED_AT, exit_code=1, result='{"customers":["cust_7"]}', problem=None
    )
    with database.writing() as connection:
        jobs.end(connection, asked.job_id, result)


def test_nothing_of_a_customer_is_left_in_any_table(database: Database) -> None:
    _fill(database)
    before = tables_with(database, *NEEDLES)
    assert {*before} >= {
        *("event", "stream", "quarantine", "activity", "job", "snapshot"),
        *(each.name for each in discover()),
    }
    reasons = _all(database, select(func.count()).select_from(dead_letter_reason))
    assert reasons != [(0,)]
    untouched = stored_of_others(database)
    salted = _all(database, select(leaf))
    trial = forget(database, ["cust_7"], dry_run=True)
    assert trial.rows["segment_membership_history"] > 1
    assert tables_with(database, *NEEDLES) == before
    assert list_erasures(database).erasures == ()
    report = forget(database, ["cust_7"], reference="T-1", scan=True)
    assert tables_with(database, *NEEDLES) == {}
    assert stored_of_others(database) == untouched
    assert evolve(report, erasure_id=None, position=None, erased_at=None) == evolve(
        trial, reference="T-1", mentions=(), purged=True
    )
    assert (report.erasure_id, report.customers, report.events) == (1, 1, EVENTS)
    assert (report.dead_letters, report.duplicates, report.quarantined) == (2, EVENTS, 6)
    # The customer, the events, and the entries of the quarantine.
    assert report.suppressed == 1 + EVENTS + 6
    _has_markers(database, salted)
    _has_emptied(database)
    is_right(database)
    rebuilds_to_the_same(database)
    is_right(database)


def stored_of_others(database: Database) -> dict[str, list[str]]:
    return {
        name: [each for each in some if "'cust_7'" not in each and "cust_7," not in each]
        for name, some in stored(database).items()
    }


def _has_markers(database: Database, salted: list[tuple[Any, ...]]) -> None:
    """The events are markers, without salts, and their stream has no name."""
    [(erased,)] = _all(database, select(erased_stream.c.stream_id))
    markers = [each for each in read_log(database) if each.source == "erased"]
    assert len(markers) == EVENTS
    for each in markers:
        assert (each.event_id, each.type) == (f"erased:{each.position}", "erased")
        assert (each.stream_id, each.late, each.body) == (None, False, '{"erased":1}')
        assert each.occurred_at == each.received_at == RECEIVED_AT
    [row] = [each for each in streams(database) if each[0] == erased]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert row[1:] == ("proj_1", f"erased:{erased}", epoch, "")
    gone = {each.position for each in markers}
    assert _all(database, select(leaf)) == [
        (position, None if position in gone else salt, commitment)
        for position, salt, commitment in salted
    ]
    last_position = max(position for position, _, _ in salted) + 10
    with database.reading() as connection:
        opened = {
            each
            for node in archive_keys.read(connection, 1, last_position)
            for each in range(max(node.first, 1), min(node.last, last_position) + 1)
        }
    assert opened == {*range(1, last_position + 1)} - gone
    [last] = [each for each in read_log(database) if each.source == "projector"]
    ranges = [[*each] for each in ranges_of(sorted(gone))]
    assert json.loads(last.body) == {
        "erasure_id": 1,
        "customers": 1,
        "events": EVENTS,
        "positions": ranges,
    }
    assert (last.type, last.stream_id, last.late) == ("projector.erasure", None, False)
    assert last.event_id.startswith("erasure_")
    assert len(last.event_id) == 40
    with database.reading() as connection:
        assert log_head.read(connection).position == last.position == len(read_log(database))
    assert show_erasure(database, 1).positions == tuple(tuple(each) for each in ranges)
    # The door is shut.
    assert list_erasures(database).erasures[0].position == last.position


def _has_emptied(database: Database) -> None:
    """Entries that named the customer have nothing left, and others are as they were."""
    entries = quarantined(database)
    emptied = [each for each in entries if each["reason"] == "erased"]
    assert len(emptied) == 6
    kept = {"quarantine_id", "digest", "reason", "project_id", "received_at", "resolved_at"}
    kept.add("detail")
    for each in emptied:
        assert {name for name, value in each.items() if value not in (None, "", b"")} <= kept
        assert each["digest"] == f"erased:{each['quarantine_id']}"
        assert each["detail"] == "It was erased."
    waiting = [each["body"] for each in entries if each["resolved_at"] is None]
    assert waiting == unreadable_deliveries()[1]
    job = show_job(database, 1)
    assert (job.arguments, job.state, job.result) == ({}, "failed", None)
    assert show_job(database, 2).arguments == {"customer": "cust_77"}
    assert show_job(database, 3).result is None


def test_what_is_let_in_no_more_is_known_by_its_digests(database: Database) -> None:
    arrive(database, *seven(), *others())
    arrive_broken(database, [b'{"customer": "cust_7"'])
    [entry] = [each["digest"] for each in quarantined(database)]
    forget(database, ["cust_7"])
    with database.reading() as connection:
        key = keys.read(connection) or b""
        assert len(key) == digests.KEY_BYTES
        wanted = [
            digests.of_customer(key, "proj_1", "cust_7"),
            *(digests.of_event(key, "proj_1", each["event"]["id"]) for each in seven()),
            digests.of_body(key, entry),
        ]
        assert digest_list.find(connection, wanted) == dict.fromkeys(wanted, 1)
        assert digest_list.count(connection) == len(wanted)


def test_a_customer_who_was_erased_already_is_no_error(database: Database) -> None:
    arrive(database, *seven(), *others())
    forget(database, ["cust_7"])
    before = everything(database)
    again = forget(database, ["cust_7"], reference="twice")
    assert (again.erasure_id, again.already, again.events, again.customers) == (None, 1, 0, 0)
    assert everything(database) == before
    both = forget(database, ["cust_7", "cust_1"], project_id="proj_1")
    assert (both.erasure_id, both.already, both.customers) == (2, 1, 1)
    assert [each.erasure_id for each in list_erasures(database).erasures] == [1, 2]


def test_customers_are_erased_together_or_not_at_all(database: Database) -> None:
    arrive(database, *seven(), *others(), created("cust_7", at=MONDAY, project_id="proj_2"))
    arrive(database, created("cust_8", at=MONDAY, project_id="proj_2"))
    before = everything(database)
    for ids, more, expected in (
        (["cust_7"], {}, CustomerAmbiguous),
        (["cust_1", "cust_9"], {}, CustomerNotFound),
        (["cust_1", "cust_8"], {}, ProjectsDiffer),
        (["cust_1"], {"project_id": "proj_2"}, CustomerNotFound),
        (["erased:1", "\0"], {}, CustomerNotFound),
        (["shop_1"], {"by_source_id": True}, CustomerAmbiguous),
        (["nobody"], {"by_source_id": True}, CustomerNotFound),
        (["cust_1"], {"reference": "the wish of cust_1"}, ReferenceNamesSomebody),
        (["cust_1"], {"reference": "Ada's wish", "also": ["ADA"]}, ReferenceNamesSomebody),
        ([], {"positions": [1]}, PositionNotErasable),
        ([], {"positions": [10_000]}, PositionUnknown),
    ):
        with pytest.raises(expected):
            forget(database, ids, **more)
        assert everything(database) == before
    report = forget(database, ["cust_1", "cust_77", "cust_7"], project_id="proj_1")
    assert report.customers == 3
    assert [each[2] for each in streams(database) if "erased" not in each[2]] == [
        "cust_7",
        "cust_8",
    ]
    is_right(database)
    rebuilds_to_the_same(database)


def test_a_customer_is_found_by_the_id_of_the_shop(database: Database) -> None:
    arrive(database, *seven(), *others())
    assert forget(database, ["shop-000077"], by_source_id=True).events == EVENTS
    assert tables_with(database, *NEEDLES) == {}


def test_an_event_without_a_customer_is_erased_by_its_position(database: Database) -> None:
    nameless = delivery("customer.segment.left", None, at=MONDAY, id="evt_seven")
    arrive(database, *others(), nameless, delivery("voucher.created", None, at=MONDAY))
    contradicted = delivery("customer.segment.left", None, at=TUESDAY, id="evt_seven")
    arrive(database, nameless, contradicted)
    position = len(others()) + 1
    with pytest.raises(ProjectsDiffer):
        forget(database, positions=[position], project_id="proj_2")
    report = forget(database, positions=[position, position])
    assert (report.events, report.customers, report.duplicates) == (1, 0, 1)
    assert (report.dead_letters, report.quarantined, report.suppressed) == (3, 1, 2)
    assert tables_with(database, "evt_seven") == {}
    is_right(database)
    for at in (position, report.position or 0):
        with pytest.raises(PositionNotErasable):
            forget(database, positions=[at])


def test_other_events_that_name_the_person_are_reported_and_stay(database: Database) -> None:
    friend = created("cust_77", at=TUESDAY, metadata={"friend": "Ada Seven"})
    arrive(database, *seven(), friend)
    assert forget(database, ["cust_7"], also=["ada seven"], scan=True, dry_run=True).mentions == (
        EVENTS + 1,
    )
    report = forget(database, ["cust_7"], also=["ada seven"], scan=True)
    assert report.mentions == (EVENTS + 1,)
    assert not report.is_right
    assert "Ada Seven" in read_log(database)[EVENTS].body


def test_what_an_operator_adds_is_searched_in_the_quarantine(database: Database) -> None:
    arrive(database, *seven())
    arrive_broken(database, [b'{"tel": "+49 170 7"', b'{"tel": "+49 170 77"'])
    assert forget(database, ["cust_7"], also=["+49 170 7"]).quarantined == 1
    [left] = [each["body"] for each in quarantined(database) if each["body"]]
    assert left == b'{"tel": "+49 170 77"'


def test_an_entry_that_was_delivered_for_the_customer_is_emptied(database: Database) -> None:
    arrive(database, *seven())
    for customer_id in ("cust_7", "cust_77"):
        defaults = DeliveryDefaults(project_id="proj_1", customer_id=customer_id)
        append(database, [rejected(b"{", defaults=defaults)], received_at=RECEIVED_AT)
    assert forget(database, ["cust_7"]).quarantined == 1
    left = _all(database, select(quarantine.c.default_customer_id).order_by("quarantine_id"))
    assert left == [(None,), ("cust_77",)]


def test_more_ranges_than_fit_into_one_event_make_several(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_events, "RANGES_MAX", 3)
    monkeypatch.setattr(transaction, "PIECE", 4)
    for mine, other in zip(seven(), others(), strict=False):
        arrive(database, mine, other)
    head = len(read_log(database))
    report = forget(database, ["cust_7"])
    own = [each for each in read_log(database) if each.source == "projector"]
    assert [each.position for each in own] == [head + 1, head + 2, head + 3, head + 4]
    assert report.position == head + 4
    told = [tuple(piece) for each in own for piece in json.loads(each.body)["positions"]]
    assert show_erasure(database, 1).positions == tuple(told)
    assert len(told) == report.events == EVENTS
    is_right(database)


def test_rows_of_a_projection_that_waits_for_its_rebuild_go_as_well(database: Database) -> None:
    """One of another version, and one of another layout, whose rows cannot be read."""
    arrive(database, *seven(), *others())
    sql(database, "UPDATE checkpoint SET version = 99 WHERE projection = 'customer'")
    sql(
        database,
        "UPDATE checkpoint SET fingerprint = 'other' WHERE projection = 'loyalty_tier'",
    )
    before = dict(_generations(database))
    report = forget(database, ["cust_7"])
    assert report.rows["customer"] == 1
    assert report.rows["loyalty_tier"] == 2
    assert tables_with(database, *NEEDLES) == {}
    assert dict(_generations(database)) == {name: each + 1 for name, each in before.items()}
    statement = select(checkpoint.c.projection, checkpoint.c.version).where(
        checkpoint.c.projection == "customer"
    )
    assert _all(database, statement) == [("customer", 99)]


def _generations(database: Database) -> list[tuple[Any, ...]]:
    return _all(database, select(checkpoint.c.projection, checkpoint.c.generation))


def test_a_projection_that_is_not_installed_keeps_no_rows_unseen(database: Database) -> None:
    arrive(database, *seven())
    [row] = _all(database, select(checkpoint).where(checkpoint.c.projection == "customer"))
    with database.writing() as connection:
        connection.execute(insert(checkpoint).values(("shop_customer", *row[1:])))
    with pytest.raises(ProjectionAbsent, match="shop_customer"):
        forget(database, ["cust_7"])
    assert len(read_log(database)) == EVENTS


def test_a_writer_that_knows_the_stream_does_not_write_to_it(database: Database) -> None:
    """By the direct path and by the ordinary one."""
    for number in range(2):
        name = f"cust_{number}"
        cache = StreamCache()
        arrive(database, created(name, at=MONDAY), cache=cache)
        forget(database, [name])
        cache.is_plain = bool(number)
        arrive(database, created(name, at=TUESDAY), cache=cache)
    erased = {row[0] for row in _all(database, select(erased_stream.c.stream_id))}
    assert len(erased) == 2
    used = {row[0] for row in _all(database, select(event.c.stream_id))}
    assert not used & erased
    is_right(database)


def test_those_whom_the_sender_deleted_long_ago_are_erased(database: Database) -> None:
    now = datetime.now(UTC)
    for number, days in enumerate((1, 29, 31, 400)):
        at = (now - timedelta(days=days)).isoformat()
        for project_id in ("proj_1", "proj_2"):
            name = f"cust_{number}"
            arrive(database, created(name, at=MONDAY, project_id=project_id))
            arrive(database, deleted(name, at=at, project_id=project_id))
    trial = forget_deleted(database, days=30, dry_run=True)
    assert [each.customers for each in trial] == [2, 2]
    done = forget_deleted(database, days=30, project_id="proj_2", reference="monthly")
    assert [(each.customers, each.reference) for each in done] == [(2, "monthly")]
    assert [each.customers for each in forget_deleted(database, days=30)] == [2]
    assert forget_deleted(database, days=30) == []
    left = _all(database, select(stream.c.customer_id).where(stream.c.customer_id.like("cust_%")))
    assert sorted(left) == sorted([("cust_0",), ("cust_1",)] * 2)
    with pytest.raises(BadNumber):
        forget_deleted(database, days=-1)


def test_a_customer_may_be_let_in_again(database: Database) -> None:
    """The log tells of that, too: writers read the list anew."""
    arrive(database, *seven())
    forget(database, ["cust_7"])
    before = list_erasures(database).suppressed
    with pytest.raises(NotSuppressed):
        allow(database, "cust_7", project_id="proj_2")
    assert allow(database, "cust_7") == 1
    with pytest.raises(NotSuppressed):
        allow(database, "cust_7")
    listed = list_erasures(database)
    assert listed.suppressed == before - 1
    assert [(each.customers, each.events) for each in listed.erasures] == [(1, EVENTS), (0, 0)]
    assert show_erasure(database, 2).positions == ()
    assert listed.erasures[1].position == EVENTS + 2 == len(read_log(database))
    with pytest.raises(CustomerNotFound):
        forget(database, ["cust_7"])


def test_what_was_erased_long_ago_may_be_let_in_again(database: Database) -> None:
    arrive(database, *seven(), *others())
    forget(database, ["cust_7"])
    assert drop_older(database, days=1) == 0
    assert len(list_erasures(database).erasures) == 1
    assert drop_older(database, days=0) == 1 + EVENTS
    assert list_erasures(database).suppressed == 0
    assert len(list_erasures(database).erasures) == 2
    with pytest.raises(ErasureNotFound):
        show_erasure(database, 3)


def test_an_empty_log_has_no_one_to_forget(database: Database) -> None:
    with pytest.raises(CustomerNotFound):
        forget(database, ["cust_7"])
    assert list_erasures(database).erasures == ()
    with database.reading() as connection:
        assert log.head(connection) == 0
    catch_up(database, discover())
    append(database, [envelope(created("cust_7", at=MONDAY))], received_at=RECEIVED_AT)
    # Not folded yet.
    assert forget(database, ["cust_7"]).events == 1
    catch_up(database, discover())
    is_right(database)


def test_sqlite_overwrites_what_an_erasure_deletes(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its own connection, and only then: other work need not wait for it."""
    arrive(sqlite_database, *seven())
    seen, delete = [], rows.delete

    def look(connection: Connection, *arguments: Any) -> dict[str, int]:
        pragma = connection.exec_driver_sql("PRAGMA secure_delete")
        seen.append(pragma.scalar_one())
        return delete(connection, *arguments)

    monkeypatch.setattr(rows, "delete", look)
    with pytest.raises(ReferenceNamesSomebody):
        forget(sqlite_database, ["cust_7"], reference="cust_7")
    forget(sqlite_database, ["cust_7"])
    with sqlite_database.reading() as connection:
        seen.append(connection.exec_driver_sql("PRAGMA secure_delete").scalar_one())
    # 1 is ON, 2 is FAST.
    assert seen == [1, 2]
