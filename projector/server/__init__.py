"""The server: webhooks come in and questions are answered, over HTTP.

The modules, in the order in which a request meets them: `serving` (from the first socket to the
last answer), `connections` (slow and broken clients), `shell` (what surrounds every request), `app`
(which goes where), `access` (who may come in), `parameters` and `bodies` (what it says), `webhooks`
and `bulk` (deliveries), `writer` (into the log, many at once), `endpoints`, `asking`, `questions`
and `reader` (answers), `progress` (waiting for one's own writes), `problems` and `refusals` (what
goes wrong). `group` is how many are served together, `service` holds the parts, `health` and
`metrics` tell how it is, `openapi`, `schemas`, `paths`, `examples` and `docs` describe it.
"""
