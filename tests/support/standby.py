"""A hot standby of a server for tests, fed by streaming replication."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.support.postgres import NOT_DURABLE, SETTINGS, Server, binaries_in, start_cluster
from tests.support.programs import launch, log_of, own_folder

_SECONDS_MAX = 60.0


@contextmanager
def running_standby(primary: Server) -> Iterator[Server]:
    """Run a hot standby of a server, made by pg_basebackup, until the block ends."""
    with own_folder() as folder:
        binaries, data = binaries_in(folder), folder / "data"
        source = ["--dbname", primary.conninfo(), "--write-recovery-conf", "--checkpoint=fast"]
        if launch(folder, binaries / "pg_basebackup", "--pgdata", data, *source).wait() != 0:
            raise RuntimeError(f"pg_basebackup failed:\n{log_of(folder).read_text()}")
        standby = start_cluster(folder, binaries, data, {**SETTINGS, **NOT_DURABLE})
        try:
            yield standby
        finally:
            standby.stop()


def until_replayed(primary: Server, standby: Server) -> None:
    """Wait until the standby has everything that the primary has committed."""
    with (
        psycopg.connect(primary.conninfo(), autocommit=True) as here,
        psycopg.connect(standby.conninfo(), autocommit=True) as there,
    ):
        [written] = here.execute("SELECT pg_current_wal_lsn()::text").fetchall()
        replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        deadline = time.monotonic() + _SECONDS_MAX
        while there.execute(replayed, written).fetchone() != (True,):
            if time.monotonic() > deadline:
                raise RuntimeError("the standby does not follow")
            time.sleep(0.01)
