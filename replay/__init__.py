"""Rebuilding projections from the log, and proving that they are what the log says.

`plan` (which projections, up to which position, cut how), `engines` (who folds: `in_process`, or
`parallel` in two `steps` by way of a `spill` in a `workspace`), `build` (shadows beside the live
tables), `takeover` (the shadows take their place), `churn` (what that changes), `rebuild` (all of
it); `repair` (one customer); `verify` (the tables against the log), piece by piece (`pieces`), with
`comparison` (of rows) and `audit` (of the log itself).
"""

from replay.one_customer import CustomerRebuild, rebuild_customer
from replay.rebuild import RebuildReport, rebuild
from replay.verify import VerifyReport, verify

__all__ = [
    "CustomerRebuild",
    "RebuildReport",
    "VerifyReport",
    "rebuild",
    "rebuild_customer",
    "verify",
]
