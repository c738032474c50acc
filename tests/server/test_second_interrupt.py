"""Who presses Ctrl-C twice does not wait for requests, and the process ends nevertheless."""

import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.support.command import PROGRAM, environment
from tests.support.databases import migrated
from tests.support.followers import found

_BEGUN = b"POST /webhooks/voucherify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"


def test_a_second_ctrl_c_ends_the_server_whatever_goes_on(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            address = re.match(r"Listening on \S+:(\d+);", process.stderr.readline())
            assert address
            with socket.create_connection(("127.0.0.1", int(address[1]))) as client:
                client.sendall(_BEGUN)
                with migrated(f"sqlite:///{tmp_path / 'projector.db'}") as database:
                    while found(database).holder is None:
                        time.sleep(0.05)
                process.send_signal(signal.SIGINT)
                time.sleep(0.5)
                assert process.poll() is None, "it waits for the request"
                process.send_signal(signal.SIGINT)
                # The first signal's patience would last longer.
                process.communicate(timeout=6)
        finally:
            process.kill()
    with migrated(f"sqlite:///{tmp_path / 'projector.db'}") as database:
        assert found(database).holder is None, "another projector may begin at once"
