"""Verifies the log against its seal, and the seal against checkpoints, in one pass.

An erased event cannot be compared with its commitment; an event of the log must tell of its
erasure. Nothing that the database computes is trusted: each commitment, and the tree over them, is
computed anew. Memory is constant, but for 24 bytes for each erasure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set

from attrs import define, field, frozen
from sqlalchemy import Connection

from projector.errors import NoteUnsigned
from projector.sealing import claims
from projector.sealing.checkpoints import read_note
from projector.sealing.claims import Claims
from projector.store import log_head
from projector.store.database import Database
from projector.store.sealed import leaves, records, subtrees
from projector.store.sealed.leaves import Leaf
from projector.tlog import record
from projector.tlog.checkpoint import Checkpoint, open_checkpoint
from projector.tlog.growing_tree import GrowingTree, Subtree
from projector.tlog.keys import VerifierKey, encode
from projector.tlog.tree import leaf_hash

#: The number of events that are compared in one go.
RANGE = 2_048

#: The most faults that a report names.
NAMED_MAX = 1_000


@frozen(kw_only=True)
class CheckpointCheck:
    """A checkpoint that the log was compared with."""

    file: str
    origin: str
    size: int
    #: Whether the log extends it.
    ok: bool


@frozen(kw_only=True)
class SealReport:
    """The result of a verification."""

    #: The number of events that were compared with what was sealed of them.
    checked: int
    #: The number of events that are erased.
    erased: int
    #: The number of leaves, and the root of their tree in base64.
    size: int
    root: str
    #: The number of events behind the last one that is sealed.
    unsealed: int
    #: By size.
    checkpoints: tuple[CheckpointCheck, ...]
    #: A sentence each, the first NAMED_MAX of them.
    faults: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether there are no faults."""
        return not self.faults


@define
class _Tally:
    claims: Claims
    #: The number of events and leaves that were read.
    seen: int = 0
    checked: int = 0
    erased: int = 0
    tree: GrowingTree = field(factory=GrowingTree)
    #: The roots of the tree at the sizes of the checkpoints.
    roots: dict[int, bytes] = field(factory=dict)
    faults: list[str] = field(factory=list)

    def add_faults(self, sentences: Iterable[str]) -> None:
        for each in sentences:
            if len(self.faults) < NAMED_MAX:
                self.faults.append(each)


def verify_log(
    database: Database,
    *,
    against: Sequence[str] = (),
    keys: Sequence[VerifierKey] = (),
    on_piece: Callable[[int, int], None] = lambda _done, _total: None,
) -> SealReport:
    """Compare every event with its commitment, and the tree over them with checkpoints in files.

    Everything is read from one snapshot, which does not block writers. `on_piece` receives the
    position that is done, and the last one. Raises FileUnreadable, NoteUnreadable, NoteUnsigned if
    none of the keys is that of a checkpoint's log, or ExtraMissing.
    """
    checkpoints = _read_checkpoints(against, keys)
    with database.reading() as connection:
        tally = _Tally(Claims(connection))
        tally.add_faults(map(claims.unreadable_fault, tally.claims.unreadable))
        tally.add_faults(tally.claims.load(0))
        size, end = leaves.last(connection), leaves.last_event(connection)
        stops = {each.size for each in checkpoints.values()}
        for after in _check_ranges(connection, tally, size, max(size, end), stops):
            on_piece(after, max(size, end))
        problem = log_head.find_problem(connection)
    tally.add_faults([] if problem is None else [str(problem)])
    checks = tuple(_compare(tally, size, checkpoints))
    return SealReport(
        checked=tally.checked,
        erased=tally.erased,
        size=size,
        root=encode(tally.tree.root()),
        unsealed=max(end - size, 0),
        checkpoints=checks,
        faults=tuple(tally.faults),
    )


