"""The storage layer: the only package that sends SQL.

- Connections and transactions: `database`, `sqlite`, `dialects` (Postgres).
- Schema: `types`, `tables`, `schema` (migrations), `ownership` (of tables that exist),
  `projection_tables` (of other packages).
- Event log: `append_plan` and `append` (write side), `log` (read side), `notifications` (wake-ups),
  `duplicates`, `quarantine`.
- Projections: `lease` (which process projects), `checkpoints`, `table_rows` (current-state rows),
  `digest` (of rows), `dead_letters`, `read_errors`; `rebuild` and `verify` serve those operations.
- Look-ups: `customers`, `members`, `tokens`.
- Statements: `bulk` (many rows in one) and `predicates` (many keys in one).
"""
