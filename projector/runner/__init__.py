"""Projects the log into the tables.

`batch` folds a batch of events into changed rows, which `projection_fold` holds; `late` refolds the
streams with a late event, with `stream_facts` and `stream_fold` (a whole stream, with snapshots);
`runner` writes rows and checkpoint in one transaction, batch by batch; `direct` projects a few new
events in fewer statements; `isolation` sets projections that fail aside; `follower` keeps
projecting as events are appended, while it holds the lease that `lease_monitor` watches, and by
`backlog` rebuilds what is very far behind; `refold` refolds streams outside of a batch.
"""
