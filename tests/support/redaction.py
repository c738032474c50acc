"""Erases events by SQL, as an erasure does it with the log and with the keys of archives."""

from collections.abc import Iterable, Sequence
from uuid import uuid4

import msgspec
from sqlalchemy import text

from projector.store import log_head
from projector.store.database import Database
from projector.store.erasure import archive_keys, told
from tests.support.items import RECEIVED_AT

_MARK = (
    "UPDATE event SET event_id = 'erased:' || position, type = 'erased', stream_id = NULL,"
    " late = false, source = 'erased', occurred_at = received_at, body = :body"
    " WHERE position = :position"
)


def erase(
    database: Database,
    *customer_ids: str,
    positions: Iterable[int] = (),
    project_id: str = "proj_1",
) -> list[int]:
    """Erase customers, and events at some positions; return all positions that were erased."""
    with database.writing() as connection:
        head = log_head.lock(connection)
        [(erasure_id,)] = connection.execute(
            text("SELECT coalesce(max(erasure_id), 0) + 1 FROM erasure")
        )
        streams = connection.execute(
            text(
                "SELECT stream_id FROM stream WHERE project_id = :project_id"
                f" AND customer_id IN ({_list(customer_ids)})"
            ),
            {"project_id": project_id},
        ).scalars()
        found = list(streams)
        chosen = f"stream_id IN ({_list(found)})" if found else "false"
        erased = sorted(
            {
                *positions,
                *connection.execute(text(f"SELECT position FROM event WHERE {chosen}")).scalars(),
            }
        )
        connection.execute(
            text(
                "INSERT INTO erasure (erasure_id, project_id, erased_at, customers, events, rows,"
                " quarantined) VALUES (:id, :project_id, :at, :customers, :events, 0, 0)"
            ).bindparams(
                id=erasure_id,
                project_id=project_id,
                at=_instant(database),
                customers=len(found),
                events=len(erased),
            )
        )
        for position in erased:
            body = f'{{"erased":{erasure_id}}}'
            connection.execute(text(_MARK), {"body": body, "position": position})
        for each in found:
            connection.execute(
                text(
                    "UPDATE stream SET customer_id = 'erased:' || stream_id, last_event_id = '',"
                    " last_occurred_at = :epoch WHERE stream_id = :id"
                ),
                {"id": each, "epoch": _instant(database, epoch=True)},
            )
            connection.execute(
                text("INSERT INTO erased_stream VALUES (:id, :erasure)"),
                {"id": each, "erasure": erasure_id},
            )
        archive_keys.destroy(connection, erased)
        told_by = {
            "erasure_id": erasure_id,
            "customers": len(found),
            "events": len(erased),
            "positions": list(told.ranges_of(erased)),
        }
        connection.execute(
            text(
                "INSERT INTO event (position, project_id, event_id, type, occurred_at, received_at,"
                " late, source, body) VALUES (:position, :project_id, :event_id,"
                " 'projector.erasure', :at, :at, false, 'projector', :body)"
            ),
            {
                "position": head.position + 1,
                "project_id": project_id,
                "event_id": f"erasure_{uuid4().hex}",
                "at": _instant(database),
                "body": msgspec.json.encode(told_by).decode(),
            },
        )
        connection.execute(
            text("UPDATE erasure SET position = :position WHERE erasure_id = :id"),
            {"position": head.position + 1, "id": erasure_id},
        )
        log_head.advance(connection, head.position + 1, head.stream_id)
    return erased


def _list(values: Sequence[object]) -> str:
    return ", ".join(map(repr, values)) or "''"


def _instant(database: Database, *, epoch: bool = False) -> object:
    at = RECEIVED_AT.fromtimestamp(0, RECEIVED_AT.tzinfo) if epoch else RECEIVED_AT
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}" if database.is_sqlite else at
