"""An audit fails where something was found, and nowhere else; it never passes for one that was."""

import json
import sys
from importlib.metadata import version

import pytest

from tests.support import auditing

_SOUND = {"name": "attrs", "version": "26.1.0", "vulns": []}
_BAD = {
    "name": "starlette",
    "version": "1.0.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.0.1"], "aliases": []}],
}
_UNKNOWN = {"name": "h11", "skip_reason": "Dependency not found on PyPI"}


def _judged(*packages: object) -> tuple[int, str]:
    return auditing.judged(json.dumps({"dependencies": packages, "fixes": []}), "")


def test_a_vulnerability_is_a_failure_and_is_named() -> None:
    code, told = _judged(_SOUND, _BAD, _UNKNOWN)
    assert code == 1
    assert "starlette 1.0.0: PYSEC-1 (mended in 1.0.1)" in told


def test_sound_packages_are_counted_and_those_of_which_nothing_is_known_are_named() -> None:
    assert _judged(_SOUND) == (0, "1 packages have no known vulnerability.")
    code, told = _judged(_SOUND, _UNKNOWN)
    assert (code, "nothing was told of h11" in told) == (0, True)


def test_an_audit_in_which_no_package_is_known_is_reported_as_impossible() -> None:
    """As where the index is a mirror: pip-audit calls them all sound then."""
    code, told = _judged(_UNKNOWN, _UNKNOWN)
    assert (code, told.startswith("The packages could not be audited")) == (0, True)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("print('a traceback')\nraise SystemExit('no such host')", "no such host"),
        ("raise SystemExit(1)", "nothing was said"),
        ("import time\ntime.sleep(60)", "no answer within 0.5 seconds"),
    ],
    ids=["an error", "silence", "too slow"],
)
def test_an_impossible_audit_is_reported_in_a_line_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    monkeypatch.setattr(auditing, "COMMAND", [sys.executable, "-c", program])
    monkeypatch.setattr(auditing, "SECONDS_MAX", 0.5 if "sleep" in program else 30.0)
    code, told = auditing.audit(["attrs==26.1.0"])
    assert (code, reason in told, told.count("\n")) == (0, True, 0)


def test_the_audit_covers_the_packages_that_users_install() -> None:
    found = auditing.installed()
    # Directly, by an extra, and by what another one needs.
    for name in ("attrs", "starlette", "anyio"):
        assert f"{name}=={version(name)}" in found
    assert not {"pytest", "ruff", "mypy"} & {each.split("==")[0] for each in found}
