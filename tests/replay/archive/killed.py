"""Archives a log again and again, and is killed at each step that concerns the archive's folder.

`python -m tests.replay.archive.killed DATABASE_URL FOLDER ENCRYPT` writes to FOLDER/1, FOLDER/2 …:
the number is that of the step at which the process that wrote it was killed. It ends with the one
that was not killed, whose number it prints. ENCRYPT is 0 or 1.
"""

import os
import signal
import sys
from contextlib import closing
from itertools import count
from typing import Any

# pyarrow imports it when it converts the first column, which would be in each of the processes.
import pandas  # noqa: F401

from projector.store.database import Database
from replay.archive import shelf, write

#: Audit events of the interpreter that come before a change of a file or a folder.
_STEPS = {"open", "os.link", "os.mkdir", "os.remove"}


def main(url: str, folder: str, encrypt: str) -> None:
    for number in count(1):
        child = os.fork()
        if not child:
            _archive(url, f"{folder}/{number}", number, encrypt=encrypt == "1")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(number, os.waitstatus_to_exitcode(status))
            return


def _archive(url: str, folder: str, kill_at: int, *, encrypt: bool) -> None:
    steps = count(1)

    def step() -> None:
        if next(steps) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STEPS and str(arguments[0]).startswith(folder):
            step()

    # A kill does not need it, and it takes most of the time.
    os.fsync = lambda fd: step()
    sys.addaudithook(audit)
    with closing(Database(url)) as database:
        write.write(database, shelf.opened(folder), range_events=4, encrypt=encrypt)


if __name__ == "__main__":
    main(*sys.argv[1:])
