"""What the document says of a path by its first word: where it is shown, and what its id is of."""

from __future__ import annotations

from projector.server.schemas import Schema

#: The groups in which operations are shown, in their order.
TAGS = {
    "customers": "One customer, or some of them.",
    "groups": "Segments and tiers, and who is in them.",
    "deliveries": "What goes into the log.",
    "operation": "How the server is.",
}

_TAG_OF = {
    "customers": "customers",
    "customers:batch": "customers",
    "segments": "groups",
    "tiers": "groups",
    "webhooks": "deliveries",
    "events": "deliveries",
    "status": "operation",
    "health": "operation",
    "metrics": "operation",
}

_IDS = {
    "customers": "The customer's id in Voucherify.",
    "segments": "The segment's id, which is not its name.",
    "tiers": "The tier's id, which is not its name.",
    "webhooks": "The project's id.",
}


def tagged(paths: dict[str, Schema]) -> dict[str, Schema]:
    """The paths, each operation with its group."""
    for path, operations in paths.items():
        for operation in operations.values():
            operation["tags"] = [_TAG_OF[_first(path)]]
    return paths


def id_of(path: str) -> str:
    """What a path's `{id}` is."""
    return _IDS[_first(path)]


def _first(path: str) -> str:
    return path.split("/")[1]
