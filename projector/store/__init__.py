"""The one door to SQL.

`database` and `dialects` (connections and transactions), `types` and `tables` (what is stored),
`schema` (migrations), `append_plan`, `append` and `log` (events in and out), `notifications` (who
waits for them), `lease` (who projects them), `duplicates`, `quarantine`, `table_rows` and `states`
(current-state rows), `digest` (of rows), `checkpoints`, `dead_letters`, `customers` and `members`
(look-ups), `rebuild` and `verify` (for those two); `bulk` and `predicates` are how many rows and
many keys go in one statement.
"""
