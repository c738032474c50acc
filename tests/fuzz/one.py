"""One target under the fuzzer: `python -m tests.fuzz.one TARGET [libFuzzer's options] FOLDER…`."""

import shlex
import sys

import atheris

# What is imported here counts as covered when it runs; the readers themselves, and nothing else.
with atheris.instrument_imports(include=["projector", "replay"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.mutation import mutate


def main() -> None:
    """Run until libFuzzer ends the process: 0 after its time, something else on a finding."""
    name, *options = sys.argv[1:]
    # As a part of a shell's command: to merge folders libFuzzer calls itself by it.
    program = f"{shlex.quote(sys.executable)} -m tests.fuzz.one {name}"
    with TARGETS[name]() as target:
        atheris.Setup([program, *options], target, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
