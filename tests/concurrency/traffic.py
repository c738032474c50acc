"""Who takes in events and who asks, without end, while something else goes on with a database.

Some customers come and go with every batch; others stay as they are, and everybody can tell.
"""

import json
import random
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from projector import Projector, open_projector
from tests.support.given import Delivery, entered, joined, left, tier_left

_BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
_WAIT_SECONDS_MAX = 120
_PAGE_MEMBERS = 7

STAYING = [f"stays_{number:02}" for number in range(30)]
_MOVING = [f"moves_{number:02}" for number in range(12)]


def first() -> list[Delivery]:
    """What there is of them before the traffic; two events of it are dead letters."""
    stay = [
        event
        for each in STAYING
        for event in (
            entered(each, "seg_stays", at=_BEGIN.isoformat()),
            joined(each, "ltr_stays", at=_BEGIN.isoformat()),
        )
    ]
    dead = [joined(each, "", at=_BEGIN.isoformat()) for each in STAYING[:2]]
    return [*stay, *dead, *_batch(0)]


def _batch(number: int) -> list[Delivery]:
    """An event of each customer who moves; one in five is late."""
    minute = number - (number % 5 == 4) * 20
    more = {"at": (_BEGIN + timedelta(minutes=minute)).isoformat()}
    return [
        (
            (entered, left)[number // 2 % 2](each, "seg_moves", **more)
            if number % 2
            else (joined, tier_left)[number // 2 % 2](each, "ltr_moves", **more)
        )
        for each in _MOVING
    ]


def take_in(url: str, end: Path) -> int:
    """Ingest and project batch after batch until the file `end` is there; how many events."""
    appended = 0
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    with open_projector(url) as projector:
        for number in count(1):
            if end.exists() or time.monotonic() > deadline:
                break
            lines = b"\n".join(json.dumps(each).encode() for each in _batch(number))
            appended += projector.ingest([lines]).appended
            projector.catch_up()
            # Others want to write as well.
            time.sleep(0.005)
    return appended


def ask(url: str, end: Path) -> int:
    """Ask until the file `end` is there; fails at the first answer that cannot be, else how many.

    An answer is never of an earlier position than the one before, it is what the log says up to its
    position, and of those who stay nobody is ever missing.
    """
    chance = random.Random(url)
    answers, position = 0, 0
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    with open_projector(url) as projector:
        letters = _letters(projector)
        while not end.exists() and time.monotonic() < deadline:
            # Several: it is between two statements of one answer that a swap can come.
            for who in chance.sample(_MOVING, 10):
                answer = projector.customer(who)
                assert answer.position >= position, f"{answer.position} after {position}"
                position = answer.position
                then = projector.customer(who, at_position=position)
                assert answer == then, f"{answer} is not what the log says: {then}"
            assert _members(projector, {"segment_id": "seg_stays"}) == STAYING
            assert _members(projector, {"tier_id": "ltr_stays"}) == STAYING
            status = projector.status()
            positions = {each.position for each in status.projections}
            assert answer.position <= min(positions), f"{positions} after {answer.position}"
            assert max(positions) <= status.head
            assert _letters(projector) == letters
            position = max(positions)
            answers += 1
    return answers


def _members(projector: Projector, group: dict[str, Any]) -> list[str]:
    """All of a group, page by page."""
    found: list[str] = []
    cursor = None
    while True:
        page = projector.members(**group, after=cursor, limit=_PAGE_MEMBERS)
        found += [each.customer_id for each in page.members]
        cursor = page.next
        if cursor is None:
            return found


def _letters(projector: Projector) -> dict[str, int]:
    return {each.name: each.dead_letters for each in projector.status().projections}
