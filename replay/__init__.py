"""Rebuilds projections from the log, and verifies that they are what the log folds to.

The modules, in the order in which a rebuild meets them: `plan` (which projections, up to which
position, cut how), `workspace` and `spill` (its files), `engines` (in-process, or parallel by
buckets), `fill` (shadows beside the live tables), `impact` (what would change), `swap`, `rebuild`
(all of it), `backlog` (a catch-up that takes this path); `one_customer`; `verify` with `pieces`,
`comparison` (of rows) and `log_audit` (of the log itself).
"""

from replay import engines
from replay.backlog import catch_up
from replay.one_customer import CustomerRebuild, rebuild_customer
from replay.rebuild import RebuildReport, rebuild
from replay.verify import VerifyReport, verify

__all__ = [
    "CustomerRebuild",
    "RebuildReport",
    "VerifyReport",
    "catch_up",
    "engines",
    "rebuild",
    "rebuild_customer",
    "verify",
]
