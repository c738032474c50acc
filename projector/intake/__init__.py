"""Ingests deliveries: from bytes to envelopes in the log.

`files` (path to bytes), `documents` (bytes to documents), `webhook_secrets` and `signature`
(authentication of the sender), `sources` (document to envelopes), `batches` and `defaults`,
`ingest` (all of these, batch by batch).
"""
