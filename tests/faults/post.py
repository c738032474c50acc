"""How a process that is disturbed, and who disturbs it, talk: lines of JSON over a socket."""

import json
import os
import queue
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from attrs import define, field, frozen

from projector.envelope import Envelope, Rejected
from projector.store.append import Receipt
from tests.faults.sent import Acknowledged

#: What a process ends with when its step is not in the program any more.
NO_SUCH_STEP = 97


@frozen
class Line:
    """The end of a process that is to be disturbed."""

    _file: TextIO

    @classmethod
    def to(cls, path: str) -> "Line":
        """Call whoever listens there."""
        wire = socket.socket(socket.AF_UNIX)
        wire.connect(path)
        return cls(wire.makefile("rw"))

    def stop(self, step: str) -> dict[str, Any]:
        """Tell that a step is there, and wait for what to do."""
        self._tell(step=step, pid=os.getpid())
        told: dict[str, Any] = json.loads(self._file.readline())
        return told

    def acknowledge(
        self, items: Sequence[Envelope | Rejected], receipts: Sequence[Receipt]
    ) -> None:
        """Tell what the program answers for."""
        self._tell(
            acknowledged=[
                (receipt.outcome, receipt.position, _text(item))
                for item, receipt in zip(items, receipts, strict=True)
            ]
        )

    def _tell(self, **what: Any) -> None:
        self._file.write(f"{json.dumps(what)}\n")
        self._file.flush()


def _text(item: Envelope | Rejected) -> str:
    return item.body if isinstance(item.body, str) else item.body.decode()


@frozen
class Stopped:
    """A process that waits at a step."""

    step: str
    pid: int
    _wire: socket.socket

    def go_on(self, **what: Any) -> None:
        """Let it, if it still lives."""
        with suppress(OSError):
            self._wire.sendall(f"{json.dumps(what)}\n".encode())


@define(eq=False)
class Post:
    """The end of who disturbs."""

    path: Path
    acknowledged: list[Acknowledged] = field(factory=list)
    #: The first process that stops at the step, and no other.
    stopped: "queue.Queue[Stopped]" = field(factory=queue.Queue)
    _is_first: threading.Lock = field(factory=threading.Lock)
    _threads: list[threading.Thread] = field(factory=list)

    def run(self, listener: socket.socket) -> None:
        """Take calls until the listener is closed."""
        with suppress(OSError):
            while True:
                wire, _ = listener.accept()
                thread = threading.Thread(target=self._hear, args=(wire,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def all_heard(self) -> list[Acknowledged]:
        """What was acknowledged, once those who called have ended."""
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "somebody still talks"
        return self.acknowledged

    def _hear(self, wire: socket.socket) -> None:
        with wire, wire.makefile("r") as file, suppress(OSError):
            for line in file:
                told = json.loads(line)
                self.acknowledged += [Acknowledged(*each) for each in told.get("acknowledged", ())]
                if "step" not in told:
                    continue
                stopped = Stopped(told["step"], told["pid"], wire)
                if self._is_first.acquire(blocking=False):
                    self.stopped.put(stopped)
                else:
                    stopped.go_on()


@contextmanager
def opened(path: Path) -> Iterator[Post]:
    """Listen at a path until the block ends."""
    post = Post(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        # Whoever the program runs as.
        path.chmod(0o666)
        listener.listen()
        threading.Thread(target=post.run, args=(listener,), daemon=True).start()
        yield post
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
