"""Rebuilding projections from the log.

`plan` (which streams, up to which position), `engines` (who folds them), `rebuild` (beside the live
tables, then in their place).
"""

from replay.rebuild import Rebuilt, rebuild

__all__ = ["Rebuilt", "rebuild"]
