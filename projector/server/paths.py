"""Maps the first segment of a path to its tag and to the description of its id (OpenAPI)."""

from __future__ import annotations

from projector.server.schemas import Schema

#: The tags, in the order in which the document shows them.
TAGS = {
    "customers": "Queries for one customer or several.",
    "groups": "Segments, tiers and their members.",
    "deliveries": "Writes to the log.",
    "operation": "Status, health, the log, and what was put aside.",
    "jobs": "Retries, rebuilds, verifications and reconciliations, which run in the background.",
}

_TAGS_BY_SEGMENT = {
    "customers": "customers",
    "customers:batch": "customers",
    "customers:search": "customers",
    "campaigns": "groups",
    "segments": "groups",
    "tiers": "groups",
    "webhooks": "deliveries",
    "events": "deliveries",
    "status": "operation",
    "feeds": "operation",
    "log": "operation",
    "quarantine": "operation",
    "dead-letters": "operation",
    "jobs": "jobs",
    "quarantine:retry": "jobs",
    "dead-letters:retry": "jobs",
    "rebuilds": "jobs",
    "verifications": "jobs",
    "reconciliations": "jobs",
    "health": "operation",
    "metrics": "operation",
}

_ID_DESCRIPTIONS = {
    "campaigns": "The campaign's id (not its name).",
    "customers": "The customer's id in Voucherify.",
    "segments": "The segment's id (not its name).",
    "tiers": "The tier's id (not its name).",
    "webhooks": "The project's id.",
    "quarantine": "The number of the entry.",
    "dead-letters": "The position of the event.",
    "jobs": "The number of the job.",
}


def add_tags(paths: dict[str, Schema]) -> dict[str, Schema]:
    """Add the tag to each operation; return the paths."""
    for path, operations in paths.items():
        for operation in operations.values():
            operation["tags"] = [_TAGS_BY_SEGMENT[_first_segment(path)]]
    return paths


def id_of(path: str) -> str:
    """Return the description of a path's `{id}`."""
    return _ID_DESCRIPTIONS[_first_segment(path)]


def _first_segment(path: str) -> str:
    return path.split("/")[1]
