"""Whoever stays is on one page of a walk through the members, however many come and go."""

import random
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from projector import Projector
from projector.store import log
from projector.store.database import Database
from tests.concurrency.logs import ended
from tests.support.given import Delivery, append_and_project, entered, joined, left, tier_left

_PAGES = 1000
_PAGE_MEMBERS = 4
_WAIT_SECONDS_MAX = 120
_BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
_PROJECTS = ["proj_1", "proj_2"]
#: Every other one stays; those between them come and go.
_STAYING = [f"cust_{number:03}" for number in range(0, 60, 2)]
_COMING = [f"cust_{number:03}" for number in range(1, 60, 2)]

_GROUPS: list[dict[str, Any]] = [{"segment_id": "seg_1"}, {"tier_id": "ltr_1"}]

Member = tuple[str, str]


def _moves(customer_id: str, project_id: str, minute: int, *, away: bool) -> list[Delivery]:
    more: dict[str, Any] = {
        "at": (_BEGIN + timedelta(minutes=minute)).isoformat(),
        "project_id": project_id,
    }
    if away:
        return [left(customer_id, "seg_1", **more), tier_left(customer_id, "ltr_1", **more)]
    return [entered(customer_id, "seg_1", **more), joined(customer_id, "ltr_1", **more)]


def stir(url: str, end: Path) -> int:
    """Let customers come and go until the file `end` is there; how often that was."""
    chance = random.Random(url)
    there: set[Member] = set()
    minute = 0
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    with closing(Database(url)) as database:
        while not end.exists() and time.monotonic() < deadline:
            minute += 1
            some = [(chance.choice(_PROJECTS), each) for each in chance.sample(_COMING, 10)]
            append_and_project(
                database,
                *(
                    event
                    for project_id, customer_id in some
                    for event in _moves(
                        customer_id, project_id, minute, away=(project_id, customer_id) in there
                    )
                ),
            )
            there ^= set(some)
    return minute


def test_no_member_is_missed_or_met_twice_in_a_thousand_pages(
    migrated_url: str, tmp_path: Path
) -> None:
    staying = {(project_id, each) for project_id in _PROJECTS for each in _STAYING}
    with closing(Database(migrated_url)) as database:
        append_and_project(
            database,
            *(
                event
                for project_id, each in sorted(staying)
                for event in _moves(each, project_id, 0, away=False)
            ),
        )
        # A new process: connections and locks of this one must not come along.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            with ended(tmp_path / "end"):
                writing = pool.submit(stir, migrated_url, tmp_path / "end")
                _wait_for_more(database)
                walks: list[list[Member]] = []
                pages = 0
                while pages < _PAGES:
                    found = _walk(database, _GROUPS[len(walks) % 2])
                    pages += len(found)
                    walks.append([each for page in found for each in page])
            written = writing.result()
    for walk in walks:
        assert walk == sorted(set(walk)), "everybody once, in order"
        assert staying <= set(walk), "nobody missed who stayed"
    assert len(set(map(tuple, walks))) > len(walks) / 2, "meanwhile customers came and went"
    assert written > 5


def _walk(database: Database, group: dict[str, Any]) -> list[list[Member]]:
    """The pages from the first to the last."""
    found: list[list[Member]] = []
    cursor = None
    while True:
        page = Projector(database).members(**group, after=cursor, limit=_PAGE_MEMBERS)
        found.append([(each.project_id, each.customer_id) for each in page.members])
        cursor = page.next
        if cursor is None:
            return found


def _wait_for_more(database: Database) -> None:
    """Wait until the other process has begun."""

    def head() -> int:
        with database.reading() as connection:
            return log.head(connection)

    before, deadline = head(), time.monotonic() + _WAIT_SECONDS_MAX
    while head() == before:
        assert time.monotonic() < deadline, "nobody came"
        time.sleep(0.01)
