"""Reads for a verification: `raw_rows` (rows as stored), `log_counts` (counts of the log)."""
