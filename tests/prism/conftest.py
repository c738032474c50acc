"""Prism, which serves the vendor's published API description as a mock server.

It knows no state, no pages and no limits, but the shapes of answers and parameters, and whether
credentials are there. The file is named by the variable OPENAPI: see `make test-vendor`.
"""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.programs import free_port
from tests.support.voucherify_api import APP_ID, APP_TOKEN

_PROGRAM = Path(__file__).parents[2] / ".prism" / "node_modules" / ".bin" / "prism"

#: Its start and its first answer take long: it compiles a union of sixty schemas.
_SECONDS_MAX = 300

_FIRST = "/v1/customers/cust_1/activity?limit=1"

#: Ask for a path, with headers; gives the status and the body.
Ask = Callable[..., tuple[int, bytes]]


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of a Prism that has answered once."""
    address = f"http://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    command = ["node", str(_PROGRAM), "mock", "--host", "127.0.0.1", "--port", port]
    with subprocess.Popen(
        [*command, os.environ["OPENAPI"]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "SCARF_ANALYTICS": "false"},
    ) as process:
        try:
            end = time.monotonic() + _SECONDS_MAX
            while not _answers(address) and time.monotonic() < end:
                assert process.poll() is None, "it could not be started"
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        return _ask(address, _FIRST)[0] == 200
    except OSError:
        return False


def _ask(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    given = {"X-App-Id": APP_ID, "X-App-Token": APP_TOKEN, **headers}
    request = urllib.request.Request(f"{address}{path}", headers=given)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS_MAX) as answer:  # noqa: S310 - as above
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture
def ask(url: str) -> Ask:
    """Asks Prism for a path, without the program's client."""
    return lambda path, **headers: _ask(url, path, **headers)
