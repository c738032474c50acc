"""Serves webhooks, queries and the API's documentation over HTTP.

The modules, in the order in which a request meets them:

- `main` starts and stops the process; `connections` bounds slow and broken clients; `middleware`
  wraps every request; `routes` maps paths to handlers.
- `access` authenticates; `parameters`, `query_parsing` and `bodies` read the request.
- Writes: `webhooks` and `bulk` read deliveries; `writer` appends them (group commit).
- Reads: `endpoints` is the table of queries; `queries` answers one of them; `reader` batches reads
  of single customers; `thread_pool` runs slow queries; `positions` waits until a client can read
  its own writes.
- Jobs: `actions` is the table of endpoints that start one, `job_requests` their bodies; `jobs` runs
  them one at a time, as processes that `child_command` starts and `job_end` sums up.
- `console` has the pages for people; `operations` reads what the page Health shows.
- `errors` has the errors that only the server raises; `problems` turns errors into responses
  (RFC 9457).
- `batcher` batches concurrent requests for `writer` and `reader`; `context` holds the parts of one
  server; `health`, `metrics` and `refusals` report on it.
- `openapi`, `schemas`, `paths`, `examples`, `operation_examples` and `docs` describe the API.
"""
