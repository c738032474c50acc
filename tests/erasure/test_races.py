"""An erasure and something else at once: neither undoes the other, in whichever order they end."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from projector.envelope import Rejected
from projector.erasure import forget, rows
from projector.errors import CheckpointMoved, ProjectorError, RebuildRunning
from projector.operate import quarantine_retry
from projector.operate.dead_letters import retry_dead_letters
from projector.projections import discover, named
from projector.runner import direct
from projector.runner.runner import catch_up, project_batch
from projector.store import direct_project, log_head
from projector.store.append import append
from projector.store.database import Database
from projector.store.rebuild import shadow
from replay import rebuild, rebuild_customer
from replay.engines import ENGINES, EnginePiece, Job
from tests.support.engines import as_engine
from tests.support.forgetting import (
    MONDAY,
    NEEDLES,
    SUPPRESSES,
    TUESDAY,
    arrive,
    is_right,
    others,
    rebuilds_to_the_same,
    seven,
    tables_with,
)
from tests.support.given import RECEIVED_AT, append_webhooks, created, entered, envelope, updated
from tests.support.items import quarantined, read_log
from tests.support.quarantine import HOME, unfiled
from tests.support.quarantine import arrive as arrive_unfiled


@pytest.fixture
def other(database: Database, migrated_url: str) -> Iterator[Database]:
    """Another process, as good as."""
    with closing(Database(migrated_url)) as other:
        yield other


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.workspace.WORKERS_END_SECONDS_MAX", 0.1)
    monkeypatch.setattr("projector.store.rebuild.shadow.LOCK_SECONDS_MAX", 0.1)


@contextmanager
def _before_writing(database: Database, do: Callable[[], object]) -> Iterator[None]:
    """Do something once, between what a transaction has read and its writing."""
    writing = database.writing
    done: list[bool] = []

    def wrapped(*arguments: Any, **more: Any) -> Any:
        if not done:
            done.append(True)
            do()
        return writing(*arguments, **more)

    database.writing = wrapped  # type: ignore[method-assign]
    try:
        yield
    finally:
        del database.writing
    assert done


def _forgotten(database: Database) -> None:
    assert tables_with(database, *NEEDLES) == {}
    is_right(database)
    rebuilds_to_the_same(database)


def test_a_projector_that_folded_the_old_bodies_writes_none_of_it(
    database: Database, other: Database
) -> None:
    arrive(database, *others())
    append_webhooks(database, *seven())
    head = len(read_log(database))
    with (
        _before_writing(database, lambda: forget(other, ["cust_7"])),
        pytest.raises(CheckpointMoved),
    ):
        project_batch(database, discover(), until=head, batch_events_max=100)
    assert tables_with(database, *NEEDLES) == {}
    catch_up(database, discover())
    _forgotten(database)


def test_a_projector_that_folded_directly_writes_none_of_it(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(database, *others())
    # A plain event, as the direct path takes.
    append_webhooks(database, entered("cust_7", "seg_1", at=TUESDAY, id="evt_seven"))
    write = direct_project.write

    def late(*arguments: Any) -> bool:
        forget(other, ["cust_7"])
        return write(*arguments)

    monkeypatch.setattr(direct_project, "write", late)
    with pytest.raises(CheckpointMoved):
        direct.project(database, discover())
    monkeypatch.undo()
    catch_up(database, discover())
    _forgotten(database)


def test_during_a_rebuild_nothing_is_erased(database: Database, other: Database) -> None:
    """The rows that it has folded would come back with the swap."""
    arrive(database, *others(), *seven())
    refused = []

    @as_engine
    def engine(job: Job) -> Iterator[EnginePiece]:
        yield from ENGINES["in-process"].run(job)
        for is_trial in (False, True):
            with pytest.raises(RebuildRunning) as told:
                forget(other, ["cust_7"], dry_run=is_trial)
            refused.append(told)

    rebuild(database, discover(), engine)
    assert len(refused) == 2
    assert len(read_log(database)) == len(others()) + len(seven())
    forget(database, ["cust_7"])
    _forgotten(database)


def test_during_an_erasure_nothing_is_rebuilt(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither here nor on another machine."""
    arrive(database, *others(), *seven())
    refused, delete = [], rows.delete

    def beside(*arguments: Any) -> dict[str, int]:
        with pytest.raises(RebuildRunning) as told:
            rebuild(other, discover(), ENGINES["in-process"])
        refused.append(told)
        if not other.is_sqlite:
            with pytest.raises(RebuildRunning), shadow.lock(other):
                pass
        return delete(*arguments)

    monkeypatch.setattr(rows, "delete", beside)
    forget(database, ["cust_7"])
    assert len(refused) == 1
    _forgotten(database)


