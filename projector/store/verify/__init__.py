"""What a verification reads: `raw_rows` as they are stored, `log_counts` of the log itself."""
