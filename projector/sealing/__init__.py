"""Seals the log behind it, signs its head, and proves and verifies what is in it.

`key_files` (keys), `seal` (new events), `checkpoints` (signed heads), `sealer` (all of that from
time to time), `prove` (proofs of events and of heads), `verify` (the log against its seal), `check`
(a proof without a database).
"""
