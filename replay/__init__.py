"""Rebuilding projections from the log, and proving that they are what the log says.

`plan` (which projections, up to which position, cut how), `engines` (who folds: `in_process`, or
`parallel` in two `steps` by way of a `spill` in a `workspace`), `build` (shadows beside the live
tables), `takeover` (the shadows take their place), `churn` (what that changes), `rebuild` (all of
it); `repair` (one customer); `verify` (the tables against the log), piece by piece (`pieces`), with
`comparison` (of rows) and `audit` (of the log itself).
"""

from replay.one_customer import Repaired, repair
from replay.rebuild import Rebuild, rebuild
from replay.verify import Verified, verify

__all__ = ["Rebuild", "Repaired", "Verified", "rebuild", "repair", "verify"]
