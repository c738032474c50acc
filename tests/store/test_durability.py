"""What was answered with success is on the disk: what waits for that, and what need not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, event

from projector.envelope import DeliveryDefaults
from projector.operate.quarantine_retry import retry_quarantine
from projector.operate.tokens import create_token, revoke_token
from projector.projections import discover
from projector.runner import refold, runner
from projector.sealing.seal import seal
from projector.store.database import Database
from tests.support.items import envelope, put, rejected

_WAITS = {"2", "on"}


@contextmanager
def _commits(database: Database) -> Iterator[list[str]]:
    """How each transaction that ends meanwhile waits for the disk."""
    found: list[str] = []

    def look(connection: Connection) -> None:
        ask = "PRAGMA synchronous" if database.is_sqlite else "SHOW synchronous_commit"
        found.append(str(connection.exec_driver_sql(ask).scalar_one()))

    event.listen(database.engine, "commit", look)
    yield found
    event.remove(database.engine, "commit", look)


def _append(database: Database) -> None:
    put(database, envelope("a"), rejected(b"{"))


def _retry(database: Database) -> None:
    retry_quarantine(database, defaults=DeliveryDefaults(project_id="proj_1"))


def _tokens(database: Database) -> None:
    made = create_token(database, name="shop", scopes=["read"])
    revoke_token(database, made.token_id)


def _refold(database: Database) -> None:
    refold.refold(database, discover(), [1])


def _seal(database: Database) -> None:
    """Or a checkpoint may be signed of salts that a power cut takes away."""
    assert seal(database) == 1


@pytest.mark.parametrize("job", [_append, _retry, _tokens, _refold, _seal])
def test_an_append_is_synced_before_it_is_acknowledged(
    database: Database, job: Callable[[Database], None]
) -> None:
    """Also on a connection that did not wait the time before."""
    put(database, envelope("b"), rejected(b"["))
    runner.catch_up(database, discover())
    with _commits(database) as commits:
        job(database)
    assert commits
    assert set(commits) <= _WAITS


def test_projected_rows_need_no_sync(database: Database) -> None:
    put(database, envelope("a"))
    with _commits(database) as commits:
        runner.catch_up(database, discover())
    # The transactions that read do not matter.
    assert any(each not in _WAITS for each in commits)
