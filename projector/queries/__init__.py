"""Queries: answers from the tables and the log.

`customer_state` (rows to a customer's state), `customers` (one or many, now or in the past),
`customers_now` (by the direct path), `past` (folds from snapshots), `members` (the customers of a
group), `customer_events`, `export`, `status`, and `why` (the events behind a state).
"""
