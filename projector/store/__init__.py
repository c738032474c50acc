"""The one door to SQL.

`engine` (transactions), `types` and `tables` (what is stored), `schema` (migrations), `append` and
`log` (events in and out), `quarantine`, `state` and `shadow` (current-state rows), `checkpoints`,
`dead_letters`, `duplicates`; `digest` (of rows); `bulk` and `keyed` are how many rows and many keys
go in one statement.
"""
