"""Lets a fuzzer look for inputs that break a reader; `make fuzz` calls this."""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from tests.fuzz.targets import TARGETS

_ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).with_name("corpus")
#: What a run leaves: inputs that reached something new, and those that broke something.
LEFT = _ROOT / ".fuzz"
_DICTIONARY = Path(__file__).with_name("words.dict")

#: For how long one input may be worked on, in seconds, and how long it may be, in bytes.
_INPUT_SECONDS_MAX = 20
_INPUT_BYTES_MAX = 4096
#: Where more takes long and shows nothing new.
_SHORT = {"documents": 512, "commands": 256}


@frozen
class Done:
    """What came of one target."""

    broken: list[Path]
    #: As libFuzzer counts them: inputs tried; branches, and those with how often, before and after.
    tried: int
    before: tuple[int, int]
    after: tuple[int, int]
    log: Path


def main() -> int:
    """Run; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=…", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=30, help="for each target (30)")
    parser.add_argument("--input", type=Path, help="only try this file, which broke a target")
    parser.add_argument("--keep", action="store_true", help="what is new goes into the corpus")
    asked = parser.parse_args()
    unknown = {*asked.targets}.difference(TARGETS)
    if unknown:
        parser.error(f"there is no target {min(unknown)!r}")
    names = asked.targets or list(TARGETS)
    if asked.input is not None:
        for name in names:
            with TARGETS[name]() as target:
                target(asked.input.read_bytes())
        return 0
    found = [_fuzz(name, asked.seconds) for name in names]
    if asked.keep:
        for name in names:
            _libfuzzer(name, ["-merge=1"], [CORPUS / name, _new(name)])
    return int(any(each.broken for each in found))


def _fuzz(name: str, seconds: int) -> Done:
    """Look for so long, and tell what came of it."""
    broken = LEFT / "broken" / name
    broken.mkdir(parents=True, exist_ok=True)
    known = {*broken.iterdir()}
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={broken}/"]
    code, log = _libfuzzer(name, options, [_new(name), CORPUS / name])
    done = _told(log, sorted({*broken.iterdir()} - known))
    (before, _), (after, _) = done.before, done.after
    print(f"{name}: {done.tried} inputs, {before} branches, then {after}; see {_shown(log)}")
    for each in done.broken:
        print(f"  broken by {_shown(each)}")
        print(f'  again: make fuzz ARGS="{name} --input {_shown(each)}"')
        print(f"  once it is mended, keep it: mv {_shown(each)} {_shown(CORPUS / name)}/")
    if code and not done.broken:
        print(log.read_text(errors="replace")[-3000:], file=sys.stderr)
        raise SystemExit(f"{name} did not run: its fuzzer ended with {code}")
    sys.stdout.flush()
    return done


def _libfuzzer(name: str, options: Sequence[str], folders: Sequence[Path]) -> tuple[int, Path]:
    """Run the fuzzer in a process of its own, which it ends as it likes."""
    command = [
        *(sys.executable, "-m", "tests.fuzz.one", name, *options),
        *(f"-dict={_DICTIONARY}", f"-timeout={_INPUT_SECONDS_MAX}"),
        *(f"-max_len={_SHORT.get(name, _INPUT_BYTES_MAX)}", "-print_final_stats=1"),
        *map(str, folders),
    ]
    log = LEFT / f"{name}.log"
    with log.open("wb") as file:
        done = subprocess.run(command, cwd=_ROOT, stdout=file, stderr=file, check=False)
    return done.returncode, log


def _new(name: str) -> Path:
    """Where inputs are put that reach something new."""
    folder = LEFT / "new" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _told(log: Path, broken: list[Path]) -> Done:
    text = log.read_text(errors="replace")
    states = [(int(cov), int(ft)) for cov, ft in re.findall(r"cov: (\d+) ft: (\d+)", text)]
    tried = re.findall(r"number_of_executed_units: (\d+)|^#(\d+)\t", text, re.MULTILINE)
    last = max((int(one or other) for one, other in tried), default=0)
    first, final = (states[0], states[-1]) if states else ((0, 0), (0, 0))
    return Done(broken, last, first, final, log)


def _shown(path: Path) -> str:
    return str(path.relative_to(_ROOT))


if __name__ == "__main__":
    sys.exit(main())
