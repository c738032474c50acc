"""The sealer makes checkpoints behind the log while its process leads, and says once why not."""

import logging
from pathlib import Path
from threading import Event, Thread

import pytest

from projector.sealing.sealer import Sealer, SealerConfig
from projector.store.database import Database
from projector.tlog.checkpoint import open_checkpoint
from tests.concurrency.rebuilds import within
from tests.support.seals import KEY, commitments, fill

_LONG = 30.0


class _Running:
    """A sealer in a thread."""

    def __init__(self, database: Database, path: Path) -> None:
        self.leads, self.asked, self._stop, self._path = True, 0, Event(), path
        config = SealerConfig(key=KEY, out=str(path), every_seconds=0.01)
        sealer = Sealer(database, config, is_leading=self._is_leading)
        self._thread = Thread(target=sealer.run, args=(self._stop,))

    def __enter__(self) -> "_Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_LONG)
        assert not self._thread.is_alive()

    def _is_leading(self) -> bool:
        self.asked += 1
        return self.leads

    def wait_for_rounds(self) -> None:
        """Wait until it has looked a few times more."""
        before = self.asked
        within(_LONG, lambda: self.asked >= before + 5)

    def size(self) -> int:
        """The size of the last checkpoint."""
        if not self._path.exists():
            return 0
        return open_checkpoint(self._path.read_bytes(), [KEY.verifier], what="it").size


def test_it_follows_the_log_while_it_leads(wiped_database: Database, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with _Running(wiped_database, path) as sealer:
        fill(wiped_database, range(3))
        within(_LONG, lambda: sealer.size() == 3)
        fill(wiped_database, range(3, 5))
        within(_LONG, lambda: sealer.size() == 5)
        sealer.leads = False
        sealer.wait_for_rounds()
        path.unlink()
        fill(wiped_database, range(5, 7))
        sealer.wait_for_rounds()
        assert (sealer.size(), len(commitments(wiped_database))) == (0, 5)
        sealer.leads = True
        within(_LONG, lambda: sealer.size() == 7)


def test_it_says_once_why_there_is_no_checkpoint_and_goes_on(
    wiped_database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoint"
    path.write_text("mine\n")
    fill(wiped_database, range(3))
    caplog.set_level(logging.INFO)
    with _Running(wiped_database, path) as sealer:
        within(_LONG, lambda: bool(caplog.messages))
        sealer.wait_for_rounds()
        assert len(caplog.messages) == 1
        assert "No checkpoint was made" in caplog.messages[0]
        assert "is not a signed checkpoint" in caplog.messages[0]
        assert path.read_text() == "mine\n"
        path.unlink()
        within(_LONG, lambda: sealer.size() == 3)
        within(_LONG, lambda: len(caplog.messages) == 2)
    assert caplog.messages[1] == "A checkpoint of 3 events was made again."
