"""Sealing in processes of their own: killed at any moment, several at once, behind a server."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from projector.sealing.key_files import create_key
from projector.sealing.verify import verify_log
from projector.store.database import Database
from projector.store.sealed import leaves
from projector.tlog.checkpoint import open_checkpoint
from projector.tlog.keys import VerifierKey
from tests.concurrency.rebuilds import within
from tests.support.command import PROGRAM, environment, run_program
from tests.support.given import created
from tests.support.seals import fill
from tests.support.server_process import serving

_LONG = 30.0
_EVENTS = 3_600
_KILLS = 3

#: The program with batches so small that a kill always falls between some.
_SMALL_STEPS = """
import projector.sealing.seal
projector.sealing.seal.BATCH_EVENTS_MAX = 60
from projector.cli import main
main()
"""
_CHECKPOINT = ("log", "checkpoint", "--key", "log.key", "--out", "checkpoint")


def _key(folder: Path) -> VerifierKey:
    return create_key("shop.example/projector", str(folder / "log.key"))


def _start(folder: Path, url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _SMALL_STEPS, *_CHECKPOINT],
        cwd=folder,
        env=environment(PROJECTOR_DATABASE_URL=url),
        stdout=subprocess.DEVNULL,
    )


def _sealed(database: Database) -> int:
    with database.reading() as connection:
        return leaves.last(connection)


def test_sealing_that_is_killed_is_gone_on_with_and_no_checkpoint_contradicts_another(
    migrated_url: str, tmp_path: Path
) -> None:
    key, path = _key(tmp_path), tmp_path / "checkpoint"
    kept = []
    with closing(Database(migrated_url)) as database:
        for number in range(_KILLS):
            fill(database, range(number * _EVENTS // _KILLS, (number + 1) * _EVENTS // _KILLS))
            before = _sealed(database)
            process = _start(tmp_path, migrated_url)
            within(_LONG, lambda before=before: _sealed(database) > before)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            if number % 2:
                done = run_program(tmp_path, *_CHECKPOINT, PROJECTOR_DATABASE_URL=migrated_url)
                assert done.code == 0, done.err
                kept.append(tmp_path / f"kept-{number}")
                kept[-1].write_bytes(path.read_bytes())
        found = verify_log(database, against=[*map(str, kept)], keys=[key])
        assert found.is_right, found
        assert len(found.checkpoints) == _KILLS // 2
        assert 0 < found.unsealed < _EVENTS


def test_several_processes_seal_one_log_while_it_grows(migrated_url: str, tmp_path: Path) -> None:
    key = _key(tmp_path)
    with closing(Database(migrated_url)) as database:
        fill(database, range(1_000))
        processes = [_start(tmp_path, migrated_url) for _ in range(3)]
        for begin in range(1_000, 2_000, 50):
            fill(database, range(begin, begin + 50))
            # From one snapshot, whatever is appended and sealed meanwhile.
            found = verify_log(database)
            assert found.is_right, found
        assert [each.wait(_LONG) for each in processes] == [0, 0, 0]
        found = verify_log(database, against=[str(tmp_path / "checkpoint")], keys=[key])
        assert found.is_right, found
        assert found.checkpoints[0].size >= 1_000


def _size(path: Path, key: VerifierKey) -> int:
    return open_checkpoint(path.read_bytes(), [key], what="it").size if path.exists() else 0


def test_a_server_and_a_follower_make_checkpoints_behind_the_log(
    migrated_url: str, tmp_path: Path
) -> None:
    key = _key(tmp_path)
    options = ("--checkpoint-key", "log.key", "--checkpoint-every", "1", "--checkpoint-out")
    served, followed = tmp_path / "served", tmp_path / "followed"
    with serving(tmp_path, migrated_url, *options, "served") as server:
        follower = subprocess.Popen(
            [*PROGRAM, "run", *options, "followed"],
            cwd=tmp_path,
            env=environment(PROJECTOR_DATABASE_URL=migrated_url),
            stderr=subprocess.PIPE,
            text=True,
        )
        with follower:
            for day in (1, 2):
                webhook = created("cust_1", at=f"2024-03-0{day}T10:00:00Z")
                assert server.client.post("/events", webhook).status == 200
                within(_LONG, lambda day=day: _size(served, key) == day)  # type: ignore[misc]
            # It stands by, and so does its sealer, until the server is gone.
            assert not followed.exists()
            assert server.stop() == 0
            within(_LONG, lambda: _size(followed, key) == 2)
            follower.send_signal(signal.SIGTERM)
            assert follower.wait(_LONG) == 0
            assert follower.stderr is not None
            assert "Traceback" not in follower.stderr.read()
    with closing(Database(migrated_url)) as database:
        paths = [str(served), str(followed)]
        assert verify_log(database, against=paths, keys=[key]).is_right
