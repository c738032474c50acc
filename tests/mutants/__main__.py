"""Mutation testing: one thing in the pure core is changed at a time, and then some test must fail.

mutmut changes the functions; what it leaves alone (functions with a decorator, tables, patterns)
is changed as by_hand.toml says. A change that no test notices must be in explained.toml, with the
reason why no test could ever notice it. Arguments are names of mutants, such as
`projector.projections.projection.*`.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.mutants import by_hand

EXPLAINED = Path(__file__).with_name("explained.toml")
_MUTMUT = str(Path(sys.executable).with_name("mutmut"))


class Survivor(NamedTuple):
    """A change that no test noticed; its lines are without what is before and behind them."""

    #: The function, such as `projector.projections.projection.fold`.
    where: str
    was: str
    now: str

    def __str__(self) -> str:
        lines = f"was = '''{self.was}'''\nnow = '''{self.now}'''"
        return f'[[survivor]]\nwhere = "{self.where}"\n{lines}\nwhy = ""\n'


def main(names: list[str]) -> int:
    """Make the mutants of these names, or all, and say which of them survive."""
    shutil.rmtree("mutants", ignore_errors=True)
    environment = {**os.environ, "CI": "true"}
    subprocess.run([_MUTMUT, "run", *names], check=True, env=environment)
    became = _results(names)
    found = [_survivor(key) for key, status in became.items() if status != "timeout"]
    slow = [_survivor(key) for key, status in became.items() if status == "timeout"]
    unexplained, stale = _compare(found, slow, whole_run=not names)
    for each in unexplained:
        print(f"No test notices this:\n{each}")
    for each in stale:
        print(f"This is explained, and does not survive or is not there:\n{each}")
    unnoticed = [] if names else by_hand.unnoticed()
    for number, trouble in unnoticed:
        print(f"by_hand.toml, mutant {number}: {trouble}.")
    if unexplained or unnoticed:
        print(
            "Write a test that fails with the change, or take out the code that nobody needs.\n"
            f"If nobody could ever notice a change, put it into {EXPLAINED}, with the reason."
        )
    if stale:
        print(f"Take what does not survive out of {EXPLAINED}.")
    print(
        f"{len(found)} survive, {len(unexplained)} of them unexplained. {len(stale)} explanations"
        f" are stale. {len(unnoticed)} of those by hand survive. {len(slow)} took too long, which"
        " means that they never end, or that the machine was busy."
    )
    return 1 if unexplained or stale or unnoticed else 0


def _results(names: list[str]) -> dict[str, str]:
    """What became of the mutants of these names that were not killed."""
    found = {}
    for line in _mutmut("results").splitlines():
        key, _, status = line.strip().rpartition(": ")
        if not names or any(fnmatch.fnmatch(key, name) for name in names):
            found[key] = status
    return found


def _survivor(key: str) -> Survivor:
    """What a mutant changes, from the difference that mutmut shows."""
    module, _, function = key.partition("__mutmut_")[0].rpartition(".")
    name = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    lines = [line for line in _mutmut("show", key).splitlines() if not re.match("---|[+]{3}", line)]
    was, now = (
        "\n".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return Survivor(f"{module}.{name}", was, now)


def _mutmut(*arguments: str) -> str:
    command = [_MUTMUT, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _compare(
    found: list[Survivor], slow: list[Survivor], *, whole_run: bool
) -> tuple[list[Survivor], list[Survivor]]:
    """The survivors that are not explained, and the explanations of what does not survive.

    A change may be listed as often as it survives in its function. An explanation without lines is
    one of the whole function.
    """
    listed = tomllib.loads(EXPLAINED.read_text())["survivor"]
    whole = {each["where"] for each in listed if "was" not in each}
    named = Counter(
        Survivor(each["where"], each["was"], each["now"]) for each in listed if "was" in each
    )
    rest = Counter(each for each in found if each.where not in whole)
    stale = named - rest - Counter(slow)
    stale += Counter(Survivor(where, "", "") for where in whole - {each.where for each in found})
    return [*(rest - named).elements()], [*stale.elements()] if whole_run else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
