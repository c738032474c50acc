"""The mutants that mutmut does not make: a text of a module, and what stands in its place.

The tests that mirror the module must notice it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

MUTANTS = Path(__file__).with_name("by_hand.toml")
_NEEDED = ("projector", "replay", "migrations", "tests", "pyproject.toml")


def unnoticed() -> list[tuple[int, str]]:
    """The number and the trouble of each mutant that no test notices, or that cannot be made."""
    listed = tomllib.loads(MUTANTS.read_text())["mutant"]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        troubles = list(threads.map(_trouble, [None, *listed]))
    return [(number, trouble) for number, trouble in enumerate(troubles) if trouble]


def _trouble(mutant: dict[str, Any] | None) -> str | None:
    """What is wrong with a mutant, if anything; None is the code as it is."""
    with tempfile.TemporaryDirectory() as folder:
        for name in _NEEDED:
            if Path(name).is_dir():
                shutil.copytree(name, Path(folder, name))
            else:
                shutil.copy(name, folder)
        if mutant is None:
            passes = _passes(folder, _settings()["pytest_add_cli_args_test_selection"])
            return None if passes else "the tests fail although nothing is changed"
        module = Path(folder, mutant["file"])
        text = module.read_text()
        if text.count(mutant["was"]) != 1:
            return f"{mutant['file']} does not have this just once: {mutant['was']!r}"
        module.write_text(text.replace(mutant["was"], mutant["now"]))
        tests = _mirror(Path(mutant["file"]))
        if _passes(folder, [str(tests)]):
            was, now = mutant["was"], mutant["now"]
            return f"{tests} does not notice {now!r} for {was!r} in {mutant['file']}"
        return None


def _mirror(module: Path) -> Path:
    """The tests of a module, or else all tests of its package."""
    package = Path("tests", *module.parent.parts[1:])
    tests = package / f"test_{module.stem}.py"
    return tests if tests.exists() else package


def _passes(folder: str, tests: Sequence[str]) -> bool:
    options = ["-x", "-q", *_settings()["pytest_add_cli_args"]]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {**os.environ, "CI": "true"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True).returncode == 0


def _settings() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["mutmut"]
    return settings
