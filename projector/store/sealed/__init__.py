"""The seal of the log: `records` (events as bytes), `leaves` (commitments), `subtrees` (cache)."""
