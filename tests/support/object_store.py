"""An object store for tests: moto, a server of S3's API, in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from attrs import frozen

from tests.support.programs import free_port, tied

_START_SECONDS_MAX = 60


@frozen
class ObjectStore:
    """A store that runs, with an empty bucket at first."""

    endpoint: str
    #: The URL of a prefix in the bucket.
    url: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a program that uses it."""
        proxies = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy")
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            **dict.fromkeys(proxies, ""),
        }


@contextmanager
def running_store(folder: Path) -> Iterator[ObjectStore]:
    """Run a store until the block ends; its log is in a folder."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with (folder / "object-store.log").open("wb") as log:
        server = subprocess.Popen(
            tied(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)),
            stdout=log,
            stderr=log,
        )
    try:
        _create_bucket(endpoint, server, folder)
        yield ObjectStore(endpoint, "s3://archives/shop one")
    finally:
        server.kill()
        server.wait()


def _create_bucket(endpoint: str, server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS_MAX
    address = endpoint.removeprefix("http://")
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with closing(HTTPConnection(address, timeout=10)) as connection:
                connection.request("PUT", "/archives")
                assert connection.getresponse().status == 200
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError((folder / "object-store.log").read_text())
