"""Bytes into the log.

`files` (a path to bytes), `documents` (bytes to documents), `webhook_secrets` and `signature` (who
sent them), `sources` (a document to envelopes), `ingest` (all of it, batch by batch).
"""
