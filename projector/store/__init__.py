"""The storage layer: the only package that sends SQL.

- Connections and transactions: `database`, `kept_connections` (in autocommit mode), `sqlite`,
  `postgres`, `dialects`.
- Schema: `types`, `tables`, `row_tables` (of projections), `schema` (migrations), `ownership` (of
  tables that exist), `projection_tables` (of other packages).
- Event log: `append_plan`, `append`, `direct_append` (new events only) and `stream_cache` (write
  side), `log` and `stream_log` (read side), `notifications` (wake-ups), `duplicates`, `quarantine`;
  `sealed` has the seal of the log.
- Projections: `lease` (which process projects), `checkpoints`, `table_rows` and `history_rows`
  (current-state rows), `direct_project` (a few new events), `digest` (of rows), `group_sizes`,
  `snapshots`, `dead_letters`, `read_errors`; `rebuild` and `verify` serve those operations.
- Look-ups: `customer_rows` with `union_layout`, `customers`, `members`, `tokens`.
- Statements: `bulk` and `binary_arrays` (many rows in one), `predicates` (many keys in one),
  `driver_rows` (streamed).
"""
