"""Projects the log into the tables.

`batch` folds a batch of events into changed rows, `runner` writes rows and checkpoint in one
transaction, batch by batch, and `follower` keeps doing so as events are appended.
"""
