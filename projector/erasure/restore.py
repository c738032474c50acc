"""Exports the list of what was erased, and erases by it after a backup was restored.

The list has the key of the digests, so it is as confidential as they are: who has both can tell
whether an id that they know was erased. It names no customer.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from attrs import define, field
from sqlalchemy import Connection

from projector.envelope import RESERVED_PREFIX, CustomerKey
from projector.erasure.forget import carry_out
from projector.erasure.report import ErasureReport
from projector.erasure.subjects import ErasureOrder
from projector.errors import ErasedListForeign, ErasedListUnreadable
from projector.store import customers
from projector.store.database import Database
from projector.store.erasure import (
    digest_list,
    digests,
    keys,
    quarantined,
    records,
    subjects,
)
from projector.text.instants import to_text

#: The number of digests that are looked up at once.
_PIECE = 1_000

_Found = TypeVar("_Found")


class _KeyLine(msgspec.Struct, tag="key", forbid_unknown_fields=True):
    """The line with the key of the digests, in base64."""

    key: str


class _ErasureLine(msgspec.Struct, tag="erasure"):
    """The line of an erasure."""

    erasure_id: int
    project_id: str


class _DigestLine(msgspec.Struct, tag="digest", forbid_unknown_fields=True):
    """The line of a digest."""

    digest: str
    erasure_id: int


class _EndLine(msgspec.Struct, tag="end", forbid_unknown_fields=True):
    """The last line: a list that was cut off would forget less than was erased."""

    erasures: int
    digests: int


_decoder = msgspec.json.Decoder(_KeyLine | _ErasureLine | _DigestLine | _EndLine)


@define
class ErasedList:
    """What a file says was erased."""

    key: bytes | None = None
    #: The digests by project.
    digests: dict[str, set[str]] = field(factory=dict)


def export(connection: Connection) -> Iterator[bytes]:
    """Yield the list as lines of NDJSON: the key, the erasures, the digests, their numbers."""
    key = keys.read(connection)
    if key is not None:
        yield _line(type="key", key=b64encode(key).decode())
    erasures, count = records.list_all(connection), 0
    for each in erasures:
        yield _line(
            type="erasure",
            erasure_id=each.erasure_id,
            project_id=each.project_id,
            erased_at=to_text(each.erased_at),
            position=each.position,
        )
    for digest, erasure_id in digest_list.scan(connection):
        yield _line(type="digest", digest=digest, erasure_id=erasure_id)
        count += 1
    yield _line(type="end", erasures=len(erasures), digests=count)


def _line(**values: Any) -> bytes:
    return msgspec.json.encode(values) + b"\n"


def read(lines: Iterable[bytes], *, path: str) -> ErasedList:
    """Read a list; raises ErasedListUnreadable."""
    found = ErasedList()
    projects: dict[int, str] = {}
    number, is_whole = 0, False
    for number, line in enumerate(lines, 1):
        try:
            match _decoder.decode(line):
                case _KeyLine(key=text):
                    found.key = b64decode(text, validate=True)
                    if len(found.key) != digests.KEY_BYTES:
                        raise ValueError(f"the key is not one of {digests.KEY_BYTES} bytes")
                case _ErasureLine(erasure_id=id_, project_id=project_id):
                    projects[id_] = project_id
                    found.digests.setdefault(project_id, set())
                case _DigestLine(digest=digest, erasure_id=id_):
                    if id_ not in projects:
                        raise ValueError(f"erasure {id_} is not in the list")
                    found.digests[projects[id_]].add(digest)
                case _EndLine(erasures=erasures, digests=count):
                    is_whole = (erasures, count) == (len(projects), _size(found))
        except ValueError as error:
            raise ErasedListUnreadable(line=number, path=path, reason=error) from error
    if not is_whole:
        raise ErasedListUnreadable(line=number, path=path, reason="lines are missing")
    if found.key is None and found.digests:
        raise ErasedListUnreadable(line=number, path=path, reason="it has no key")
    return found


def _size(listed: ErasedList) -> int:
    return sum(map(len, listed.digests.values()))


def forget_listed(
    database: Database, listed: ErasedList, *, dry_run: bool = False
) -> list[ErasureReport]:
    """Erase whom a list names, and keep out what it keeps out; one erasure for each project.

    Idempotent: what is erased already is left out. The key of the list becomes that of the
    database. Raises ErasedListForeign, and the errors of `forget`.
    """
    if listed.key is None:
        return []
    with database.reading() as connection:
        stored = keys.read(connection)
        if stored not in (None, listed.key):
            raise ErasedListForeign()
        orders = [
            order
            for project_id in sorted(listed.digests)
            if (order := _order(connection, listed, listed.key, project_id)) is not None
        ]
    if stored is None and not dry_run:
        with database.writing() as connection:
            if keys.read(connection) is None:
                keys.store(connection, listed.key)
    return [carry_out(database, each, dry_run=dry_run) for each in orders]


def _order(
    connection: Connection, listed: ErasedList, key: bytes, project_id: str
) -> ErasureOrder | None:
    """Return what is to be erased of a project; None if nothing is."""
    listed_digests = listed.digests[project_id]
    names = [
        each.customer_id
        for each in _customers(connection)
        if each.project_id == project_id and digests.of_customer(key, *each) in listed_digests
    ]
    positions = [
        each.position
        for each in subjects.without_customer(connection)
        if each.project_id == project_id
        and digests.of_event(key, project_id, each.event_id) in listed_digests
    ]
    entries = [
        quarantine_id
        for quarantine_id, digest in quarantined.with_digests(connection)
        if digests.of_body(key, digest) in listed_digests
    ]
    missing = listed_digests.difference(_known(connection, listed_digests))
    if not (names or positions or entries or missing):
        return None
    return ErasureOrder(
        identifiers=names,
        project_id=project_id,
        positions=positions,
        quarantine_ids=entries,
        digests=sorted(missing),
        is_of_list=True,
    )


def _customers(connection: Connection) -> Iterator[CustomerKey]:
    for _, each in customers.in_order(connection):
        if not each.customer_id.startswith(RESERVED_PREFIX):
            yield each


def _known(connection: Connection, wanted: Iterable[str]) -> set[str]:
    ordered = sorted(wanted)
    known: set[str] = set()
    for begin in range(0, len(ordered), _PIECE):
        known.update(digest_list.find(connection, ordered[begin : begin + _PIECE]))
    return known
