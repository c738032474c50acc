"""Who folds: each engine takes a plan and gives what the streams of each range fold to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Connection

from projector.batch import Change
from replay.engines import in_process
from replay.plan import Plan

#: From a plan to the changes of its projections, in their order, range by range.
Engine = Callable[[Connection, Plan], Iterator[list[Change]]]

ENGINES: dict[str, Engine] = {"in-process": in_process.run}
