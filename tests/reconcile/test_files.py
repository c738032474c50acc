"""Comparisons with files: what they say of whom, and what is refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from projector.backfill.options import SuspiciousCustomers
from projector.errors import (
    BadInstant,
    FileUnreadable,
    ObservationFileBad,
    ObservedAtMissing,
    ProjectorError,
    SegmentNotGiven,
)
from projector.reconcile.options import Record, SegmentMembers
from projector.store.database import Database
from tests.reconcile.conftest import Prepare, Run
from tests.support.given import append_and_project, created
from tests.support.items import read_log
from tests.support.sources import Shop

#: Write a file; gives its path.
Write = Callable[[str], str]

_ANY = SuspiciousCustomers()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str) -> str:
        path = tmp_path / "observed"
        path.write_text(content)
        return str(path)

    return write


def _lines(*entries: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in entries)


def _file(write: Write, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"file": write(_lines(*entries)), "activity": False}


def test_a_file_is_compared_with_the_state_of_when_it_was_written(
    shop: Shop, run: Run, write: Write
) -> None:
    """What happened since is no difference, and is not undone by a repair."""
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=50)
    shop.leave("cust_1", "seg_1", hours_ago=10)
    observed_at = shop.now - timedelta(hours=30)
    entry: dict[str, Any] = {"customer_id": "cust_1", "segments": ["seg_1"]}
    report = run(_ANY, observed_at=observed_at, repair=True, **_file(write, entry))
    assert (report.agree, report.differences, report.recorded) == (1, (), 0)
    entry["segments"] = ["seg_1", {"id": "seg_2", "name": "Two"}]
    report = run(_ANY, observed_at=observed_at, repair=True, **_file(write, entry))
    assert [(each.segment_id, each.repaired_by) for each in report.differences] == [
        ("seg_2", "observation")
    ]
    assert shop.ours("cust_1")[0] == ("seg_2",)
    assert report.differences[0].as_of == observed_at - timedelta(minutes=10)


def test_lines_have_times_segments_and_tiers(shop: Shop, run: Run, write: Write) -> None:
    for number in range(3):
        shop.customer(f"cust_{number}", hours_ago=100)
    shop.campaign("camp_1", "ltr_1")
    shop.move("cust_1", "ltr_1", hours_ago=50)
    at = shop.at(20)
    report = run(
        _ANY,
        **_file(
            write,
            {
                "customer_id": "cust_0",
                "segments": [],
                "tiers": {"camp_1": "ltr_9"},
                "observed_at": at,
            },
            {"customer_id": "cust_1", "tiers": {"camp_1": None}, "observed_at": at},
            {"customer_id": "cust_2", "segments": ["seg_1"], "observed_at": at},
        ),
    )
    assert {(each.customer_id, each.kind) for each in report.differences} == {
        ("cust_0", "missing_tier"),
        ("cust_1", "extra_tier"),
        ("cust_2", "missing_entry"),
    }
    assert (report.compared, report.remaining, report.requests) == (3, 3, 0)


def test_csv_of_a_segment_says_who_is_out_too(shop: Shop, run: Run, write: Write) -> None:
    for number in range(3):
        shop.customer(f"cust_{number}")
    shop.enter("cust_0", "seg_1", hours_ago=60)
    shop.enter("cust_1", "seg_1", hours_ago=60)
    shop.enter("cust_1", "seg_2", hours_ago=60)
    shop.leave("cust_0", "seg_1", hours_ago=5)
    path = write("Name,ID,segment_id\nAda,cust_2,seg_1\n")
    report = run(
        SegmentMembers("seg_1"),
        file=path,
        observed_at=shop.now - timedelta(hours=30),
        repair=True,
        activity=False,
    )
    assert {(each.customer_id, each.kind) for each in report.differences} == {
        ("cust_0", "missing_leave"),
        ("cust_1", "missing_leave"),
        ("cust_2", "missing_entry"),
    }
    assert report.compared == 3
    assert shop.ours("cust_0")[0] == ()
    assert shop.ours("cust_1")[0] == ("seg_2",)
    assert shop.ours("cust_2")[0] == ("seg_1",)


def test_a_source_id_of_several_or_of_none_is_not_used(
    shop: Shop, run: Run, write: Write, wiped_database: Database
) -> None:
    for number in range(2):
        append_and_project(
            wiped_database, created(f"cust_{number}", at=shop.at(99), source_id="twin")
        )
    append_and_project(wiped_database, created("cust_9", at=shop.at(99), source_id="nine"))
    entries = [{"source_id": each, "segments": ["seg_1"]} for each in ("twin", "nobody", "nine")]
    twice = {"customer_id": "cust_9", "segments": []}
    report = run(_ANY, observed_at=shop.now, **_file(write, *entries, twice))
    assert [(each.customer_id, each.reason) for each in report.problems] == [
        ("twin", "ambiguous_source_id"),
        ("nobody", "unknown_source_id"),
        ("cust_9", "twice"),
    ]
    assert [each.customer_id for each in report.differences] == ["cust_9"]
    assert (report.compared, report.failed) == (1, 3)


def test_csv_with_an_unknown_member_says_of_nobody_that_they_are_out(
    shop: Shop, run: Run, write: Write
) -> None:
    """Each member whom the file lacks may be the one whom that line means."""
    for number in range(2):
        shop.customer(f"cust_{number}")
        shop.enter(f"cust_{number}", "seg_1", hours_ago=60)
    twins = [created(f"cust_{number}", at=shop.at(99), source_id="twin") for number in (2, 3)]
    append_and_project(shop.database, *twins)
    for source_id in ("nobody", "twin"):
        file = write(f"source_id\n{source_id}\n")
        report = run(SegmentMembers("seg_1"), file=file, observed_at=shop.now, activity=False)
        assert report.problems[-1].reason == "incomplete"
        assert (report.differences, report.failed) == ((), 1)


def test_a_file_says_nothing_of_who_was_erased(shop: Shop, run: Run, write: Write) -> None:
    shop.customer("cust_0")
    shop.enter("cust_0", "seg_1", hours_ago=60)
    report = run(
        SegmentMembers("seg_1"),
        file=write("id\ncust_0\ncust_1\n"),
        observed_at=shop.now,
        is_erased=lambda each: each == "cust_1",
        repair=True,
        activity=False,
    )
    assert [(each.customer_id, each.reason) for each in report.problems] == [("cust_1", "erased")]
    assert (report.agree, report.recorded) == (1, 0)


def test_what_changed_around_the_time_of_a_file_is_not_filed(
    shop: Shop, run: Run, write: Write, wiped_database: Database
) -> None:
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=30.1)
    entry = {"customer_id": "cust_1", "segments": []}
    before = len(read_log(wiped_database))
    report = run(
        _ANY,
        observed_at=shop.now - timedelta(hours=30),
        repair=True,
        record=Record.ALL,
        **_file(write, entry),
    )
    assert (report.unsettled, report.recorded) == (1, 0)
    assert len(read_log(wiped_database)) == before


@pytest.mark.parametrize(
    ("content", "choice", "error", "message"),
    [
        ('{"customer_id": "c"', _ANY, ObservationFileBad, "line 1: Input data was truncated"),
        ('{"segments": []}', _ANY, ObservationFileBad, "Exactly one of customer_id and source_id"),
        ('\n{"customer_id": "c", "segmnts": []}', _ANY, ObservationFileBad, "line 2.*segmnts"),
        ('{"customer_id": "", "segments": []}', _ANY, ObservationFileBad, "length >= 1"),
        ('{"customer_id": "c", "segments": ["a\\u0000"]}', _ANY, ObservationFileBad, "NUL"),
        ('{"customer_id": "c", "segments": "s"}', _ANY, ObservationFileBad, "Expected `array"),
        ('{"customer_id": "c", "observed_at": "soon"}', _ANY, ObservationFileBad, "observed_at"),
        (
            '{"customer_id": "c", "observed_at": "2999-01-01T00:00:00Z"}',
            _ANY,
            ObservationFileBad,
            "lies in the future",
        ),
        ("id\ncust_1\n", _ANY, SegmentNotGiven, "of which segment"),
        ("name\nAda\n", SegmentMembers("seg_1"), ObservationFileBad, "No column is named id"),
        ("id,name\n,Ada\n", SegmentMembers("seg_1"), ObservationFileBad, "line 2: The id ''"),
        (
            "id,segment_id\ncust_1,seg_2\n",
            SegmentMembers("seg_1"),
            ObservationFileBad,
            "This is a member of the segment 'seg_2'",
        ),
        ("", SegmentMembers("seg_1"), ObservationFileBad, "No column"),
        ('id\n"cust_1\ncust_2\n', SegmentMembers("seg_1"), ObservationFileBad, "is no CSV"),
        ('id\n"cust_1\n"cust_2"\n', SegmentMembers("seg_1"), ObservationFileBad, "is no CSV"),
        ('[{"customer_id": "cust_1"}]', _ANY, ObservationFileBad, "Expected `object`"),
        ("\x00\x01\x02", SegmentMembers("seg_1"), ProjectorError, "cannot be read|No column"),
    ],
)
def test_what_is_no_such_file_is_refused_before_anything_is_done(
    prepare: Prepare,
    write: Write,
    wiped_database: Database,
    content: str,
    choice: Any,
    error: type[ProjectorError],
    message: str,
) -> None:
    at = datetime(2024, 3, 1, tzinfo=UTC)
    with pytest.raises(error, match=message):
        prepare(choice, file=write(content), observed_at=at)
    assert read_log(wiped_database) == []


def test_the_time_of_a_file_must_be_known(prepare: Prepare, write: Write) -> None:
    line = write('{"customer_id": "cust_1", "segments": []}')
    with pytest.raises(ObservedAtMissing, match="does not say when it was written in line 1"):
        prepare(_ANY, file=line)
    with pytest.raises(BadInstant, match="lies in the future"):
        prepare(_ANY, file=line, observed_at=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(BadInstant, match="lies before 1970"):
        prepare(_ANY, file=line, observed_at=datetime(1, 1, 1, tzinfo=UTC))
    with pytest.raises(ObservedAtMissing):
        prepare(SegmentMembers("seg_1"), file=write("id\ncust_1\n"))
    with pytest.raises(FileUnreadable):
        prepare(_ANY, file=f"{line}.missing")
