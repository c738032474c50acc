"""Compares customers with Voucherify, and repairs what differs.

`options` (what to ask for), `cost` (how many requests), `choosing` (of whom), `frame` (which
segments and campaigns there are), `source` (what the API says of a customer) and `files` with
`file_sightings` (what a file says): both are `sightings`. `ours` (our side as of that instant),
`comparison` and `cases` (what differs, and what must not be filed yet), `reasons` (why),
`observation` (the events that hold what was read), `repairing`; `run` has the steps, `reconcile`
all of it, `report` the result.
"""
