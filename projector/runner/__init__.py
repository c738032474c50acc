"""Projects the log into the tables.

`batch` folds a batch of events into changed rows, and refolds the streams with a late event;
`runner` writes rows and checkpoint in one transaction, batch by batch; `isolation` sets projections
that fail aside; `follower` keeps projecting as events are appended, while it holds the lease that
`lease_monitor` watches; `refold` refolds streams outside of a batch.
"""