def _check_ranges(
    connection: Connection, tally: _Tally, size: int, last: int, stops: Set[int]
) -> Iterator[int]:
    """Compare everything, range by range; yield each position that is done.

    Ranges end at the `stops`, to know the root of the tree there.
    """
    after = 0
    while True:
        if after in stops:
            tally.roots[after] = tally.tree.root()
        if after >= last:
            return
        until = min([after + RANGE, last, *(each for each in stops if each > after)])
        if until > tally.claims.until:
            tally.add_faults(tally.claims.load(after))
        before = tally.seen
        tally.add_faults(_check_range(connection, tally, after, until, size))
        if tally.seen == before:
            # Nothing is there, however far: a position that another program wrote may be any.
            later = leaves.next_position(connection, until) or last + 1
            tally.add_faults(_without_event(after + 1, later - 1))
            until = later - 1
        yield until
        after = until


def _check_range(
    connection: Connection, tally: _Tally, after: int, until: int, size: int
) -> Iterator[str]:
    """Compare the events of a range with their leaves, and add these to the tree."""
    found = leaves.read(connection, after=after, until=until)
    sealed = {each.position: each for each in found}
    tally.seen += len(found)
    expected = after + 1
    for position, event_record in records.scan(connection, after=after, until=until):
        yield from _without_event(expected, position - 1)
        expected = position + 1
        tally.seen += 1
        erasure_id = record.erasure_of(event_record)
        tally.erased += erasure_id is not None
        yield from claims.faults(position, erasure_id, tally.claims.at(position))
        leaf = sealed.get(position)
        if leaf is not None:
            tally.checked += 1
            yield from _check_event(leaf, event_record, is_erased=erasure_id is not None)
        elif position <= size:
            yield f"The event at position {position} is not sealed."
    if expected > after + 1 or found:
        yield from _without_event(expected, until)
    completed = tally.tree.add(leaf_hash(each.commitment) for each in found)
    # Unless a leaf is missing, in which case all subtrees are others.
    if tally.tree.size == min(until, size):
        yield from _check_cache(connection, completed)


def _without_event(first: int, last: int) -> Iterator[str]:
    if first == last:
        yield f"There is no event at position {first}."
    elif first < last:
        yield f"There are no events at positions {first} to {last}."


def _check_event(leaf: Leaf, event_record: bytes, *, is_erased: bool) -> Iterator[str]:
    if is_erased:
        if leaf.salt is not None:
            yield f"Position {leaf.position} is erased, and its salt is still there."
    elif leaf.salt is None:
        yield f"Position {leaf.position} is not erased, and its salt is gone."
    elif record.commit(leaf.salt, event_record) != leaf.commitment:
        yield f"The event at position {leaf.position} is not the one that was sealed."


def _check_cache(connection: Connection, completed: Sequence[Subtree]) -> Iterator[str]:
    """Compare the cached roots of subtrees with those that were computed; none need be cached."""
    for level, number, root in completed:
        cached = subtrees.read(connection, level, number, number + 1)
        if cached.get(number, root) != root:
            yield (
                f"The cached root of subtree {number} of level {level} is wrong: empty the table "
                "subtree, which is filled again."
            )


def _read_checkpoints(paths: Sequence[str], keys: Sequence[VerifierKey]) -> dict[str, Checkpoint]:
    """Return the checkpoints by their files, the smallest first."""
    if paths and not keys:
        raise NoteUnsigned(what=paths[0], reason="no key was given")
    found = {path: open_checkpoint(read_note(path), keys, what=path) for path in paths}
    return dict(sorted(found.items(), key=lambda each: each[1].size))


def _compare(
    tally: _Tally, size: int, checkpoints: Mapping[str, Checkpoint]
) -> Iterator[CheckpointCheck]:
    for path, checkpoint in checkpoints.items():
        fault = None
        if checkpoint.size > size:
            fault = f"The seal ends at {size}; a checkpoint has {checkpoint.size}."
        elif tally.roots.get(checkpoint.size) != checkpoint.root:
            fault = f"The first {checkpoint.size} events are not those of the checkpoint."
        if fault is not None:
            # Besides the faults of events, which may be as many as are named.
            tally.faults.append(fault)
        yield CheckpointCheck(
            file=path, origin=checkpoint.origin, size=checkpoint.size, ok=fault is None
        )
