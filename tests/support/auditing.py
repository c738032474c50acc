"""`make lint` asks here whether packages that the project installs are known to be vulnerable.

Those who know may be out of reach: then that is said in a line, and is no failure. pip-audit's exit
code does not tell that from a finding, and it calls packages that nobody could tell it of sound:
what counts is what it wrote of each package.
"""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any, NamedTuple

from packaging.requirements import Requirement

_PROJECT = "customer-state-projector"

#: What users install, too; of the tools that we work with, none comes to them.
_EXTRAS = ("postgres", "server", "metrics", "archive", "seal", "spark", "voucherify")

#: How long all of it may take, in seconds.
SECONDS_MAX = 30.0

COMMAND = [sys.executable, "-m", "pip_audit", "--requirement", "/dev/stdin", "--no-deps"]
COMMAND += ["--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "5"]


class Verdict(NamedTuple):
    """What came of an audit."""

    exit_code: int
    told: str


def installed() -> list[str]:
    """What the project needs and is there, directly or not, as `name==version`."""
    found: dict[str, str] = {}
    waiting = [Requirement(f"{_PROJECT}[{','.join(_EXTRAS)}]")]
    done = set()
    while waiting:
        wanted = waiting.pop()
        if str(wanted) in done:
            continue
        done.add(str(wanted))
        try:
            there = distribution(wanted.name)
        except PackageNotFoundError:
            continue
        found[there.name] = there.version
        contexts = [{"extra": extra} for extra in ("", *wanted.extras)]
        for each in map(Requirement, there.requires or ()):
            if each.marker is None or any(map(each.marker.evaluate, contexts)):
                waiting.append(each)
    del found[_PROJECT]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def audit(packages: list[str]) -> Verdict:
    """Ask about packages."""
    text = "".join(f"{each}\n" for each in packages)
    try:
        done = subprocess.run(
            COMMAND, input=text, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        return _impossible(f"there was no answer within {SECONDS_MAX:g} seconds")
    return judged(done.stdout, done.stderr)


def judged(out: str, err: str) -> Verdict:
    """The verdict, by what pip-audit wrote."""
    try:
        packages: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError):
        return _impossible((err.strip() or "nothing was said").splitlines()[-1][:200])
    bad = [f"{each['name']} {each['version']}: {_told(each)}" for each in packages if _told(each)]
    if bad:
        return Verdict(1, "\n".join(["Known to be vulnerable:", *bad]))
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    if len(unknown) == len(packages):
        return _impossible("none of the packages is known there")
    but = f"; nothing was told of {', '.join(unknown)}" if unknown else ""
    return Verdict(0, f"{len(packages) - len(unknown)} packages have no known vulnerability{but}.")


def _told(package: dict[str, Any]) -> str:
    """What is known of a package: ids, and the versions in which that is mended."""
    return ", ".join(
        f"{each['id']} (mended in {', '.join(each['fix_versions']) or 'no version'})"
        for each in package.get("vulns", ())
    )


def _impossible(reason: str) -> Verdict:
    return Verdict(0, f"The packages could not be audited: {reason}.")


def main() -> None:
    """Audit what is installed."""
    verdict = audit(installed())
    sys.stderr.write(f"{verdict.told}\n")
    sys.exit(verdict.exit_code)


if __name__ == "__main__":
    main()
