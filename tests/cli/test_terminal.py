"""The program among others: pipes that close, names that would steer a terminal, odd settings."""

import gzip
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from projector.intake.files import read_chunks
from tests.cli.conftest import Cli, Write, lines
from tests.support.command import PROGRAM, environment, run_program
from tests.support.given import created, delivery, entered, joined, segment, tier

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_EVIL = "A\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066\r\x08\x7fZ"


def _of_evil(project_id: str = "proj_1") -> list[dict[str, object]]:
    return [
        created(
            "cust_1",
            at="2024-01-01T00:00:00Z",
            name=_EVIL,
            email=_EVIL,
            source_id=_EVIL,
            project_id=project_id,
        ),
        entered("cust_1", segment("seg_1", name=_EVIL), at="2024-01-02T00:00:00Z"),
        entered("cust_1", segment(f"seg_{_EVIL}"), at="2024-01-02T00:00:00Z"),
        joined(
            "cust_1",
            tier("ltr_1", name=_EVIL),
            campaign={"id": "camp_1", "name": _EVIL},
            at="2024-01-02T00:00:00Z",
        ),
        delivery(_EVIL, "cust_1", at="2024-01-02T00:00:00Z"),
    ]


def test_names_do_not_steer_the_terminal(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_of_evil()))
    for command in (["customer", "cust_1"], ["customer", _EVIL, "--source-id"], ["status"]):
        done = cli(*command)
        assert done.code == 0
        assert not _CONTROL.search(done.out)
    assert "owned" in cli("customer", "cust_1").out, "the harmless part of it is shown"


def test_names_do_not_steer_the_terminal_from_a_json_document(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_of_evil()))
    done = cli("customer", "cust_1", "--json")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.out)
    assert done.json["name"] == _EVIL


def test_ids_do_not_steer_the_terminal_from_an_error(cli: Cli, write: Write) -> None:
    cli("ingest", write(*_of_evil(f"proj_{_EVIL}"), created("cust_1", at="2024-01-01T00:00:00Z")))
    done = cli("customer", "cust_1")
    assert done.code == 2
    assert not _CONTROL.search(done.err)


def test_nothing_is_drawn_where_no_terminal_is(tmp_path: Path) -> None:
    done = run_program(tmp_path, "ingest", "-", stdin=lines(*_of_evil()), FORCE_COLOR="")
    assert done.code == 0
    assert done.err == ""


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["--help"]])
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, arguments: list[str]) -> None:
    """As in `projector status | head -1`, where `head` is quicker."""
    run_program(tmp_path, "migrate")
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=tmp_path,
        env=environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(writing)
        _, err = process.communicate()
    assert err == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_closed_standard_output_is_no_crash(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *PROGRAM, "status"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr


def test_an_interrupted_ingest_ends_quietly_and_keeps_what_it_has(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, "ingest", "-"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(lines(created("cust_1", at="2024-01-01T00:00:00Z")))
        process.stdin.flush()
        _wait_for(tmp_path / "projector.db")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (128 + signal.SIGINT, b"")
    assert b"Traceback" not in err
    assert run_program(tmp_path, "status", "--json").code == 0


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come within 30 seconds"
        time.sleep(0.02)


def test_a_terminal_of_another_encoding_is_no_crash(tmp_path: Path) -> None:
    born = created("cust_1", at="2024-01-01T00:00:00Z", name="Zoë 日本")
    run_program(tmp_path, "ingest", "-", stdin=lines(born))
    shown = run_program(tmp_path, "customer", "cust_1", PYTHONIOENCODING="ascii")
    assert (shown.code, shown.err) == (0, "")
    document = run_program(tmp_path, "customer", "cust_1", "--json", PYTHONIOENCODING="ascii")
    assert (document.code, document.err) == (0, "")
    assert document.json["name"] == "Zoë 日本"


def test_gzip_is_recognised_when_a_pipe_brings_it_byte_by_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    whole = gzip.compress(b"hello")

    def dribble() -> None:
        os.write(writing, whole[:1])
        time.sleep(0.2)
        os.write(writing, whole[1:])
        os.close(writing)

    thread = threading.Thread(target=dribble)
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        thread.start()
        assert b"".join(read_chunks("-")) == b"hello"
    thread.join()


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["verify", "--json"]])
def test_output_that_cannot_be_written_is_no_verdict(tmp_path: Path, command: list[str]) -> None:
    run_program(tmp_path, "migrate")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from projector.cli import main; main()", *command],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 4
    assert done.stderr.startswith("error: The output cannot be written")
    assert "Traceback" not in done.stderr
