"""Keeps the number of senders that are counted by their ids small."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from projector.store.database import Database
from projector.store.feed_counts import SENDERS_MAX, Sender
from projector.store.tables import feed_hour


class KnownSenders:
    """The senders of a writer's deliveries so far, and those that the counts have already.

    Several writers may together let a few more through than SENDERS_MAX, which does no harm.
    """

    def __init__(self) -> None:
        self._by_project: dict[str, set[str]] = {}

    def others(self, database: Database, senders: AbstractSet[Sender]) -> frozenset[Sender]:
        """Return those of `senders` that have no place of their own; look up projects when new."""
        others = []
        for project_id, sender in senders:
            known = self._by_project.get(project_id)
            if known is None:
                with database.reading() as connection:
                    known = self._by_project[project_id] = find(connection, project_id)
            if sender in known:
                continue
            if len(known) < SENDERS_MAX:
                known.add(sender)
            else:
                others.append((project_id, sender))
        return frozenset(others)


def find(connection: Connection, project_id: str) -> set[str]:
    """Return the senders of a project in the counts, up to SENDERS_MAX of them."""
    found = connection.execute(_select(), {"project_id": project_id, "limit": SENDERS_MAX})
    return set(found.scalars())


@cache
def _select() -> Select[Any]:
    """Return the statement that jumps from sender to sender in the index (a loose index scan)."""
    project_id: Any = bindparam("project_id")
    next_sender = select(func.min(feed_hour.c.sender)).where(feed_hour.c.project_id == project_id)
    known = select(
        next_sender.where(feed_hour.c.sender > "").scalar_subquery().label("sender")
    ).cte("known", recursive=True)
    following = next_sender.where(feed_hour.c.sender > known.c.sender).scalar_subquery()
    known = known.union_all(select(following).where(known.c.sender.is_not(None)))
    return select(known.c.sender).where(known.c.sender.is_not(None)).limit(bindparam("limit"))
