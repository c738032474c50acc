"""Operators' tasks: the `quarantine`, `dead_letters`, and access `tokens` for the HTTP server."""
