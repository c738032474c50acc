"""A head that is not that of the log is recognised, and repaired only before a sound log."""

import pytest
from sqlalchemy import text

from projector import Projector
from projector.errors import LogHeadAhead, LogHeadBehind, LogUnsound, ProjectionAhead
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store import log_head
from projector.store.database import Database
from projector.store.log_head import HeadRepair, Numbers
from replay import rebuild, verify
from tests.support.databases import positions, rows, unguarded
from tests.support.given import append_and_project, created, entered
from tests.support.items import envelope, put, read_log

_STORY = [
    created("cust_1", at="2024-01-01T00:00:00Z"),
    entered("cust_1", "seg_1", at="2024-01-02T00:00:00Z"),
    created("cust_2", at="2024-01-01T00:00:00Z"),
    entered("cust_2", "seg_1", at="2024-01-01T00:00:00Z"),
]
#: What the story leaves: four events, two streams.
_RIGHT = Numbers(4, 2)


@pytest.fixture
def told(database: Database) -> Database:
    """A database with the events of the story."""
    append_and_project(database, *_STORY)
    return database


def _change(database: Database, *statements: str) -> None:
    with database.writing() as connection, unguarded(connection):
        for each in statements:
            assert connection.execute(text(each)).rowcount


def _repair(database: Database) -> HeadRepair:
    return log_head.repair(database)


_BEHIND = {
    "the first one": "UPDATE log_head SET position = 0, stream_id = 0",
    "an older one": "UPDATE log_head SET position = 3, stream_id = 2",
    "its streams": "UPDATE log_head SET stream_id = 1",
    "none": "DELETE FROM log_head",
}


@pytest.mark.parametrize("change", _BEHIND.values(), ids=[*_BEHIND])
def test_a_head_behind_the_log_stops_writers_and_is_repaired(told: Database, change: str) -> None:
    before = rows(told)
    _change(told, change)
    projector = Projector(told)
    for call in (
        lambda: put(told, envelope("more")),
        lambda: rebuild(told, discover()),
        projector.status,
        projector.catch_up,
        projector.rebuild,
        lambda: projector.customer("cust_1"),
        lambda: projector.ingest([b"{}"]),
    ):
        with pytest.raises(LogHeadBehind) as caught:
            call()
        assert caught.value.exit_code == 4
        assert "--repair-head" in caught.value.hint
    assert rows(told) == before
    assert len(read_log(told)) == 4
    assert _repair(told).after == _RIGHT
    assert _repair(told) == HeadRepair(before=_RIGHT, after=_RIGHT)
    assert verify(told, discover()).is_right
    assert put(told, envelope("more"))[0].position == 5


@pytest.mark.parametrize("sample", [None, 2])
@pytest.mark.parametrize("change", _BEHIND.values(), ids=[*_BEHIND])
def test_verify_reports_the_head_and_not_the_customers(
    told: Database, change: str, sample: int | None
) -> None:
    _change(told, change)
    found = verify(told, discover(), sample=sample)
    assert (found.is_right, found.checked, found.differing) == (False, 2, 0)
    assert len(found.log) >= 1
    assert "head" in found.log[0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param(
            ["DELETE FROM event WHERE position = 2"],
            "Positions should go from 1 to 4 without a hole, but there are 3, from 1 on.",
            id="a hole",
        ),
        pytest.param(
            ["DELETE FROM event WHERE position = 1"],
            "Positions should go from 1 to 4 without a hole, but there are 3, from 2 on.",
            id="no beginning",
        ),
        pytest.param(
            ["DELETE FROM stream WHERE stream_id = 2"],
            "The streams of the events at 3, 4 are missing.",
            id="streams restored in part",
        ),
        pytest.param(
            ["DELETE FROM stream"],
            "The streams of the events at 1, 2, 3, 4 are missing.",
            id="none",
        ),
        pytest.param(
            ["UPDATE stream SET last_event_id = 'x' WHERE stream_id = 1"],
            "The greatest keys of the streams 1 are not their events'.",
            id="a wrong key",
        ),
        pytest.param(
            [
                "UPDATE stream SET last_occurred_at ="
                " (SELECT occurred_at FROM event WHERE position = 1), last_event_id ="
                " (SELECT event_id FROM event WHERE position = 1) WHERE stream_id = 1"
            ],
            "The greatest keys of the streams 1 are not their events'.",
            id="an older key",
        ),
    ],
)
def test_a_log_that_is_not_sound_is_not_repaired(
    told: Database, changes: list[str], problem: str
) -> None:
    _change(told, "UPDATE log_head SET position = 0, stream_id = 0", *changes)
    with pytest.raises(LogUnsound) as caught:
        _repair(told)
    assert problem in str(caught.value)
    assert caught.value.exit_code == 4
    with told.reading() as connection:
        assert log_head.read(connection) == Numbers(0, 0)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log_head SET position = 5",
        "UPDATE log_head SET stream_id = 3",
        "DELETE FROM event",
        "DELETE FROM stream",
    ],
)
def test_a_head_ahead_of_the_log_is_refused_and_not_repaired(told: Database, change: str) -> None:
    _change(told, change)
    for call in (Projector(told).status, lambda: rebuild(told, discover())):
        with pytest.raises(LogHeadAhead) as caught:
            call()
        assert caught.value.exit_code == 4
    with pytest.raises(LogUnsound, match="but the head is at"):
        _repair(told)
    assert not verify(told, discover()).is_right


def test_tables_ahead_of_the_log_are_not_carried_on_but_rebuilt(told: Database) -> None:
    """As after a restore of the tables without the log, or with an older one."""
    _change(
        told,
        "DELETE FROM event",
        "DELETE FROM stream",
        "UPDATE log_head SET position = 0, stream_id = 0",
    )
    before = rows(told)
    status = Projector(told).status()
    assert {each.lag for each in status.projections} == {0}
    assert "at position 4, but the log ends at 0" in str(status.projections[0].error)
    put(told, envelope("a", customer_id="cust_9"))
    with pytest.raises(ProjectionAhead) as caught:
        catch_up(told, discover())
    assert "rebuild" in caught.value.hint
    assert rows(told) == before
    assert not verify(told, discover()).is_right
    rebuild(told, discover())
    assert set(positions(told).values()) == {1}
    assert verify(told, discover()).is_right


def test_rows_without_their_checkpoint_are_not_folded_once_more(told: Database) -> None:
    before = rows(told)
    _change(told, "DELETE FROM checkpoint")
    with pytest.raises(Exception, match="has rows, but no checkpoint"):
        catch_up(told, discover())
    assert rows(told) == before
    rebuild(told, discover())
    assert rows(told) == before
    assert verify(told, discover()).is_right


def test_ids_of_the_quarantine_go_on_behind_restored_ones(told: Database) -> None:
    """They come from no sequence, which a restore of the data would leave behind."""
    projector = Projector(told)
    projector.ingest([b"{"])
    _change(told, "UPDATE quarantine SET quarantine_id = 70")
    projector.ingest([b"{{"])
    found = projector.quarantine(limit=9).quarantine
    assert [each.quarantine_id for each in found] == [70, 71]
