"""One target under the fuzzer: `python -m tests.fuzz.one TARGET [libFuzzer's options] FOLDER…`."""

import sys

import atheris

# What is imported here counts as covered when it runs; the readers themselves, and nothing else.
with atheris.instrument_imports(include=["projector", "replay"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.mutation import mutate


def main() -> None:
    """Run until libFuzzer ends the process: 0 after its time, something else on a finding."""
    name, *options = sys.argv[1:]
    with TARGETS[name]() as target:
        atheris.Setup([sys.argv[0], *options], target, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
