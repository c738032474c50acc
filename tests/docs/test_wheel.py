"""The installed wheel works by itself, from any folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]

_LINE = (
    '{"id":"e1","type":"customer.created","created_at":"2024-01-01T00:00:00Z",'
    '"project_id":"p","data":{"customer":{"id":"cust_1","name":"A"}}}\n'
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, _ROOT)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def projector(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed into an environment that has nothing else."""
    environment = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", environment)
    _run(environment / "bin" / "pip", "install", "--disable-pip-version-check", wheel)
    return environment / "bin" / "projector"


def test_the_wheel_holds_both_packages_and_the_migrations_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "projector",
        "replay",
    }
    migrations = (_ROOT / "migrations").rglob("*.py")
    assert {f"projector/{path.relative_to(_ROOT)}" for path in migrations} == {
        name for name in names if name.startswith("projector/migrations/") and name.endswith(".py")
    }


def test_the_wheel_holds_the_files_of_the_pages(wheel: Path) -> None:
    folders = [_ROOT / "projector" / "server" / "static"]
    folders += [
        _ROOT / "projector" / "server" / "console" / each for each in ("static", "templates")
    ]
    expected = {
        str(path.relative_to(_ROOT)) for folder in folders for path in folder.rglob("*.*")
    } | {str((folder / "README").relative_to(_ROOT)) for folder in folders[:2]}
    assert expected == {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if "/static/" in name or "/templates/" in name
    }


@pytest.mark.parametrize(
    ("extra", "command"),
    [
        ("server", ("serve",)),
        ("server", ("serve", "--host", "0.0.0.0")),  # noqa: S104 - it does not get that far
        ("archive", ("archive", "check", "folder")),
        ("archive", ("archive", "prune", "s3://bucket/prefix")),
    ],
)
def test_a_command_without_its_extra_names_the_extra(
    projector: Path, tmp_path: Path, extra: str, command: tuple[str, ...]
) -> None:
    done = _done(projector, *command, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Install the extra: pip install 'customer-state-projector[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
    # Nothing was begun.
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_takes_an_event_and_answers(projector: Path, tmp_path: Path) -> None:
    assert "ingest" in _run(projector, "--help", folder=tmp_path)
    assert _json(projector, "ingest", "-", "--json", folder=tmp_path, stdin=_LINE) == {
        "read": 1,
        "appended": 1,
        "duplicates": 0,
        "conflicts": 0,
        "quarantined": 0,
        "suppressed": 0,
        "head": 1,
    }
    assert _json(projector, "customer", "cust_1", "--json", folder=tmp_path) == {
        "project_id": "p",
        "customer_id": "cust_1",
        "source_id": None,
        "name": "A",
        "email": None,
        "deleted_at": None,
        "segments": [],
        "tiers": [],
        "complete": True,
        "gaps": 0,
        "gaps_open": 0,
        "position": 1,
        "last_event_at": "2024-01-01T00:00:00.000Z",
        "checked_at": None,
    }


def _json(*command: str | Path, folder: Path, stdin: str = "") -> Any:
    return json.loads(_run(*command, folder=folder, stdin=stdin))


def _run(*command: str | Path, folder: Path | None = None, stdin: str = "") -> str:
    """Run a program that must succeed; return what it said."""
    done = _done(*command, folder=folder, stdin=stdin)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def _done(
    *command: str | Path, folder: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program, far from this checkout's settings."""
    ours = ("PYTHON", "PROJECTOR_")
    return subprocess.run(
        command,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
