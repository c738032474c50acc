"""Defines the tables of the program, which users read with SQL; see `row_tables` for the others.

Migrations create them; a test compares the two.
"""

from __future__ import annotations

from projector.store.tables.base import ONLY_ON, SCHEMA_REVISION, VERSION_TABLE, metadata
from projector.store.tables.erasing import archive_key, erased_stream, erasure, secret, suppressed
from projector.store.tables.log import duplicate, event, leaf, log_head, quarantine, stream, subtree
from projector.store.tables.operating import (
    activity,
    feed_hour,
    job,
    lease,
    reconciliation,
    session,
    token,
)
from projector.store.tables.projecting import (
    checkpoint,
    dead_letter,
    dead_letter_reason,
    group_size,
    snapshot,
)

__all__ = [
    "ONLY_ON",
    "SCHEMA_REVISION",
    "VERSION_TABLE",
    "activity",
    "archive_key",
    "checkpoint",
    "dead_letter",
    "dead_letter_reason",
    "duplicate",
    "erased_stream",
    "erasure",
    "event",
    "feed_hour",
    "group_size",
    "job",
    "leaf",
    "lease",
    "log_head",
    "metadata",
    "quarantine",
    "reconciliation",
    "secret",
    "session",
    "snapshot",
    "stream",
    "subtree",
    "suppressed",
    "token",
]
