"""Refolds the streams with a late event in a batch.

A stream is refolded from the last snapshot before its first late event, up to the end of the batch
and no further; from its beginning if there is no such snapshot. Every event of the batch lies
behind that snapshot: a late one by choice, and one in order because its key is the greatest. So the
result is that of a fold from the beginning: rows, dead letters and snapshots before the snapshot
stay as they are, and those behind it are replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from projector.envelope import CanonicalKey, CustomerKey
from projector.projections.projection import Failure
from projector.projections.projection import fold as fold_facts
from projector.projections.snapshots import Snapshot
from projector.runner.isolation import blaming
from projector.runner.projection_fold import ProjectionFold
from projector.runner.stream_facts import StreamFacts, decode_all, stream_facts
from projector.runner.stream_fold import StreamFold, fold_stream
from projector.store import history_rows, log, snapshots, stream_log, table_rows


class _Start(NamedTuple):
    """A projection with the snapshot from which it is refolded."""

    fold: ProjectionFold
    snapshot: Snapshot


def refold(connection: Connection, folds: Sequence[ProjectionFold], last: int) -> None:
    """Refold, for each projection, the streams with a late event that it reads.

    `last` is the position of the batch's last event.
    """
    stream_ids = sorted(set().union(*(fold.late for fold in folds)))
    if not stream_ids:
        return
    for fold in folds:
        _discard(fold)
    projections = [fold.projection for fold in folds]
    for stream_id in snapshots.streams_with_any(connection, projections, stream_ids):
        late_folds = [fold for fold in folds if stream_id in fold.late]
        for key, starts in _by_snapshot(connection, late_folds, stream_id).items():
            _refold_behind(connection, starts, key, last)
    _load_whole_histories(connection, folds)
    whole = [(fold, _whole(fold)) for fold in folds]
    rest = sorted(set().union(*(ids for _, ids in whole)))
    if not rest:
        return
    for stream in stream_facts(log.read_streams(connection, rest, until=last)):
        fold_whole_stream([fold for fold, ids in whole if stream.stream_id in ids], stream)


def fold_whole_stream(
    folds: Sequence[ProjectionFold], stream: StreamFacts, *, takes_snapshots: bool = True
) -> None:
    """Fold one whole stream from the initial states, and keep the resulting states."""
    projections = [fold.projection for fold in folds]
    states = [projection.initial for projection in projections]
    if takes_snapshots and stream.stream_id is not None:
        new = [0] * len(folds)
        result = fold_stream(projections, states, stream.stream_id, stream.facts, complete_at=new)
    else:
        states, failures = fold_facts(projections, states, stream.facts)
        result = StreamFold(states, [[]] * len(folds), [[]] * len(folds), failures)
    if stream.customer is not None:
        _keep(folds, stream.customer, result)
    _add_failures(folds, result.failures, stream.stream_id)


def _whole(fold: ProjectionFold) -> set[int]:
    """Return the streams that a projection refolds from the beginning."""
    return fold.late.keys() - fold.refolded_after.keys()


def _discard(fold: ProjectionFold) -> None:
    """Discard the results of the fold forward for the streams that are refolded."""
    fold.dead_letters = [each for each in fold.dead_letters if each.stream_id not in fold.late]
    fold.snapshots = [each for each in fold.snapshots if each.stream_id not in fold.late]
    for stream in fold.late.values():
        fold.finished.pop(stream.customer, None)


def _by_snapshot(
    connection: Connection, folds: Sequence[ProjectionFold], stream_id: int
) -> dict[CanonicalKey, list[_Start]]:
    """Find the last valid snapshot of each projection, and group them by their keys.

    Projections without one are left out. The others nearly always have one with the same key.
    """
    found: dict[CanonicalKey, list[_Start]] = {}
    for fold in folds:
        snapshot = snapshots.last_before(
            connection, fold.projection, stream_id, fold.late[stream_id].key
        )
        if snapshot is not None:
            found.setdefault(snapshot.key, []).append(_Start(fold, snapshot))
    return found


def _refold_behind(
    connection: Connection, starts: Sequence[_Start], key: CanonicalKey, last: int
) -> None:
    """Refold one stream behind the snapshots that several projections have with one key."""
    folds, projections = [each.fold for each in starts], [each.fold.projection for each in starts]
    stream_id = starts[0].snapshot.stream_id
    customer = folds[0].late[stream_id].customer
    states = []
    for fold, snapshot in starts:
        fold.refolded_after[stream_id] = key
        with blaming(fold.projection):
            states.append(fold.projection.from_rows(snapshot.rows))
            if fold.projection.is_history:
                fold.old[customer] = history_rows.load_since(
                    connection,
                    fold.projection,
                    customer,
                    snapshot.rows,
                    last=fold.old.get(customer, ()),
                )
    events = stream_log.read_behind(
        connection,
        stream_id,
        key,
        after=min(each.snapshot.tail_after for each in starts),
        until=last,
    )
    complete_at = [each.snapshot.complete_at for each in starts]
    result = fold_stream(
        projections, states, stream_id, decode_all(events), complete_at=complete_at
    )
    _keep(folds, customer, result)
    _add_failures(folds, result.failures, stream_id)


def _load_whole_histories(connection: Connection, folds: Sequence[ProjectionFold]) -> None:
    """Load all periods of the histories that are refolded from the beginning.

    The fold forward read only the last row of each series; a refold may change the earlier ones.
    """
    for fold in folds:
        customers = [fold.late[stream_id].customer for stream_id in _whole(fold)]
        if customers and fold.projection.is_history:
            with blaming(fold.projection):
                fold.old.update(table_rows.load(connection, fold.projection, customers))


def _keep(folds: Sequence[ProjectionFold], customer: CustomerKey, result: StreamFold) -> None:
    """Keep the states of a refolded stream, and its finished rows."""
    for fold, state in zip(folds, result.states, strict=True):
        fold.states[customer] = state
    for fold, rows in zip(folds, result.finished, strict=True):
        if rows:
            fold.finished[customer] = rows
    for fold, some in zip(folds, result.snapshots, strict=True):
        fold.snapshots += some


def _add_failures(
    folds: Sequence[ProjectionFold], failures: Sequence[Failure], stream_id: int | None
) -> None:
    by_name = {fold.projection.name: fold for fold in folds}
    for projection, position, reason in failures:
        by_name[projection].add_dead_letter(position, stream_id, reason)
