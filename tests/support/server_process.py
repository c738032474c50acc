"""`projector serve` as a process in a folder of its own."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import Factory, define

from tests.support.command import PROGRAM, Done, environment, run_program
from tests.support.http_client import Client

#: How long the server may take to begin, and to end, in seconds.
_SECONDS_MAX = 30.0

#: What the servers of these tests take webhooks by, unless they are told otherwise.
SECRET = "secretKey"


@define
class Server:
    """A server that listens."""

    process: subprocess.Popen[bytes]
    #: Of its database.
    url: str
    folder: Path
    port: int
    #: Of the console, by scope, if it has any.
    tokens: dict[str, str] = Factory(dict)

    @property
    def client(self) -> Client:
        """Asks it."""
        return Client(self.port)

    @property
    def told(self) -> str:
        """All that it wrote since it began."""
        return _errors(self.folder).read_text()

    def command(self, *arguments: str, stdin: bytes = b"") -> Done:
        """Run another command on the same database."""
        return run_program(self.folder, *arguments, stdin=stdin, PROJECTOR_DATABASE_URL=self.url)

    def stop(self) -> int:
        """Stop it as an operator does; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_SECONDS_MAX)


@contextmanager
def serving(folder: Path, url: str, *arguments: str, **variables: str) -> Iterator[Server]:
    """A server on a port of its own, stopped in the end without a word of trouble."""
    if not any(name.startswith("PROJECTOR_WEBHOOK_SECRET") for name in variables):
        variables["PROJECTOR_WEBHOOK_SECRET"] = SECRET
    with _errors(folder).open("wb") as errors:
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--port", "0", *arguments],
            cwd=folder,
            env=environment(PROJECTOR_DATABASE_URL=url, **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    with process:
        try:
            server = Server(process, url, folder, _port(process, folder))
            yield server
            if process.poll() is None:
                assert server.stop() == 0, server.told
        finally:
            process.kill()


def refused(folder: Path, *arguments: str, port: str = "0", **variables: str) -> Done:
    """What comes of a server that does not begin."""
    done = subprocess.run(
        [*PROGRAM, "serve", "--port", port, *arguments],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        # One that begins would not end.
        timeout=_SECONDS_MAX,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def _errors(folder: Path) -> Path:
    return folder / "stderr"


def _port(process: subprocess.Popen[bytes], folder: Path) -> int:
    deadline = time.monotonic() + _SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Listening on http://\S*:(\d+);", _errors(folder).read_text())
        if found:
            return int(found[1])
        time.sleep(0.02)
    raise AssertionError(_errors(folder).read_text())