def test_what_a_killed_rebuild_left_is_gone(database: Database) -> None:
    """Its shadows and its files have the rows, too."""
    arrive(database, *others(), *seven())

    class Killed(BaseException):
        pass

    @as_engine
    def engine(job: Job) -> Iterator[EnginePiece]:
        yield from ENGINES["in-process"].run(job)
        raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("replay.exclusive._remove_shadows", lambda _database: False)
        patched.setattr("shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(Killed):
            rebuild(database, discover(), engine)
    with database.reading() as connection:
        assert shadow.find_leftovers(connection, discover()) != []
    forget(database, ["cust_7"])
    with database.reading() as connection:
        assert shadow.find_leftovers(connection, discover()) == []
    _forgotten(database)


def test_an_append_that_was_planned_before_does_not_continue_the_stream(
    database: Database, other: Database
) -> None:
    arrive(database, *others(), *seven())
    again = [envelope(updated("cust_7", at="2024-05-01T10:00:00Z", id="evt_seven_new"))]
    # A duplicate besides, so that it is not appended directly.
    again.append(envelope(others()[0]))
    with _before_writing(database, lambda: forget(other, ["cust_7"])):
        append(database, again, received_at=RECEIVED_AT)
    catch_up(database, discover())
    named_now = [each.customer_id for each in read_log(database) if each.stream_id is not None]
    assert named_now.count("cust_7") == int(not SUPPRESSES)
    assert named_now.count("erased:3") == 0
    is_right(database)
    rebuilds_to_the_same(database)


def test_a_rebuild_of_the_customer_finds_nobody(database: Database, other: Database) -> None:
    arrive(database, *others(), *seven())
    with (
        _before_writing(database, lambda: forget(other, ["cust_7"])),
        pytest.raises(ProjectorError) as refused,
    ):
        rebuild_customer(database, discover(), "cust_7")
    assert refused.value.exit_code == 3
    _forgotten(database)


def test_a_rebuild_of_another_customer_keeps_the_digest(
    database: Database, other: Database
) -> None:
    arrive(database, *others(), *seven())
    with _before_writing(database, lambda: forget(other, ["cust_7"])):
        rebuild_customer(database, discover(), "cust_1")
    _forgotten(database)


def test_a_retry_of_dead_letters_brings_no_row_back(database: Database, other: Database) -> None:
    arrive(database, *others(), *seven())
    with _before_writing(database, lambda: forget(other, ["cust_7"])):
        retry_dead_letters(database, named(["loyalty_tier"]))
    _forgotten(database)


def test_a_retry_of_the_quarantine_leaves_an_emptied_entry_empty(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(database, *others(), *seven())
    arrive_unfiled(database, unfiled(created("cust_7", at=MONDAY)))
    read_again = quarantine_retry._append

    def late(*arguments: Any) -> Any:
        forget(other, ["cust_7"])
        return read_again(*arguments)

    monkeypatch.setattr(quarantine_retry, "_append", late)
    quarantine_retry.retry_quarantine(database, defaults=HOME)
    [entry] = quarantined(database)
    assert (entry["reason"], entry["body"]) == ("erased", b"")
    catch_up(database, discover())
    if SUPPRESSES:
        _forgotten(database)


def test_a_retry_files_no_part_anew_of_what_was_emptied_meanwhile(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page has a delivery of another customer, and a part that names the person."""
    arrive(database, *seven())
    readable = json.dumps(unfiled(created("cust_1", at=MONDAY, id="evt_other"))).encode()
    page = b'{"object":"list","data_ref":"data","data":[%b,{"of":"cust_7"}]}' % readable
    append(
        database,
        [Rejected(reason="missing_project", detail="-", body=page)],
        received_at=RECEIVED_AT,
    )
    read_again = quarantine_retry._append

    def late(*arguments: Any) -> Any:
        forget(other, ["cust_7"])
        return read_again(*arguments)

    monkeypatch.setattr(quarantine_retry, "_append", late)
    quarantine_retry.retry_quarantine(database, defaults=HOME)
    assert [(each["reason"], each["body"]) for each in quarantined(database)] == [("erased", b"")]
    catch_up(database, discover())
    _forgotten(database)


def test_a_connection_whose_lock_is_lost_erases_nothing(
    postgres_database: Database, migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild may have begun meanwhile."""
    arrive(postgres_database, *others(), *seven())
    head = len(read_log(postgres_database))
    delete = rows.delete

    def cut(*arguments: Any) -> dict[str, int]:
        with closing(Database(migrated_postgres_url)) as admin, admin.writing() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks"
                " WHERE locktype = 'advisory' AND objid = 7270853175 - 4294967296"
            )
        return delete(*arguments)

    monkeypatch.setattr(rows, "delete", cut)
    with pytest.raises(ProjectorError):
        forget(postgres_database, ["cust_7"])
    assert len(read_log(postgres_database)) == head
    with postgres_database.reading() as connection:
        assert log_head.read(connection).position == head
