"""Stores the key of the digests of what was erased."""

from __future__ import annotations

import os

from sqlalchemy import Connection, insert, select

from projector.store.erasure.digests import KEY_BYTES, KEY_NAME
from projector.store.tables import secret


def read(connection: Connection) -> bytes | None:
    """Return the key of the digests; None before the first erasure."""
    statement = select(secret.c.value).where(secret.c.name == KEY_NAME)
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
    connection.execute(insert(secret).values(name=KEY_NAME, value=key))
