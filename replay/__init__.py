"""Rebuilds projections from the log, and verifies projections against it.

The modules, in the order in which a rebuild runs through them: `plan` (projections, last position,
partitioning), `workspace` and `spill` (its files), `engines` (in-process, or parallel by buckets),
`fill` (fills shadows beside the live tables), `impact` (reports what would change), `swap`,
`rebuild` (runs all of these), `backlog` (catches up by a rebuild); `one_customer` (rebuilds one
customer's rows); `verify`, with `comparison` (of rows) and `log_audit` (of the log itself).
"""

from replay import engines
from replay.backlog import catch_up, rebuild_backlog
from replay.one_customer import CustomerRebuild, rebuild_customer
from replay.rebuild import RebuildReport, rebuild
from replay.verify import verify
from replay.verify_report import VerifyReport

__all__ = [
    "CustomerRebuild",
    "RebuildReport",
    "VerifyReport",
    "catch_up",
    "engines",
    "rebuild",
    "rebuild_backlog",
    "rebuild_customer",
    "verify",
]
