"""Rebuilding projections from the log, and proving that they are what the log says.

`plan` (which streams, up to which position), `engines` (who folds them), `rebuild` (beside the live
tables, then in their place); `verify` (the tables against the log), piece by piece (`pieces`), with
`comparison` (of rows) and `audit` (of the log itself).
"""

from replay.rebuild import Rebuild, rebuild
from replay.verify import Verified, verify

__all__ = ["Rebuild", "Verified", "rebuild", "verify"]
