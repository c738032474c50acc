"""Stores the key of the digests of what was erased, and deletes keys of archives."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from projector.store.erasure.digests import KEY_BYTES
from projector.store.predicates import in_values
from projector.store.tables import archive_key, secret

#: The name of the key of the digests, in table `secret`.
SUPPRESSION = "suppression"


def read(connection: Connection) -> bytes | None:
    """Return the key of the digests; None before the first erasure."""
    statement = select(secret.c.value).where(secret.c.name == SUPPRESSION)
    value = connection.execute(statement).scalar_one_or_none()
    return None if value is None else bytes(value)


def read_or_create(connection: Connection) -> bytes:
    """Return the key of the digests; create it for the first erasure, whose locks are held."""
    key = read(connection)
    if key is None:
        key = os.urandom(KEY_BYTES)
        store(connection, key)
    return key


def store(connection: Connection, key: bytes) -> None:
    """Store the key of the digests where there is none so far, as after a restore."""
    connection.execute(insert(secret).values(name=SUPPRESSION, value=key))


def delete_of_archives(connection: Connection, stream_ids: Sequence[int]) -> None:
    """Delete the keys with which archives encrypt the bodies of some streams."""
    connection.execute(
        delete(archive_key).where(in_values(connection, archive_key.c.stream_id, stream_ids))
    )
