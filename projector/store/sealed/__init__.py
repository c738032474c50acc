"""The seal of the log: `records` (events as bytes), `leaves` (commitments), `subtrees` (cache).

`erasures` reads which events tell of erasures, and which are markers of erased ones.
"""
