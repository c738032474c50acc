"""How a server begins, how it ends, and that it never shows a secret."""

import signal
import socket
from pathlib import Path

import pytest

from tests.support.given import entered
from tests.support.http_client import SIGNATURE, Client
from tests.support.server_process import SECRET, refused, serving

_AT = "2024-03-01T10:00:00Z"

#: Found in no other text.
_HIDDEN = "hushhushhush"


def _delivered(client: Client, secret: str) -> int:
    return client.deliver(entered("cust_1", "seg_1", at=_AT), secret).status


BAD = {
    "some have a project and some do not": f"proj_1={_HIDDEN},{_HIDDEN}",
    "a project's id that is too long": f"{'p' * 201}={_HIDDEN}",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_secrets_that_cannot_be_read_are_refused_without_being_shown(
    tmp_path: Path, text: str
) -> None:
    done = refused(tmp_path, PROJECTOR_WEBHOOK_SECRET=text)
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert "PROJECTOR_WEBHOOK_SECRET" in done.err
    assert _HIDDEN not in done.err


def test_help_does_not_show_the_secrets_of_the_environment(tmp_path: Path) -> None:
    done = refused(tmp_path, "--help", PROJECTOR_WEBHOOK_SECRET=_HIDDEN)
    assert done.code == 0
    assert "PROJECTOR_WEBHOOK_SECRET" in done.out
    assert _HIDDEN not in done.out + done.err


def test_neither_answers_nor_the_log_contain_a_webhook_secret(
    sqlite_url: str, tmp_path: Path
) -> None:
    with serving(tmp_path, sqlite_url, PROJECTOR_WEBHOOK_SECRET=_HIDDEN) as server:
        client = server.client
        answers = [
            client.deliver(entered("cust_1", "seg_1", at=_AT), _HIDDEN),
            client.deliver(entered("cust_1", "seg_1", at=_AT), "wrong"),
            client.post("/webhooks/voucherify", b"{", **{SIGNATURE: "0" * 64}),
            client.get("/metrics"),
            client.get("/openapi.json"),
            client.get("/health/ready"),
            client.get("/customers/nobody?x=1"),
        ]
    assert not [each for each in answers if _HIDDEN.encode() in each.body]
    assert not [each for each in answers if _HIDDEN in str(each.headers)]
    assert _HIDDEN not in server.told


def test_the_log_does_not_contain_a_token(sqlite_url: str, tmp_path: Path) -> None:
    bearer = {"authorization": f"Bearer {_HIDDEN}"}
    with serving(tmp_path, sqlite_url) as server:
        server.client.get("/segments", **bearer)
        server.client.get("/nothing", **bearer)
        server.client.get(f"/customers/cust_1?token={_HIDDEN}", **bearer)
    assert _HIDDEN not in server.told


def test_secrets_may_come_from_a_file(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("one\ntwo\n")
    with serving(tmp_path, sqlite_url, PROJECTOR_WEBHOOK_SECRET_FILE="secrets") as server:
        assert _delivered(server.client, "one") == 200
        assert _delivered(server.client, "two") == 200
        assert _delivered(server.client, "three") == 401


@pytest.mark.parametrize("problem", ["not there", "a folder", "no text", "not ours"])
def test_a_file_of_secrets_that_cannot_be_read_is_refused(tmp_path: Path, problem: str) -> None:
    path = tmp_path / "secrets"
    if problem == "a folder":
        path.mkdir()
    elif problem == "no text":
        path.write_bytes(f"{_HIDDEN}\xff".encode("latin-1"))
    elif problem == "not ours":
        path.write_text(f"proj_1={_HIDDEN},{_HIDDEN}")
    done = refused(tmp_path, PROJECTOR_WEBHOOK_SECRET_FILE=str(path))
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert _HIDDEN not in done.err


def test_secrets_from_two_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text(_HIDDEN)
    variables = {"PROJECTOR_WEBHOOK_SECRET": _HIDDEN, "PROJECTOR_WEBHOOK_SECRET_FILE": "secrets"}
    done = refused(tmp_path, **variables)
    assert done.code == 2
    assert "both" in done.err
    assert _HIDDEN not in done.err


def test_several_secrets_are_good_at_once(sqlite_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, sqlite_url, PROJECTOR_WEBHOOK_SECRET="old, new") as server:
        assert _delivered(server.client, "old") == 200
        assert _delivered(server.client, "new") == 200
        assert _delivered(server.client, "old, new") == 401


@pytest.mark.parametrize("text", ["", " , "])
def test_a_server_without_a_secret_refuses_webhooks_and_logs_it(
    sqlite_url: str, tmp_path: Path, text: str
) -> None:
    with serving(tmp_path, sqlite_url, PROJECTOR_WEBHOOK_SECRET=text) as server:
        assert _delivered(server.client, "") == 401
        assert _delivered(server.client, SECRET) == 401
        assert "PROJECTOR_WEBHOOK_SECRET is not set" in server.told
        assert server.client.get("/segments").status == 200


def test_a_port_in_use_is_reported_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = refused(tmp_path, port=port)
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert f"127.0.0.1 port {port}" in done.err


@pytest.mark.parametrize(
    ("port", "arguments"),
    [
        pytest.param("65536", [], id="a port too great"),
        pytest.param("-1", [], id="a port below zero"),
        pytest.param("http", [], id="no number"),
        pytest.param("0", ["--lag-max", "-1"], id="a lag below zero"),
        pytest.param("0", ["--lag-max", str(2**63)], id="a lag too great"),
        pytest.param("0", ["--bogus"], id="an unknown option"),
    ],
)
def test_wrong_options_are_reported_in_a_sentence(
    tmp_path: Path, port: str, arguments: list[str]
) -> None:
    done = refused(tmp_path, *arguments, port=port)
    assert done.code == 2
    assert done.failed_in_a_sentence


def test_an_unusable_database_is_reported_in_a_sentence(tmp_path: Path, postgres_url: str) -> None:
    done = refused(tmp_path, "--db", "sqlite:////nowhere/projector.db")
    assert (done.code, done.failed_in_a_sentence) == (4, True)
    done = refused(tmp_path, "--db", postgres_url)
    assert (done.code, done.failed_in_a_sentence) == (4, True)
    assert "projector migrate" in done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_exits_with_0(
    sqlite_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    with serving(tmp_path, sqlite_url) as server:
        assert _delivered(server.client, SECRET) == 200
        server.process.send_signal(number)
        assert server.process.wait(30) == 0
    assert "Traceback" not in server.told
    assert '"level":"error"' not in server.told


def test_the_server_listens_on_the_loopback_address_by_default(
    sqlite_url: str, tmp_path: Path
) -> None:
    with serving(tmp_path, sqlite_url) as server:
        assert f"Listening on http://127.0.0.1:{server.port};" in server.told
        assert f"http://127.0.0.1:{server.port}/docs" in server.told


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="There is no IPv6 here.")
def test_the_server_can_listen_on_the_ipv6_loopback_address(
    sqlite_url: str, tmp_path: Path
) -> None:
    with serving(tmp_path, sqlite_url, "--host", "::1") as server:
        assert f"Listening on http://[::1]:{server.port};" in server.told
        with socket.create_connection(("::1", server.port), timeout=10) as connection:
            connection.sendall(b"GET /segments HTTP/1.1\r\nHost: [::1]\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_deliveries_acknowledged_by_a_stopped_server_are_served_by_the_next(
    migrated_url: str, tmp_path: Path
) -> None:
    """One that is stopped at once has written all that it answered."""
    with serving(tmp_path, migrated_url) as server:
        answers = [
            server.client.deliver(entered("cust_1", f"seg_{number}", at=_AT), SECRET).json
            for number in range(20)
        ]
    with serving(tmp_path, migrated_url) as server:
        path = f"/customers/cust_1?min_position={answers[-1]['position']}"
        assert len(server.client.get(path).json["segments"]) == 20
