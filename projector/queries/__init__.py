"""The tables, and the log, to answers.

`customer_state` (rows to an answer), `customers` and `lookup` (one or many, now or then), `members`
(who is in a group), `customer_events`, `export`, `status`, and `why` (the log to reasons).
"""
