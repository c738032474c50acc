"""Erases customers: in the log, in the tables and in the quarantine, for good.

The modules, in the order in which an erasure passes them: `needles` (the texts that name a person),
`subjects` (whose events), `transaction` (what is deleted, and in which order), `forget` (locks, the
transaction, the purge), `restore` (the list of what was erased, for a backup), `forgotten` (the
record).
"""

from projector.erasure.forget import forget, forget_deleted
from projector.erasure.report import ErasureReport

__all__ = ["ErasureReport", "forget", "forget_deleted"]
