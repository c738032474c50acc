"""The one door to SQL.

`engine` (transactions), `types` and `tables` (what is stored), `schema` (migrations), `numbering`,
`append` and `log` (events in and out), `wake` (who waits for them), `lease` (who projects them),
`duplicates`, `quarantine`, `state` and `shadow`
(current-state rows), `digest` (of rows), `checkpoints`, `dead_letters`, `customers` and `members`
(look-ups), `stored` and `inspection` (for checks); `bulk` and `keyed` are how many rows and many
keys go in one statement.
"""
