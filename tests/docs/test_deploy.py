"""The examples of docs/deploy/ name nothing that is not there: options, variables, files, paths."""

import json
import re
import shlex
import signal
import socket
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from projector import config
from projector.server import main, openapi
from tests.support.command import PROGRAM, environment, run_program

_ROOT = Path(__file__).parents[2]
_DEPLOY = _ROOT / "docs" / "deploy"
_UNITS = ("projector-serve.service", "projector-run.service")
_SETTINGS = tomllib.loads((_ROOT / "pyproject.toml").read_text())

_VARIABLES = {
    config.DATABASE_URL_VARIABLE,
    config.WEBHOOK_SECRET_VARIABLE,
    config.WEBHOOK_SECRET_FILE_VARIABLE,
    config.CONSOLE_ORIGIN_VARIABLE,
}

#: What differs between the units, and is not about how they are locked in.
_OWN = {"ExecStart", "Environment", "LoadCredential"}


def _service(unit: str) -> dict[str, list[str]]:
    """What a unit's section [Service] says, by key."""
    text = (_DEPLOY / unit).read_text().split("[Service]\n")[1].split("\n[")[0]
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found: dict[str, list[str]] = {}
    for line in lines:
        key, is_there, value = line.partition("=")
        assert is_there, line
        found.setdefault(key, []).append(value)
    return found


def _arguments(unit: str) -> list[str]:
    [line] = _service(unit)["ExecStart"]
    program, *arguments = shlex.split(line)
    assert program == "/opt/projector/bin/projector"
    return arguments


_DOCKERFILE = (_DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")


def _instructions(name: str) -> list[str]:
    return re.findall(rf"^\s*{name} +(.+)$", _DOCKERFILE, re.M)


def _image_arguments() -> list[str]:
    [program], arguments = json.loads(_instructions("ENTRYPOINT")[0]), _instructions("CMD")[-1]
    assert program == "projector"
    found: list[str] = json.loads(arguments)
    return found


@pytest.mark.parametrize(
    "arguments", [*map(_arguments, _UNITS), _image_arguments()], ids=[*_UNITS, "Dockerfile"]
)
def test_the_command_has_the_options_that_are_named(tmp_path: Path, arguments: list[str]) -> None:
    command, *rest = arguments
    told = run_program(tmp_path, command, "--help").out
    known = set(re.findall(r"--[a-z-]+", told))
    assert {each for each in rest if each.startswith("--")} <= known


@pytest.mark.parametrize("unit", _UNITS)
def test_a_unit_runs_and_stops_as_it_says(unit: str, tmp_path: Path) -> None:
    """What systemd would put into its environment is there, but for the port, which may be used."""
    service = _service(unit)
    (tmp_path / "webhook-secret").write_text("a secret\n")
    (tmp_path / "projector").mkdir()
    variables = dict(
        each.replace("%S", str(tmp_path)).replace("%d", str(tmp_path)).split("=", 1)
        for each in service["Environment"]
    )
    assert set(variables) <= _VARIABLES
    arguments = re.sub(r"--port \d+", "--port 0", shlex.join(_arguments(unit)))
    process = subprocess.Popen(
        [*PROGRAM, *shlex.split(arguments)],
        cwd=tmp_path,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        first, second = process.stderr.readline(), process.stderr.readline()
        process.send_signal(signal.Signals[service["KillSignal"][0]])
        assert process.wait(int(service["TimeoutStopSec"][0])) == 0
    assert first.startswith(("Listening on http://127.0.0.1:", f"{socket.gethostname()}:"))
    # After the secret was found, the next line is of the log.
    assert json.loads(second)["level"] == "info" or "not ready" in second
    assert (tmp_path / "projector" / "projector.db").exists()


def test_the_units_give_the_server_the_time_that_it_may_take_to_stop() -> None:
    [seconds] = _service(_UNITS[0])["TimeoutStopSec"]
    assert int(seconds) > main.STOP_SECONDS_MAX


def test_the_units_are_locked_in_alike() -> None:
    serve, run = (
        {key: value for key, value in _service(unit).items() if key not in _OWN} for unit in _UNITS
    )
    assert serve == run


def test_the_image_is_built_from_what_is_there_and_from_all_that_is_needed() -> None:
    copied = {
        source
        for line in _instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }
    assert all((_ROOT / source).exists() for source in copied)
    project = _SETTINGS["project"]
    wheel = _SETTINGS["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert copied == {
        "pyproject.toml",
        project["readme"],
        *project["license-files"],
        *wheel["only-include"],
    }


def test_the_extras_that_are_installed_exist() -> None:
    for text in (_DOCKERFILE, (_DEPLOY / "README.md").read_text()):
        [extras] = re.findall(r"pip install.*'\.\[([a-z,]+)\]'", text)
        assert set(extras.split(",")) <= set(_SETTINGS["project"]["optional-dependencies"])


def test_the_health_check_asks_for_a_path_that_needs_no_token() -> None:
    [url] = re.findall(r"urlopen\('([^']+)'", _DOCKERFILE)
    assert openapi.document()["paths"][urlsplit(url).path]["get"]["security"] == []
    port = _image_arguments()[_image_arguments().index("--port") + 1]
    assert urlsplit(url).port == int(port)
    assert _instructions("EXPOSE") == [port]


def test_every_variable_that_is_named_is_known() -> None:
    for path in _DEPLOY.iterdir():
        assert set(re.findall(r"PROJECTOR_[A-Z_]+", path.read_text())) <= _VARIABLES
