"""Which entries a retry reads again and in which pieces; repeated, broken off, twice at once."""

import sys
import threading
from contextlib import closing

import pytest

from projector.errors import BadIdentifier, QuarantineEntryNotFound
from projector.operate.quarantine import list_quarantine, show_entry
from projector.operate.quarantine_retry import QuarantineRetryReport, retry_quarantine
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store import quarantine
from projector.store.database import Database
from tests.support.databases import rows
from tests.support.given import created, entered, envelope, updated
from tests.support.items import quarantined, read_log
from tests.support.oracle import truth
from tests.support.quarantine import HOME, arrive, entry, everything, retried, unfiled, waiting

MONDAY = "2024-03-04T10:00:00Z"


@pytest.mark.parametrize("which", ["all", "ids"])
def test_a_second_retry_changes_nothing(database: Database, which: str) -> None:
    ids = arrive(database, unfiled(created("cust_1", at=MONDAY)), b"{")
    retry_quarantine(database, defaults=HOME)
    before = everything(database)
    again = retry_quarantine(database, ids if which == "ids" else None, defaults=HOME)
    assert again == retried(resolved=int(which == "ids"), broken_json=1)
    assert everything(database) == before


def test_only_the_entries_that_were_named_are_read_again(database: Database) -> None:
    one, other, third = arrive(
        database, *(unfiled(created(f"cust_{n}", at=MONDAY)) for n in range(3))
    )
    done = retry_quarantine(database, [third, one, one], defaults=HOME)
    assert done == retried(resolved=2)
    assert [each.quarantine_id for each in waiting(database)] == [other]
    assert [each.customer_id for each in read_log(database)] == ["cust_0", "cust_2"]


@pytest.mark.parametrize("unknown", [0, -1, 2**31, 2**63 - 1, 2**63, -(2**70)])
def test_with_an_unknown_id_among_them_nothing_is_done(database: Database, unknown: int) -> None:
    [known] = arrive(database, unfiled(created("cust_1", at=MONDAY)))
    with pytest.raises(QuarantineEntryNotFound, match=str(unknown)):
        retry_quarantine(database, [known, unknown], defaults=HOME)
    assert read_log(database) == []
    with pytest.raises(QuarantineEntryNotFound, match=str(unknown)):
        show_entry(database, unknown)


def test_only_the_entries_of_a_reason_are_read_again(database: Database) -> None:
    arrive(database, b"{", unfiled(created("cust_1", at=MONDAY)), b"[")
    done = retry_quarantine(database, reason="missing_project", defaults=HOME)
    assert done == retried(resolved=1)
    assert retry_quarantine(database, reason="of_no_kind") == retried()
    with pytest.raises(BadIdentifier):
        retry_quarantine(database, reason="\0")
    with pytest.raises(BadIdentifier):
        list_quarantine(database, reason="\udcff", limit=10)


def test_many_entries_are_read_again_in_pieces(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[retry_quarantine.__module__], "RETRY_ENTRIES_MAX", 2)
    arrive(database, b"{", *(unfiled(created(f"cust_{n}", at=MONDAY)) for n in range(4)))
    tried: list[int] = []
    done = retry_quarantine(database, defaults=HOME, on_piece=tried.append)
    assert done == retried(resolved=4, broken_json=1)
    assert tried == [2, 4, 5]


def test_a_retry_does_not_try_what_it_has_put_aside_itself(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[retry_quarantine.__module__], "RETRY_ENTRIES_MAX", 1)
    arrive(database, entered("cust_1", "seg_1", at=MONDAY, id="e1"))
    arrive(database, unfiled(entered("cust_1", "seg_2", at=MONDAY, id="e1")))
    tried: list[int] = []
    assert retry_quarantine(database, defaults=HOME, on_piece=tried.append) == retried(conflict=1)
    assert tried == [1]


def test_an_interruption_between_append_and_closing_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    [waits] = arrive(database, unfiled(created("cust_1", at=MONDAY)))
    with monkeypatch.context() as patched:
        patched.setattr(quarantine, "resolve", _fail)
        with pytest.raises(ZeroDivisionError):
            retry_quarantine(database, defaults=HOME)
    [event] = read_log(database)
    assert entry(database, waits).resolved_at is None
    assert retry_quarantine(database, defaults=HOME) == retried(resolved=1)
    assert entry(database, waits).resolved_position == event.position
    assert read_log(database) == [event]


def _fail(*_arguments: object, **_named: object) -> None:
    raise ZeroDivisionError


def test_retries_at_the_same_time_do_no_harm(database: Database, shared_url: str) -> None:
    happened = [
        updated(f"cust_{n % 3}", at=f"2024-03-04T10:00:{n:02}Z", name=f"{n}") for n in range(40)
    ]
    arrive(database, *(unfiled(each) for each in happened), b"{")
    done: list[QuarantineRetryReport] = []

    def retry() -> None:
        with closing(Database(shared_url)) as other:
            done.append(retry_quarantine(other, defaults=HOME))

    threads = [threading.Thread(target=retry) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == len(threads)
    assert all(each.waiting == 1 for each in done)
    assert [each.position for each in read_log(database)] == list(range(1, 41))
    closed = [each["resolved_position"] for each in quarantined(database)]
    assert closed == [*range(1, 41), None]
    catch_up(database, discover())
    assert rows(database) == truth(discover(), map(envelope, happened)).rows
