"""Starts programs that end with the process that started them, also as another user than root."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: Becomes the program in its arguments, as another user, ended when the process that asked for
#: it ends. It runs in an interpreter of its own, because code between fork and exec can
#: deadlock in a process with threads, which a test worker is.
_LAUNCHER = """
import ctypes, os, sys

parent, uid, gid, end = map(int, sys.argv[1:5])
library = ctypes.CDLL(None)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
if sys.platform == "linux":
    # After the change of user, which would clear it. 1 is PR_SET_PDEATHSIG.
    library.prctl(1, end)
if os.getppid() != parent:
    sys.exit("whoever asked for this has ended")
os.execv(sys.argv[5], sys.argv[5:])
"""


@contextlib.contextmanager
def own_folder(*, durable: bool = False) -> Iterator[Path]:
    """Make a folder for one server and remove it in the end.

    TMPDIR is not asked: a socket's path may have 103 bytes at most, and the user that the server
    runs as must reach it. /tmp may be in memory, which would make a measured fsync a lie.
    """
    folder = Path(tempfile.mkdtemp(prefix="projector-pg-", dir="/var/tmp" if durable else "/tmp"))
    try:
        give_away(folder)
        yield folder
    finally:
        shutil.rmtree(folder)


def launch(folder: Path, *command: str | Path) -> subprocess.Popen[bytes]:
    """Start a program as a user that Postgres accepts, in a session that Ctrl-C does not reach."""
    with log_of(folder).open("ab") as log:
        return subprocess.Popen(
            [*_launcher(*_user(), end=signal.SIGQUIT), *command],
            cwd=folder,
            # Not the caller's, in which PGDATA, PGPORT and the like have a say.
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def tied(*command: str | Path) -> list[str | Path]:
    """Return the command of a program that is killed when the thread that started it ends.

    So it is on Linux; the program runs as this process's user.
    """
    return [*_launcher(os.geteuid(), os.getegid(), end=signal.SIGKILL), *command]


def _launcher(uid: int, gid: int, *, end: signal.Signals) -> list[str]:
    numbers = map(str, (os.getpid(), uid, gid, end.value))
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, *numbers]


def _user() -> tuple[int, int]:
    """Return the ids that the server runs as: Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    import pwd

    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def give_away(folder: Path) -> None:
    """Give a folder to the user that programs run as."""
    uid, gid = _user()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)


def free_port() -> int:
    """Return a port that was free just now; another program may still be quicker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def log_of(folder: Path) -> Path:
    """Return the file with all that the programs in a folder have written."""
    return folder / "log"
